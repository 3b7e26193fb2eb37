"""History in the ledger: hours, days and periods, checked against a model that computes them from the hits.

The SQL functions are called with the time as an argument, in a ledger without a counter-svc. test_periods.py
tests the API.
"""

import json
import random
from datetime import timedelta

import pytest

from harness.wait import Later, until

from history_helpers import START, book, book_of, history, made, utc  # noqa: F401 (fixtures)


# --- hours and days


def test_a_fold_adds_each_hit_to_its_hour_and_day_and_to_the_periods(book):
    book.append(START, {"/a": 3, "/b": 4}, {"/a": 1})
    book.append(START + timedelta(minutes=29, seconds=59), {"/a": 1})  # the same hour
    book.append(START + timedelta(minutes=30), {"/a": 5})  # the next one
    book.append(START + timedelta(hours=12), {"/b": 2}, {"/b": 2})  # the next day
    book.fold()
    assert book.hours() == book.expected_hours()
    assert book.hours()[utc("2026-03-10T12:00"), "/a"] == (4, 1)
    assert book.hours()[utc("2026-03-10T12:00"), ""] == (8, 1)
    assert book.days() == book.expected_days()
    book.check(START + timedelta(hours=12))
    assert book.run("SELECT count, bot_count FROM pathcount WHERE path = '/b'") == [(6, 2)]
    assert book.run("SELECT hits, bot_hits FROM pathcount_totals") == [(15, 3)]


def test_a_fold_without_entries_adds_nothing_to_history(book):
    book.count(START, {"/a": 1})
    book.append(START, {"/a": 1})
    position, = book.run("SELECT position FROM pathcount_checkpoint")[0]
    assert book.run("SELECT pathcount_fold(%s, %s, '{}', '')", position - 1, position + 1) == [(False,)]
    assert book.run("SELECT pathcount_fold(%s, %s, '{}', '')", position, position + 2) == [(False,)]
    assert book.hours()[utc("2026-03-10T12:00"), "/a"] == (1, 0)
    book.fold()
    book.fold()
    assert book.hours() == book.expected_hours()
    assert book.days() == book.expected_days()
    book.check(START)


def test_simultaneous_folds_add_each_hit_to_history_once(book):
    for number in range(20):
        book.append(START + timedelta(minutes=10 * number), {"/a": 1, f"/{number}": 2})
    position, = book.run("SELECT position FROM pathcount_checkpoint")[0]

    def fold():
        with book.ledger.connect_as_owner() as connection:
            for upto in range(position + 5, position + 21, 5):
                connection.execute("SELECT pathcount_fold(%s, %s, '{}', '')", (upto - 5, upto))

    for later in [Later(fold) for _ in range(4)]:
        later.result()
    book.fold()
    assert book.hours() == book.expected_hours()
    assert book.days() == book.expected_days()
    book.check(START + timedelta(hours=4))


def test_sums_stay_at_the_maximum(book):
    most = 2**63 - 1
    for _ in range(3):
        book.count(START, {"/a": most - 1})
    assert set(book.hours().values()) == set(book.days().values()) == {(most, 0)}
    assert book.periods(START)["30d"] == {"/a": (most, 0)}


def test_merged_hours_and_days_stay_at_the_maximum(book):
    most = 2**63 - 1
    book.count(START, {"/a": most, "/b": most, "/c": 1}, {"/c": 1})
    book.run("SELECT pathcount_history_move('{/a}', '{/b}', NULL, NULL)")
    assert book.hours()[book.hour(START), "/b"] == book.days()[book.day(START), "/b"] == (most, 0)
    # a sum at the maximum is no longer exact, but hits by bots never exceed hits
    book.run("SELECT pathcount_history_move('{/b}', NULL, NULL, ARRAY[''])")
    document = history(book, "", "hour", "", "", START)
    assert document["hits"] == [0] and document["bots"] == [0]


def test_hits_that_the_table_refuses_are_in_history(book):
    book.run("ALTER TABLE pathcount ADD CONSTRAINT small CHECK (path <> '/refused')")
    try:
        book.append(START, {"/a": 1, "/refused": 2}, {"/refused": 1})
        position, = book.run("SELECT position FROM pathcount_checkpoint")[0]
        assert book.run("SELECT pathcount_fold_row_by_row(%s, %s)", position, position + 1) == [(1,)]
    finally:
        book.run("ALTER TABLE pathcount DROP CONSTRAINT small")
    assert book.run("SELECT path, count, bot_count FROM pathcount_quarantine") == [("/refused", 2, 1)]
    assert book.run("SELECT * FROM pathcount_now ORDER BY path") == [("/a", 1, 0), ("/refused", 2, 1)]
    assert book.hours() == book.expected_hours()
    book.check(START)


# --- leaving a period


def test_an_hour_leaves_24_hours_after_it_began_and_a_day_after_its_period(book):
    book.count(START, {"/a": 3, "/b": 1}, {"/a": 2})
    for after in ({"hours": 23, "minutes": 29}, {"hours": 23, "minutes": 30}, {"days": 6, "hours": 11, "minutes": 29},
                  {"days": 6, "hours": 11, "minutes": 30}, {"days": 29, "hours": 11, "minutes": 29},
                  {"days": 29, "hours": 11, "minutes": 30}):
        now = START + timedelta(**after)
        book.steps(now)
        book.check(now)
    assert book.run("SELECT count(*) FROM pathcount_recent") == [(0,)]  # nothing is left behind


def test_today_ends_at_midnight_even_before_a_step(book):
    book.count(START, {"/a": 3})
    book.check(START + timedelta(hours=11, minutes=29))
    assert book.periods(START + timedelta(hours=11, minutes=30))["today"] == {}
    book.count(START + timedelta(hours=12), {"/b": 1})
    book.check(START + timedelta(hours=12))


