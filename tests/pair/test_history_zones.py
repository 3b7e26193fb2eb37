"""Time zones in history: hours and days on days when clocks change. See test_history.py."""

import collections
import datetime
from datetime import timedelta

import psycopg
import pytest

from history_helpers import START, UTC, book, book_of, history, made, utc  # noqa: F401 (fixtures)


# --- time zones


CHANGES_OF_CLOCKS = {
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "America/Havana": ["2026-03-08T05:00", "2026-11-01T05:00"],  # clocks change at midnight
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],  # clocks change by half an hour
    "Asia/Kolkata": ["2026-03-29T01:00"],  # days begin at half past
    "Asia/Kathmandu": ["2026-03-29T01:00"],  # at a quarter past
}


@pytest.mark.parametrize("zone, change", [(zone, change) for zone, changes in CHANGES_OF_CLOCKS.items()
                                          for change in changes])
def test_hours_and_days_follow_the_time_zone_when_clocks_change(book_of, zone, change):
    book, change = book_of(zone), utc(change)
    first = change - timedelta(hours=30)
    for number in range(0, 60 * 60, 7):
        book.append(first + timedelta(minutes=number), {"/a": 1})
    book.fold()
    assert book.hours() == book.expected_hours()
    assert book.days() == book.expected_days()
    for hours in range(0, 84, 3):
        now = first + timedelta(hours=60 + hours)
        book.steps(now)
        book.check(now)


@pytest.mark.parametrize("day, hours, twice", [("2026-03-29", 23, None), ("2026-10-25", 25, "02"),
                                               ("2026-06-01", 24, None)])
def test_a_day_has_23_24_or_25_hours(book_of, day, hours, twice):
    book = book_of("Europe/Berlin")
    begin = datetime.datetime.fromisoformat(day).replace(tzinfo=book.zone)
    now = begin.astimezone(UTC) + timedelta(days=2)
    for number in range(hours):
        book.append(begin.astimezone(UTC) + timedelta(hours=number, minutes=5), {"/a": 1 + number})
    book.fold()
    document = history(book, "/a", "hour", day, day, now)
    assert document["hits"] == [1 + number for number in range(hours)]
    assert len(set(document["times"])) == hours
    assert [time[:10] for time in document["times"]] == [day] * hours
    repeated = [time for time, number in collections.Counter(time[11:13] for time in document["times"]).items()
                if number == 2]
    assert repeated == ([twice] if twice else [])
    assert [datetime.datetime.fromisoformat(time).astimezone(UTC) for time in document["times"]] == [
        begin.astimezone(UTC) + timedelta(hours=number) for number in range(hours)]
    assert history(book, "/a", "day", day, day, now)["hits"] == [sum(range(1, hours + 1))]


def test_a_day_with_two_midnights_begins_at_the_first(book_of):
    book = book_of("America/Havana")
    first = utc("2026-11-01T04:00")  # 00:00 at -04:00; an hour later it is 00:00 at -05:00
    for number in range(-1, 3):
        book.append(first + timedelta(hours=number), {"/a": 10 + number})
    book.fold()
    now = first + timedelta(hours=2)
    assert history(book, "/a", "hour", "2026-11-01", "", now)["hits"] == [10, 11, 12]
    assert history(book, "/a", "hour", "2026-10-31", "2026-10-31", now)["hits"][-2:] == [0, 9]
    book.keep(keep_days=1)
    assert history(book, "/a", "day", "", "", now)["begins"] == "2026-11-01T00:00:00-04:00"


