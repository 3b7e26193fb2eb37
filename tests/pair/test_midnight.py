"""Pages at midnight of the configured time zone, and on days when its clocks change."""

import datetime

import pytest

from harness.face import Face, rows_of
from harness.http import get, hit
from harness.wait import until

# time zone, before midnight, after it
MIDNIGHTS = {
    "UTC": ("UTC", "2026-11-25T23:50+00:00", "2026-11-26T00:10+00:00"),
    "behind UTC": ("America/New_York", "2026-11-25T23:50-05:00", "2026-11-26T00:10-05:00"),
    "half hours": ("Asia/Kolkata", "2026-11-25T23:50+05:30", "2026-11-26T00:10+05:30"),
    "into a day of 25 hours": ("Europe/Berlin", "2026-10-24T23:50+02:00", "2026-10-25T00:10+02:00"),
    "out of a day of 25 hours": ("Europe/Berlin", "2026-10-25T23:50+01:00", "2026-10-26T00:10+01:00"),
    "out of a day of 23 hours": ("Europe/Berlin", "2026-03-29T23:50+02:00", "2026-03-30T00:10+02:00"),
    "a day without 00:00": ("America/Santiago", "2026-09-05T23:50-04:00", "2026-09-06T01:10-03:00"),
}


@pytest.fixture(scope="module")
def cluster(clocked):
    return clocked


@pytest.fixture
def pair_at(stage, cluster):
    """Makes a pair with a time zone, at a time."""
    def make(zone, at):
        cluster.clock.set(datetime.datetime.fromisoformat(at))
        pair = stage.pair(counter_keys={"time_zone": zone})
        if zone != "UTC":
            until(lambda: pair.counter.events("history-settings"), "the time zone to be in the ledger")
        pair.face = Face(pair.address)
        pair.at = lambda time: cluster.clock.set(datetime.datetime.fromisoformat(time))
        return pair
    return make


def count(pair, path, times):
    for _ in range(times):
        hit(pair.address, path)
    pair.ledger.until_folded()


def rows(pair, period):
    return rows_of(pair.face.json(f"/-/paths?period={period}"))


def row_of(pair, name):
    """The cells of an hour in the chart of all paths: today, by bots, yesterday."""
    html = get(pair.address, "/-/paths").text
    line = html[html.index(f'<th scope="row">{name}</th>'):].partition("</tr>")[0]
    return [cell.partition("</td>")[0] for cell in line.split("<td>")[1:]]


@pytest.mark.parametrize("midnight", MIDNIGHTS)
def test_today_becomes_yesterday_at_midnight(pair_at, midnight):
    zone, before, after = MIDNIGHTS[midnight]
    pair = pair_at(zone, before)
    count(pair, "/a", 3)
    assert rows(pair, "today") == [("/a", 3)]
    assert row_of(pair, "23:00") == ["3", "0", "–"]
    pair.at(after)
    until(lambda: rows(pair, "today") == [], "the new day")
    count(pair, "/b", 1)
    assert rows(pair, "today") == [("/b", 1)]
    assert rows(pair, "24h") == rows(pair, "7d") == [("/a", 3), ("/b", 1)]
    assert row_of(pair, "23:00") == ["–", "–", "3"]
    assert row_of(pair, f"{after[11:13]}:00") == ["1", "0", "–"]
    days = pair.face.json("/-/history")
    assert list(zip(days["times"], days["hits"])) == [(before[:10], 3), (after[:10], 1)]
    hours = pair.face.json("/-/history?unit=hour")
    assert hours["hits"] == [3, 1]
    assert hours["times"] == [f"{before[:13]}:00:00{before[16:]}", f"{after[:13]}:00:00{after[16:]}"]
    assert "1 hit; " in get(pair.address, "/-/paths").text
    assert pair.face.path("/a")["periods"]["today"] == {"hits": 0, "bots": 0}


def test_a_repeated_hour_is_twice_in_a_history_and_once_in_the_chart(pair_at):
    pair = pair_at("Europe/Berlin", "2026-10-25T02:30+02:00")
    count(pair, "/a", 2)
    pair.at("2026-10-25T02:30+01:00")
    count(pair, "/a", 3)
    hours = pair.face.json("/-/paths/a/history?unit=hour")
    assert hours["times"] == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]
    assert hours["hits"] == [2, 3]
    assert row_of(pair, "02:00") == ["5", "0", "–"]
    pair.at("2026-10-26T02:30+01:00")
    until(lambda: rows(pair, "today") == [], "the new day")
    assert row_of(pair, "02:00") == ["0", "0", "5"]
    assert pair.face.json("/-/history")["hits"] == [5, 0]


def test_a_skipped_hour_has_no_number(pair_at):
    pair = pair_at("Europe/Berlin", "2026-03-29T01:30+01:00")
    count(pair, "/a", 2)
    pair.at("2026-03-29T03:30+02:00")
    count(pair, "/a", 3)
    assert [row_of(pair, name)[0] for name in ("01:00", "02:00", "03:00")] == ["2", "–", "3"]
    assert pair.face.json("/-/history?unit=hour")["hits"] == [2, 3]
