"""Retention of history. See test_history.py."""

from datetime import timedelta

import psycopg
import pytest

from history_helpers import START, book, book_of, history, made  # noqa: F401 (fixtures)


# --- retention


def test_hours_and_days_are_deleted_when_they_are_too_old(book):
    book.keep(keep_hours=48, keep_days=40)
    for number in range(60):
        book.append(START + timedelta(days=number), {"/a": 1, f"/{number}": 1})
    book.fold()
    now = START + timedelta(days=59)
    book.steps(now, size=2)
    assert book.hours() == book.expected_hours(lambda at: book.hour(at) > book.hour(now) - timedelta(hours=48))
    assert book.days() == book.expected_days(lambda at: book.day(at) > book.day(now) - timedelta(days=40))
    book.check(now)
    assert len(history(book, "/a", "day", "2026-01-01", "", now)["times"]) == 40
    assert len(history(book, "/a", "hour", "2026-01-01", "", now)["times"]) == 48


def test_the_hours_and_days_of_a_period_are_always_kept(book):
    book.keep(keep_hours=1, keep_days=1)
    book.count(START, {"/a": 1})
    now = START + timedelta(hours=14)
    book.count(now, {"/a": 2})
    book.steps(now)
    book.check(now)
    assert history(book, "/a", "hour", "2026-01-01", "", now)["hits"] == [2]
    assert history(book, "/a", "day", "2026-01-01", "", now)["hits"] == [2]


def test_beyond_the_limit_the_oldest_hours_and_then_days_are_deleted(book):
    for number in range(10):
        book.append(START + timedelta(hours=12 * number), {"/a": 1, "/b": 1})
    book.fold()
    now = START + timedelta(hours=108)
    book.steps(now)
    rows = len(book.hours()) + len(book.days())
    assert rows == 30 + 18
    book.keep(max_rows=rows - 1)
    book.steps(now, size=1)
    hours, days = book.expected_hours(), book.expected_days()
    oldest = book.hour(START)
    assert set(hours) - set(book.hours()) and all(hour == oldest for hour, _ in set(hours) - set(book.hours()))
    assert book.days() == days
    # the history begins after the deleted part
    assert history(book, "/a", "hour", "2026-01-01", "", now)["begins"] == "2026-03-10T13:00:00+00:00"
    book.check(now)

    # all but the last hour: the period has the remaining hours
    book.keep(max_rows=21)
    book.steps(now, size=1)
    assert book.hours() == {key: value for key, value in hours.items() if key[0] == book.hour(now)}
    assert book.days() == days
    assert book.periods(now)["24h"] == {"/a": (1, 0), "/b": (1, 0)}

    book.keep(max_rows=0)
    book.steps(now, size=1)
    assert book.hours() == {key: value for key, value in hours.items() if key[0] == book.hour(now)}
    assert book.days() == {key: value for key, value in days.items() if key[0] == book.day(now)}
    assert book.periods(now)["30d"] == book.periods(now)["7d"] == {"/a": book.days()[book.day(now), "/a"],
                                                                   "/b": book.days()[book.day(now), "/b"]}
    assert book.run("SELECT hour_rows + day_rows FROM pathcount_totals") == [(6,)]


@pytest.mark.parametrize("off", ["hours", "days"])
def test_switching_history_off_deletes_it(book, off):
    book.count(START, {"/a": 1})
    numbers = {"hours": 168, "days": 400, off: 0}
    settings = "SELECT pathcount_history_settings('UTC', %s, %s, 1000)"
    assert book.run(settings, numbers["hours"], numbers["days"]) == [
        ("time_zone=UTC history_hours=168 history_days=400 history_rows=20000000",)]
    assert book.run(settings, numbers["hours"], numbers["days"]) == [(None,)]
    before = {"hours": book.hours(), "days": book.days()}
    book.count(START, {"/a": 2})
    assert {"hours": book.hours, "days": book.days}[off]() == before[off]
    book.steps(START)
    hours, days = book.expected_hours(), book.expected_days()
    assert book.hours() == ({} if off == "hours" else hours)
    assert book.days() == ({} if off == "days" else days)
    assert book.periods(START)["24h"] == ({} if off == "hours" else {"/a": (3, 0)})
    assert book.periods(START)["30d"] == ({} if off == "days" else {"/a": (3, 0)})
    for unit in ("hour", "day"):
        if unit + "s" == off:
            with pytest.raises(psycopg.Error) as refusal:
                history(book, "/a", unit, "", "", START)
            assert refusal.value.sqlstate == "PC004"

    # switched on again: history begins now
    book.run(settings, 168, 400)
    book.steps(START)
    now = START + timedelta(minutes=1)
    book.count(now, {"/a": 4})
    assert book.periods(now)["24h"] == {"/a": (4 if off == "hours" else 7, 0)}
    assert book.periods(now)["30d"] == {"/a": (4 if off == "days" else 7, 0)}
    later = START + timedelta(days=31)
    book.steps(later)
    book.check(later)


def test_periods_move_on_after_a_clock_was_ahead(book):
    book.steps(START + timedelta(days=365))
    book.count(START + timedelta(days=365), {"/ahead": 1})
    book.steps(START + timedelta(days=400))
    book.hits.clear()
    book.steps(START)
    book.count(START, {"/a": 1})
    for hours in (0, 23, 24, 200, 24 * 31):
        now = START + timedelta(hours=hours)
        book.steps(now)
        assert book.periods(now)["24h"].get("/a") == ((1, 0) if hours < 24 else None)
        assert book.periods(now)["30d"].get("/a") == ((1, 0) if hours < 24 * 29 else None)


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "PST", "+02:00", "CET-1CEST", ""])
def test_an_unknown_time_zone_is_refused(book, zone):
    with pytest.raises(psycopg.errors.DataError):
        book.run("SELECT pathcount_history_settings(%s, 1, 1, 1)", zone)
