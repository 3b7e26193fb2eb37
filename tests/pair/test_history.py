"""History in the ledger: hours, days and periods, checked against a model that is computed from the hits.

The functions are called with the time as an argument, in a ledger that no counter-svc works on. What is
served by the API is in test_periods.py.
"""

import collections
import datetime
import json
import random
import zoneinfo
from datetime import timedelta

import psycopg
import pytest

from harness.wait import Later, until

UTC = datetime.timezone.utc
START = datetime.datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def utc(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


class Book:
    """A ledger's history beside the hits that it was made of."""

    def __init__(self, ledger, connection, zone):
        self.ledger, self.connection, self.zone = ledger, connection, zoneinfo.ZoneInfo(zone)
        self.hits = []  # (time, path, hits, bots)
        self.run("TRUNCATE pathcount, pathcount_quarantine, pathcount_hours, pathcount_days, pathcount_recent, "
                 "pathcount_changes, pathcount_changed_rows, pathcount_history")
        self.run("UPDATE pathcount_totals SET paths = 0, hits = 0, bot_hits = 0, hour_rows = 0, day_rows = 0")
        self.run("INSERT INTO pathcount_history (time_zone, hours_since, days_since) VALUES (%s, %s, %s)",
                 zone, START, START)

    def run(self, sql, *values):
        cursor = self.connection.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else None

    def append(self, at, hits, bots=None):
        """An entry of the journal."""
        self.run("INSERT INTO pathcount_journal (position, id, kind, writer, at, lanes, sequences, opened, ended, "
                 "paths, hits, new_paths, bot_hits) SELECT max(position) + 1, floor(random() * 9e15)::bigint, 1, 0, "
                 "%s, '{}', '{}', '{}', '{}', %s, %s, 0, %s FROM pathcount_journal",
                 at, list(hits), list(hits.values()), bots and [bots.get(path, 0) for path in hits])
        self.hits += [(at, path, number, (bots or {}).get(path, 0)) for path, number in hits.items()]

    def fold(self):
        self.run("SELECT pathcount_fold()")

    def count(self, at, hits, bots=None):
        self.append(at, hits, bots)
        self.fold()

    def steps(self, at, size=500, most=10000):
        """Does everything that is to be done at a time; returns how many steps it took."""
        for number in range(most):
            if not self.run("SELECT pathcount_history_step(%s, %s)", at, size)[0][0]:
                return number
        raise AssertionError("there is always more to do")

    def keep(self, **settings):
        for name, value in settings.items():
            self.run(f"UPDATE pathcount_history SET {name} = %s", value)

    # --- what is in the ledger

    def hours(self):
        return {(hour, path): (hits, bots) for hour, path, hits, bots in self.run("SELECT * FROM pathcount_hours")}

    def days(self):
        return {(day, path): (hits, bots) for day, path, hits, bots in self.run("SELECT * FROM pathcount_days")}

    def periods(self, at):
        """period → {path: (hits, bots)}."""
        today = at.astimezone(self.zone).date()
        found = {"today": {}, "24h": {}, "7d": {}, "30d": {}}
        for path, day, *numbers in self.run("SELECT * FROM pathcount_recent"):
            for number, name in enumerate(found):
                hits, bots = numbers[2 * number:2 * number + 2]
                if hits and (name != "today" or day == today):
                    found[name][path] = (hits, bots)
        return found

    # --- what should be

    def hour(self, at):
        local = at.astimezone(self.zone)
        return at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)

    def day(self, at):
        return at.astimezone(self.zone).date()

    def sums(self, key, wanted=lambda at: True):
        found = collections.defaultdict(lambda: (0, 0))
        for at, path, hits, bots in self.hits:
            if wanted(at):
                for name in key(at, path):
                    found[name] = tuple(map(sum, zip(found[name], (hits, bots))))
        return dict(found)

    def expected_hours(self, wanted=lambda at: True):
        return self.sums(lambda at, path: [(self.hour(at), path), (self.hour(at), "")], wanted)

    def expected_days(self, wanted=lambda at: True):
        return self.sums(lambda at, path: [(self.day(at), path), (self.day(at), "")], wanted)

    def expected_periods(self, now):
        def days(number):
            return lambda at: self.day(at) > self.day(now) - timedelta(days=number)

        return {name: self.sums(lambda at, path: [path], wanted) for name, wanted in {
            "today": days(1), "24h": lambda at: self.hour(at) > self.hour(now) - timedelta(hours=24),
            "7d": days(7), "30d": days(30)}.items()}

    def check(self, now):
        """The periods and their sums are those of the hits, and the rows of history are counted."""
        expected = self.expected_periods(now)
        assert self.periods(now) == expected
        for period, paths in expected.items():
            assert self.run("SELECT hits, bots FROM pathcount_period(%s, %s)", period, now) == [
                tuple(sum(numbers) for numbers in zip((0, 0), *paths.values()))]
        assert self.run("SELECT hour_rows, day_rows FROM pathcount_totals") == [
            (len(self.hours()), len(self.days()))]


