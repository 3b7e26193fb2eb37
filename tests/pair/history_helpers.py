"""A ledger whose clock is set by the test, and its history. For test_history*.py."""

import collections
import datetime
import zoneinfo
from datetime import timedelta

import pytest

UTC = datetime.timezone.utc

START = datetime.datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def utc(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


class Book:
    """A ledger's history, and the hits from which it was made."""

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
        """Appends an entry to the journal."""
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
        """Makes all steps that are due at a time. Returns their number."""
        for number in range(most):
            if not self.run("SELECT pathcount_history_step(%s, %s)", at, size)[0][0]:
                return number
        raise AssertionError("the steps do not end")

    def keep(self, **settings):
        for name, value in settings.items():
            self.run(f"UPDATE pathcount_history SET {name} = %s", value)

    # --- the ledger's content

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

    # --- the expected content

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
        """Checks the periods, their sums and the stored numbers of rows against the hits."""
        expected = self.expected_periods(now)
        assert self.periods(now) == expected
        for period, paths in expected.items():
            assert self.run("SELECT hits, bots FROM pathcount_period(%s, %s)", period, now) == [
                tuple(sum(numbers) for numbers in zip((0, 0), *paths.values()))]
        assert self.run("SELECT hour_rows, day_rows FROM pathcount_totals") == [
            (len(self.hours()), len(self.days()))]


@pytest.fixture(scope="module")
def made(module_stage):
    """A ledger with the schema. No counter-svc runs on it."""
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


def history(book, path, unit, since, upto, now):
    return book.run("SELECT pathcount_history_of(%s, %s, %s, %s, %s)", path, unit, since, upto, now)[0][0]