def test_steps_are_small_and_can_be_repeated(book):
    """The next step sees the effect of the last one, whichever process runs it. Repeating a step changes
    nothing."""
    for number in range(7):
        book.append(START, {f"/{number}": 1 + number})
    book.fold()
    now = START + timedelta(hours=24)
    book.run("SELECT pathcount_history_step(%s, 3)", now)
    assert len(book.periods(now)["24h"]) == 4
    book.run("UPDATE pathcount_history SET h24_cursor = ''")
    assert book.steps(now, size=3) == 3
    book.check(now)
    assert book.steps(now, size=3) == 0


def test_simultaneous_folds_and_steps_change_each_sum_once(book):
    """A fold that waits for a row adds to the result of the step. A step sees the folds before it."""
    book.count(START, {"/a": 3, "/b": 3})
    now = START + timedelta(hours=24)
    with book.ledger.connect_as_owner() as other:
        other.execute("BEGIN")
        other.execute("SELECT pathcount_history_step(%s, 500)", (now,))
        book.append(now, {"/a": 10})
        fold = Later(book.fold)
        until(lambda: book.ledger.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1, "the fold to wait")
        assert other.execute("SELECT pathcount_history_step(%s, 500)", (now,)).fetchone() == (False,)
        other.execute("COMMIT")
        fold.result()
    book.steps(now)
    book.check(now)


def test_a_step_that_waits_for_a_fold_sees_its_result(book):
    book.count(START, {"/a": 3})
    now = START + timedelta(hours=24)
    book.append(now, {"/a": 10})
    with book.ledger.connect_as_owner() as other:
        other.execute("BEGIN")
        other.execute("SELECT pathcount_fold()")
        # the entry must not be folded yet, so the step is that of an hour that has left before
        step = Later(lambda: book.run("SELECT pathcount_refresh('{/a}', %s)", now))
        until(lambda: book.ledger.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1, "the step to wait")
        other.execute("COMMIT")
        step.result()
    assert book.periods(now)["24h"] == {"/a": (10, 0)}
    book.steps(now)
    book.check(now)


def test_changes_and_steps_do_not_deadlock(book):
    """Both write rows of history and their number, in different orders. Without the wait PostgreSQL would cancel
    one of them."""
    book.count(START, {"/a": 3, "/b": 3})
    now = START + timedelta(hours=24)
    book.count(now, {"/c": 1})
    with book.ledger.connect_as_owner() as other:
        other.execute("BEGIN")
        assert other.execute("SELECT pathcount_history_step(%s, 500)", (now,)).fetchone() == (True,)
        change = Later(lambda: book.run("SELECT pathcount_change(%s, 100)", json.dumps(
            {"id": "a", "part": 1, "kind": "rename", "why": "a test", "from": ["/c"], "to": "/d"})))
        until(lambda: book.ledger.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1, "the change to wait")
        other.execute("COMMIT")
        change.result()
    assert book.hours()[book.hour(now), "/d"] == (1, 0)


def test_of_two_simultaneous_steps_one_does_nothing(book):
    book.count(START, {"/a": 3})
    now = START + timedelta(hours=24)
    with book.ledger.connect_as_owner() as other:
        other.execute("BEGIN")
        assert other.execute("SELECT pathcount_history_step(%s, 500)", (now,)).fetchone() == (True,)
        assert book.run("SELECT pathcount_history_step(%s, 500)", now) == [(False,)]
        other.execute("ROLLBACK")
    book.steps(now)
    book.check(now)


def test_an_hour_does_not_leave_before_its_hits_are_folded(book):
    """Otherwise an hour could leave before its last hits arrive."""
    book.count(START, {"/a": 3})
    book.append(START, {"/a": 1})
    now = START + timedelta(hours=24)
    assert book.steps(now) == 0
    book.fold()
    book.steps(now)
    book.check(now)


def test_a_refresh_at_midnight_keeps_the_hits_of_the_new_day(book):
    """A refresh may wait for a fold with hits that are later than the time of the refresh."""
    midnight = utc("2026-03-11T00:00")
    before = midnight - timedelta(milliseconds=50)
    book.count(START, {"/a": 3})
    book.append(midnight, {"/a": 10}, {"/a": 4})
    with book.ledger.connect_as_owner() as other:
        other.execute("BEGIN")
        other.execute("SELECT pathcount_fold()")
        step = Later(lambda: book.run("SELECT pathcount_refresh('{/a}', %s)", before))
        until(lambda: book.ledger.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1, "the step to wait")
        other.execute("COMMIT")
        step.result()
    book.check(midnight)
    book.count(midnight, {"/a": 1})
    book.check(midnight)


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kolkata"])
def test_random_hits_over_forty_days(book_of, zone):
    """Hits, folds and steps in a random order, with pauses of minutes to days."""
    chance = random.Random(zone)
    book, now = book_of(zone), START
    while now < START + timedelta(days=40):
        for _ in range(chance.randrange(4)):
            hits = {f"/{chance.randrange(6)}": chance.randrange(1, 9) for _ in range(3)}
            book.append(now, hits, chance.choice([None, {path: chance.randrange(hits[path]) for path in hits}]))
            now += timedelta(minutes=chance.randrange(50))
        if chance.random() < 0.7:
            book.fold()
        if chance.random() < 0.5:
            book.run("SELECT pathcount_history_step(%s, %s)", now, chance.randrange(1, 5))
        now += timedelta(minutes=chance.choice([1, 20, 60, 200, 1000, 2000]))
    book.fold()
    book.steps(now, size=3)
    book.check(now)
    assert book.days() == book.expected_days()
    assert book.hours() == book.expected_hours(lambda at: book.hour(at) > book.hour(now) - timedelta(hours=168))