@pytest.fixture(scope="module")
def made(module_stage):
    """A ledger with the schema, and no counter-svc."""
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger)
    ledger.until_migrated()
    counter.stop()
    return ledger


@pytest.fixture
def book_of(made):
    """Makes a book for a time zone, in the emptied ledger."""
    with made.connect_as_owner() as connection:
        connection.execute("SET TIME ZONE 'UTC'; SET lock_timeout = '60s'")
        yield lambda zone: Book(made, connection, zone)


@pytest.fixture
def book(book_of):
    return book_of("UTC")


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


def test_a_fold_that_moves_nothing_adds_nothing_to_history(book):
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


def test_folds_at_once_add_each_hit_to_history_once(book):
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


def test_sums_stay_at_the_end_of_their_range(book):
    most = 2**63 - 1
    for _ in range(3):
        book.count(START, {"/a": most - 1})
    assert set(book.hours().values()) == set(book.days().values()) == {(most, 0)}
    assert book.periods(START)["30d"] == {"/a": (most, 0)}


def test_hours_and_days_that_come_together_stay_at_the_end_of_their_range(book):
    most = 2**63 - 1
    book.count(START, {"/a": most, "/b": most, "/c": 1}, {"/c": 1})
    book.run("SELECT pathcount_history_move('{/a}', '{/b}', NULL, NULL)")
    assert book.hours()[book.hour(START), "/b"] == book.days()[book.day(START), "/b"] == (most, 0)
    # a sum at its end cannot tell any more what is left; there are never more bots than hits
    book.run("SELECT pathcount_history_move('{/b}', NULL, NULL, ARRAY[''])")
    document = history(book, "", "hour", "", "", START)
    assert document["hits"] == [0] and document["bots"] == [0]


def test_what_the_table_refuses_is_in_history_all_the_same(book):
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


# --- what leaves a period


def test_an_hour_leaves_24_hours_after_it_began_and_a_day_after_its_period(book):
    book.count(START, {"/a": 3, "/b": 1}, {"/a": 2})
    for after in ({"hours": 23, "minutes": 29}, {"hours": 23, "minutes": 30}, {"days": 6, "hours": 11, "minutes": 29},
                  {"days": 6, "hours": 11, "minutes": 30}, {"days": 29, "hours": 11, "minutes": 29},
                  {"days": 29, "hours": 11, "minutes": 30}):
        now = START + timedelta(**after)
        book.steps(now)
        book.check(now)
    assert book.run("SELECT count(*) FROM pathcount_recent") == [(0,)]  # nothing is left behind


def test_today_ends_at_midnight_without_a_step(book):
    book.count(START, {"/a": 3})
    book.check(START + timedelta(hours=11, minutes=29))
    assert book.periods(START + timedelta(hours=11, minutes=30))["today"] == {}
    book.count(START + timedelta(hours=12), {"/b": 1})
    book.check(START + timedelta(hours=12))


def test_steps_are_small_and_can_be_done_again(book):
    """What one step has done is seen by the next one, whichever process does it, and repeating it does no harm."""
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


def test_a_fold_beside_a_step_adds_once_and_a_step_takes_out_once(book):
    """A fold that waits for a row adds to what the step has written; a step sees what was folded before."""
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


def test_a_step_that_waits_for_a_fold_sees_what_it_has_added(book):
    book.count(START, {"/a": 3})
    now = START + timedelta(hours=24)
    book.append(now, {"/a": 10})
    with book.ledger.connect_as_owner() as other:
        other.execute("BEGIN")
        other.execute("SELECT pathcount_fold()")
        # for this the entry is not folded yet: the step is one of an hour that has left already
        step = Later(lambda: book.run("SELECT pathcount_refresh('{/a}', %s)", now))
        until(lambda: book.ledger.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1, "the step to wait")
        other.execute("COMMIT")
        step.result()
    assert book.periods(now)["24h"] == {"/a": (10, 0)}
    book.steps(now)
    book.check(now)