def test_hours_of_the_previous_time_zone_stay(book):
    """In India hours begin at half past the hours of UTC."""
    book.count(START, {"/a": 1, "/b": 2}, {"/b": 1})
    book.count(START + timedelta(hours=1), {"/a": 4})
    book.keep(time_zone="Asia/Kolkata")
    now = START + timedelta(hours=1, minutes=29)
    book.count(now, {"/a": 8})
    assert history(book, "/a", "hour", "2026-03-10", "", now) == {
        "path": "/a", "unit": "hour", "zone": "Asia/Kolkata", "begins": "2026-03-10T18:00:00+05:30",
        "times": [f"2026-03-10T{hour}:00:00+05:30" for hour in (18, 19)], "hits": [4, 8], "bots": [0, 0]}
    book.keep(hours_since=START - timedelta(hours=1))
    # 12:00 in UTC is 17:30 in India
    assert history(book, "/a", "hour", "2026-03-10", "", now)["hits"] == [1, 4, 8]
    book.run("SELECT pathcount_refresh('{/a,/b}', %s)", now)
    assert book.periods(now)["24h"] == {"/a": (13, 0), "/b": (2, 1)}
    assert book.run("SELECT hits, bots FROM pathcount_period('24h', %s)", now) == [(15, 1)]
    # changes and SQL find these hours, too
    book.run("SELECT pathcount_history_move('{/a}', '{/c}', NULL, NULL)")
    assert {key: value for key, value in book.hours().items() if key[1] == "/a"} == {}
    assert sum(hits for (_, path), (hits, _) in book.hours().items() if path == "/c") == 13
    book.run("SELECT pathcount_history_delete(1, '/c', '/c')")
    assert {path for _, path in book.hours()} == {"", "/b", "\x011/c"}
    book.run("SELECT pathcount_refresh('{/b}', %s)", now)
    assert book.run("SELECT hour_rows FROM pathcount_totals") == [(len(book.hours()),)]


def test_a_history_has_a_bounded_length(book):
    book.keep(keep_hours=87600, keep_days=36500, hours_since=utc("1950-01-01"), days_since=utc("1950-01-01"))
    for unit, length in (("hour", timedelta(hours=9998)), ("day", timedelta(days=9998))):
        begin = (START - length).isoformat()
        assert len(history(book, "", unit, begin, "", START)["times"]) == 9999
        with pytest.raises(psycopg.Error) as refusal:
            history(book, "", unit, (START - length - timedelta(seconds=1)).isoformat(), "", START)
        assert refusal.value.sqlstate == "PC003"


def test_a_history_lists_every_hour_and_day_since_its_beginning(book):
    book.count(START + timedelta(hours=1), {"/a": 3, "/b": 4}, {"/b": 1})
    book.count(START + timedelta(hours=3), {"/a": 1})
    now = START + timedelta(hours=3)
    assert history(book, "/a", "hour", "", "", now) == {
        "path": "/a", "unit": "hour", "zone": "UTC", "begins": "2026-03-10T12:30:00+00:00",
        "times": [f"2026-03-10T{hour}:00:00+00:00" for hour in (12, 13, 14, 15)],
        "hits": [0, 3, 0, 1], "bots": [0, 0, 0, 0]}
    assert history(book, "", "day", "2026-01-01", "2027-01-01", now) == {
        "path": None, "unit": "day", "zone": "UTC", "begins": "2026-03-10T12:30:00+00:00",
        "times": ["2026-03-10"], "hits": [8], "bots": [1]}
    assert history(book, "/a", "hour", "2026-03-10T14:59:59+01:00", "2026-03-10T13:00:00Z", now)["hits"] == [3]
    assert history(book, "/a", "hour", "2026-03-10T16:00:00Z", "", now)["times"] == []
    later = START + timedelta(days=3)
    assert history(book, "/a", "hour", "", "", later)["times"][0] == "2026-03-12T00:00:00+00:00"
    assert len(history(book, "/a", "day", "", "", START + timedelta(days=60))["times"]) == 30


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "2026-13-01", "now", "2026-01-01 00:00", "infinity"])
def test_a_time_in_another_format_is_refused(book, text):
    with pytest.raises(psycopg.Error) as refusal:
        history(book, "", "day", text, "", START)
    assert refusal.value.sqlstate == "PC003"
