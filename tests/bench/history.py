"""What history costs, measured in a ledger of so many paths.

    PYTHONPATH=tests /usr/bin/python3 tests/bench/history.py [PATHS]

Prints: the CPU time of a fold for each path in it; the first page of each period next to that of all
time; the CPU time of an hour that leaves its period; and bytes for each path and hour or day. The
functions of the ledger are called directly, so that nothing else runs between.
"""

import contextlib
import os
import random
import statistics
import sys
import time

os.environ.pop("BUILD_DIR", None)  # the release build is measured
sys.dont_write_bytecode = True

import accounting
from harness.http import Connection
from harness.services import TOKEN
from subjects import Pair, workplace

FOLDS, FOLD_PATHS, ASKED = 5, 4000, 100
PERIODS = ("all", "today", "24h", "7d", "30d")


class Session:
    """A session with the ledger, as that of folds is set up."""

    def __init__(self, ledger):
        self.connection = ledger.connect_as_owner()
        for setting in ("synchronous_commit = off", "plan_cache_mode = force_generic_plan", "enable_sort = off",
                        "enable_bitmapscan = off"):
            self.run(f"SET {setting}")
        self.pid = self.run("SELECT pg_backend_pid()")[0][0]

    def run(self, sql, *values):
        cursor = self.connection.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else None

    def cpu(self, sql, *values):
        """Seconds of CPU time that a statement takes PostgreSQL."""
        before = accounting.cpu_of(self.pid)
        self.run(sql, *values)
        return accounting.cpu_of(self.pid) - before


def fill(session):
    """Each path has a hit in this hour, and one in the hour that leaves next."""
    for hours in (0, 23):
        session.run("INSERT INTO pathcount_hours SELECT date_trunc('hour', now(), 'UTC') - %s * INTERVAL '1 hour', "
                    "path, 1, 0 FROM pathcount", hours)
    session.run("INSERT INTO pathcount_days SELECT now()::date, path, 2, 0 FROM pathcount")
    session.run("INSERT INTO pathcount_recent SELECT path, now()::date, 2, 0, 2, 0, 2, 0, 2, 0 FROM pathcount "
                "ORDER BY random()")
    session.run("UPDATE pathcount_totals SET hour_rows = 2 * paths, day_rows = paths")
    session.run("VACUUM (ANALYZE) pathcount_hours, pathcount_days, pathcount_recent, pathcount")


def append(session, paths, chance):
    """An entry for each 60 of so many hits of random paths; returns the positions around them."""
    start, last = session.run("SELECT position, (SELECT max(position) FROM pathcount_journal) "
                              "FROM pathcount_checkpoint")[0]
    assert start == last
    for _ in range(FOLD_PATHS // 60):
        hit = sorted({f"/bench/{chance.randrange(paths):07}" for _ in range(60)})
        session.run("INSERT INTO pathcount_journal (position, id, kind, writer, lanes, sequences, opened, ended, "
                    "paths, hits, new_paths) VALUES (%s, 1, 1, 0, '{}', '{}', '{}', '{}', %s, %s, 0)",
                    last + 1, hit, [1] * len(hit))
        last += 1
    return start, last


def measure_folds(session, paths):
    chance, seconds = random.Random(1), []
    for _ in range(FOLDS):
        start, last = append(session, paths, chance)
        seconds.append(session.cpu("SELECT pathcount_fold(%s, %s, '{}', '')", start, last))
    return statistics.median(seconds) / FOLD_PATHS * 1e6


def measure_pages(pair):
    """period → milliseconds until its first hundred rows were there."""
    found = {}
    with contextlib.closing(Connection(pair.counter.address)) as connection:
        for period in PERIODS * ASKED:
            began = time.perf_counter()
            answer = connection.ask("GET", f"/v1/paths?period={period}", {"Authorization": f"Bearer {TOKEN}"})
            found.setdefault(period, []).append((time.perf_counter() - began) * 1e3)
            assert answer.status == 200
    return {period: statistics.median(times) for period, times in found.items()}


def measure_leaving(session, paths):
    """CPU time for each path of the hour that leaves, and the longest step."""
    seconds, longest = 0, 0
    while True:
        began = time.perf_counter()
        before = accounting.cpu_of(session.pid)
        more = session.run("SELECT pathcount_history_step(now() + INTERVAL '1 hour', 500)")[0][0]
        seconds += accounting.cpu_of(session.pid) - before
        longest = max(longest, time.perf_counter() - began)
        if not more:
            return seconds / paths * 1e6, longest * 1e3


def sizes(session, paths):
    return {table: session.run("SELECT pg_total_relation_size(%s::regclass)", table)[0][0] / paths / rows
            for table, rows in (("pathcount_hours", 2), ("pathcount_days", 1), ("pathcount_recent", 1))}


def main():
    paths = int((sys.argv[1:] or [1000000])[0])
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        pair = Pair(stack, cluster, folder, paths)
        pair.ledger.until_migrated()
        session = Session(pair.ledger)
        fill(session)
        print(f"{paths} paths of 14 bytes; load average {os.getloadavg()[0]:.1f}")
        for table, size in sizes(session, paths).items():
            print(f"{table}: {size:.0f} bytes for each path (and hour or day)")
        pages = measure_pages(pair)
        for period, milliseconds in pages.items():
            print(f"first page, {period}: {milliseconds:.2f} ms, {milliseconds / pages['all']:.2f} times all time")
        pair.counter.stop()
        print(f"fold: {measure_folds(session, paths):.0f} µs of CPU time for each path")
        session.run("UPDATE pathcount_history SET keep_hours = 0, keep_days = 0")
        print(f"fold without history: {measure_folds(session, paths):.0f} µs of CPU time for each path")
        session.run("UPDATE pathcount_history SET keep_hours = 168, keep_days = 400")
        cost, longest = measure_leaving(session, paths)
        print(f"an hour that leaves: {cost:.0f} µs of CPU time for each path; longest step {longest:.0f} ms")


if __name__ == "__main__":
    main()