def test_a_change_waits_for_a_step(book):
    """Both write to rows of history and to their number: in different orders one would be cancelled."""
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


def test_of_two_steps_at_once_one_does_nothing(book):
    book.count(START, {"/a": 3})
    now = START + timedelta(hours=24)
    with book.ledger.connect_as_owner() as other:
        other.execute("BEGIN")
        assert other.execute("SELECT pathcount_history_step(%s, 500)", (now,)).fetchone() == (True,)
        assert book.run("SELECT pathcount_history_step(%s, 500)", now) == [(False,)]
        other.execute("ROLLBACK")
    book.steps(now)
    book.check(now)


def test_periods_wait_for_hits_that_are_not_folded_yet(book):
    """Otherwise an hour could leave before its last hits have come."""
    book.count(START, {"/a": 3})
    book.append(START, {"/a": 1})
    now = START + timedelta(hours=24)
    assert book.steps(now) == 0
    book.fold()
    book.steps(now)
    book.check(now)


def test_a_refresh_at_midnight_keeps_what_a_fold_has_counted_on_the_new_day(book):
    """A refresh may wait for a fold whose hits came after the time that it works with."""
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


# --- time zones

CHANGES_OF_CLOCKS = {
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "America/Havana": ["2026-03-08T05:00", "2026-11-01T05:00"],  # at midnight
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],  # by half an hour
    "Asia/Kolkata": ["2026-03-29T01:00"],  # days begin at half past
    "Asia/Kathmandu": ["2026-03-29T01:00"],  # at a quarter past
}


@pytest.mark.parametrize("zone, change", [(zone, change) for zone, changes in CHANGES_OF_CLOCKS.items()
                                          for change in changes])
def test_hours_and_days_are_those_of_the_time_zone_when_clocks_change(book_of, zone, change):
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


@pytest.mark.parametrize("day, hours, twice", [("2026-03-29", 23, None), ("2026-10-25", 25, "02"), ("2026-06-01", 24, None)])
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


def test_a_day_whose_midnight_comes_twice_begins_with_the_first(book_of):
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


def test_hours_of_an_earlier_time_zone_stay(book):
    """In India hours begin at half past, for UTC."""
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
    # changes and SQL find them, too
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


def history(book, path, unit, since, upto, now):
    return book.run("SELECT pathcount_history_of(%s, %s, %s, %s, %s)", path, unit, since, upto, now)[0][0]


def test_a_history_lists_every_hour_and_day_from_its_begin(book):
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
def test_a_time_of_another_form_is_refused(book, text):
    with pytest.raises(psycopg.Error) as refusal:
        history(book, "", "day", text, "", START)
    assert refusal.value.sqlstate == "PC003"


# --- what is kept


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


def test_what_a_period_needs_is_kept_however_little_is_asked_for(book):
    book.keep(keep_hours=1, keep_days=1)
    book.count(START, {"/a": 1})
    now = START + timedelta(hours=14)
    book.count(now, {"/a": 2})
    book.steps(now)
    book.check(now)
    assert history(book, "/a", "hour", "2026-01-01", "", now)["hits"] == [2]
    assert history(book, "/a", "day", "2026-01-01", "", now)["hits"] == [2]


def test_beyond_its_bound_the_oldest_hours_go_first_and_then_the_oldest_days(book):
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
    # history does not claim to know what is gone
    assert history(book, "/a", "hour", "2026-01-01", "", now)["begins"] == "2026-03-10T13:00:00+00:00"
    book.check(now)

    # all but the last hour; its period has what there still is
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
def test_history_that_is_off_is_not_recorded_and_what_there_was_goes(book, off):
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

    # on again: from now on
    book.run(settings, 168, 400)
    book.steps(START)
    now = START + timedelta(minutes=1)
    book.count(now, {"/a": 4})
    assert book.periods(now)["24h"] == {"/a": (4 if off == "hours" else 7, 0)}
    assert book.periods(now)["30d"] == {"/a": (4 if off == "days" else 7, 0)}
    later = START + timedelta(days=31)
    book.steps(later)
    book.check(later)


def test_a_clock_that_was_ahead_does_not_keep_periods_from_moving(book):
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
def test_a_zone_that_is_not_known_is_refused(book, zone):
    with pytest.raises(psycopg.errors.DataError):
        book.run("SELECT pathcount_history_settings(%s, 1, 1, 1)", zone)
