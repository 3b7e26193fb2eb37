"""The journal's rules about folds, clearing and views. See test_journal.py."""

import contextlib
import itertools
import os
import signal
import time

import psycopg

from harness.api import counts_of
from harness.wait import Later, Stopwatch, until

from journal_helpers import (  # noqa: F401 (fixtures)
    api, clear, counter, counters_know_their_apis, end_folds, folds_kept_from, hit_all, metric,
    positions, until_answered)


# --- entries


def test_a_slow_fold_is_split(stage, ledger):
    """All rows at once take twice the statement timeout. The fold must not fail for ever."""
    counter = stage.counter(ledger, statement_timeout_ms=1000, lock_timeout_ms=20000, batch_deadline_ms=20000)
    api, lane = counter.api, counter.api.lane()
    ledger.run("""
        CREATE FUNCTION slowly() RETURNS TRIGGER LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';
        CREATE TRIGGER slowly BEFORE INSERT ON pathcount FOR EACH ROW EXECUTE FUNCTION slowly()""")
    counts = {f"/{n}": 1 for n in range(200)}
    with ledger.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT FROM pathcount_checkpoint FOR UPDATE")  # no fold succeeds
        for sequence in range(40):
            paths = list(counts)[5 * sequence:5 * sequence + 5]
            assert api.post(lane, sequence + 1, dict.fromkeys(paths, 1)).status == 200
        connection.execute("ROLLBACK")
    assert ledger.folded() == counts
    assert metric(api, "pathcount_journal_fold_failures_total") > 0


# --- rule 8: the table and the journal together


def test_pathcount_now_is_exact_during_folds(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=100).api
    confirmed, stop = [0], []

    def hammer():
        lane = api.lane()
        for sequence in itertools.count(1):
            if stop:
                return
            confirmed[0] = api.post(lane, sequence, {"/a": 1}).json()["counts"][0]

    client = Later(hammer)
    seen, checkpoints = 0, set()
    with ledger.connect() as connection:
        while len(checkpoints) < 15:
            before = confirmed[0]
            count, checkpoint = connection.execute(
                "SELECT coalesce((SELECT count FROM pathcount_now WHERE path = '/a'), 0), position "
                "FROM pathcount_checkpoint").fetchone()
            assert count >= before and count >= seen
            seen = count
            checkpoints.add(checkpoint)
    stop.append(True)
    client.result()
    assert ledger.count("/a") == confirmed[0]


def test_a_hit_reaches_the_table_without_further_requests(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=60000).api
    api.count({"/a": 3})
    until(lambda: ledger.run("SELECT path, count FROM pathcount") == [("/a", 3)], "a fold")
    assert ledger.value("SELECT first_hit_at = last_hit_at FROM pathcount") is True


# --- rule 9: views


def test_a_view_waits_for_the_fold_of_earlier_hits(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=60000).api
    lane = api.lane()
    for sequence in range(1, 4):
        for n in range(20):  # the fold after the first entry does not take all of them
            api.post(lane, (sequence - 1) * 20 + n + 1, {"/a": 1, f"/{sequence}": 1})
        answer = api.ask("GET", "/v1/paths?order=path")
        assert dict(zip(answer.json()["paths"], answer.json()["counts"])) == {
            "/a": 20 * sequence, **{f"/{done}": 20 for done in range(1, sequence + 1)}}
        assert answer.header("age") is None


def test_a_view_of_locked_rows_is_outdated_and_has_its_age(ledger, api):
    api.count({"/a": 1})
    assert ledger.folded() == {"/a": 1}
    with folds_kept_from(ledger, "/a"):
        assert api.count({"/a": 1}) == {"/a": 2}
        answer = api.ask("GET", "/v1/paths?order=path")
        assert (answer.status, answer.json()["counts"]) == (200, [1])
        assert int(answer.header("age")) >= 1
        assert api.view()["counts"] == [2]  # from memory
        assert api.get_count("/a") == 2
        assert api.totals() == {"paths": 1, "hits": 2}
    until(lambda: api.view(order="path")["counts"] == [2], "the view to be up to date")


def test_views_cause_at_most_two_folds_a_second(stage, ledger):
    """The hits are the other counter's. This one folds them only for its views."""
    api = stage.counter(ledger, fold_interval_ms=60000).api
    api.lane()
    until(lambda: metric(api, "pathcount_journal_unfolded_entries") == 0, "a fold")
    before, watch = metric(api, "pathcount_journal_fold_duration_seconds_count"), Stopwatch()
    for number in range(6):
        ledger.append(paths=[f"/{number}"], hits=[1], new_paths=1)
        api.view(order="path")
    folds = metric(api, "pathcount_journal_fold_duration_seconds_count") - before
    assert 1 <= folds <= 2 * watch.seconds + 1


# --- clearing


def test_entries_are_kept_for_a_slow_counter(stage, ledger):
    apis = [stage.counter(ledger, fold_interval_ms=100).api for _ in range(2)]
    hit_all(apis[0], {"/a": 1}, 3000)
    until(lambda: positions(ledger)[1] - positions(ledger)[0] <= 2000, "the journal to be cleared")
    first, last, checkpoint = positions(ledger)
    assert first > 1 and first <= checkpoint <= last
    assert last - first >= 999
    assert apis[1].count({"/a": 1}) == {"/a": 3001}


def test_a_counter_frozen_while_the_journal_is_cleared_continues(stage, ledger):
    """It is frozen for longer than its connections last. The entry of its state is gone when it continues."""
    one, other = (stage.counter(ledger, fold_interval_ms=100) for _ in range(2))
    lane = one.api.lane()
    one.api.post(lane, 1, {"/a": 1, "/gone": 1})
    other.freeze()
    hit_all(one.api, {"/a": 1}, 2600)
    until(lambda: positions(ledger)[0] > 10, "the journal to be cleared")
    other.thaw()
    answer = until_answered(Later(other.api.post, lane, 2, {"/a": 1, "/gone": 1}),
                            lambda: other.api.post(lane, 2, {"/a": 1, "/gone": 1}))
    assert counts_of(answer, {"/a": 1, "/gone": 1}) == {"/a": 2602, "/gone": 2}
    assert ledger.counts() == {"/a": 2602, "/gone": 2}


def test_the_last_entry_is_never_cleared(ledger, counter):
    hit_all(counter.api, {"/a": 1}, 30)
    ledger.folded()
    with ledger.connect() as connection:
        clear(connection)
    first, last, _ = positions(ledger)
    assert first == last
    assert counter.api.count({"/a": 1}) == {"/a": 31}


def test_unfolded_entries_are_never_cleared(ledger, api):
    lane = api.lane()
    ledger.folded()
    with folds_kept_from(ledger, "/a"):
        hit_all(api, {"/a": 1}, 3, lane)
        with ledger.connect() as connection:
            clear(connection)
        first, last, checkpoint = positions(ledger)
        assert (first, last) == (checkpoint + 1, checkpoint + 3)
    assert ledger.folded() == {"/a": 3}


def test_a_fold_with_a_wrong_start_or_a_gap_changes_nothing(stage, ledger):
    counter = stage.counter(ledger, fold_interval_ms=60000)
    used, ended = counter.api.lane(), counter.api.lane()
    ledger.folded()
    with folds_kept_from(ledger, "/a"):
        hit_all(counter.api, {"/a": 1}, 3, used)
        counter.kill()
        end_folds(ledger)
    ledger.end_lanes(ended)
    _, last, checkpoint = positions(ledger)
    before = tables(ledger)
    for start, upto in ((checkpoint - 1, last), (checkpoint + 1, last), (checkpoint, last + 1)):
        assert ledger.value("SELECT pathcount_fold(%s, %s, '{}', '')", start, upto) is False
        assert tables(ledger) == before
    with ledger.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM pathcount_journal WHERE position = %s", (checkpoint + 2,))
        assert connection.execute("SELECT pathcount_fold(%s, %s, '{}', '')",
                                  (checkpoint, last)).fetchone() == (False,)
        connection.execute("ROLLBACK")
    assert ledger.value("SELECT pathcount_fold(%s, %s, '{}', '')", checkpoint, last) is True
    assert ledger.run("SELECT path, count FROM pathcount") == [("/a", 3)]
    assert ledger.run("SELECT lane, sequence FROM pathcount_lanes") == [(used, 3)]


def tables(ledger):
    """The content of all tables that folds change."""
    return [ledger.run(f"SELECT * FROM {name} ORDER BY 1") for name in (
        "pathcount", "pathcount_totals", "pathcount_lanes", "pathcount_quarantine", "pathcount_checkpoint")]


def test_a_fold_that_waited_for_a_restore_changes_nothing(ledger, counter):
    """It has read the entries of the ledger before the restore. The restored ledger has the same positions."""
    with folds_kept_from(ledger, "/a"):
        hit_all(counter.api, {"/a": 1}, 3)
        counter.kill()
        end_folds(ledger)
    _, last, checkpoint = positions(ledger)
    with ledger.connect() as restore:
        restore.execute("BEGIN")
        restore.execute("UPDATE pathcount_journal SET paths = '{/restored}' WHERE hits = '{1}'")
        restore.execute("UPDATE pathcount_checkpoint SET generation = generation + 1")
        fold = Later(ledger.value, "SELECT pathcount_fold(%s, %s, '{}', '')", checkpoint, last)
        until(lambda: ledger.value("SELECT count(*) FROM pg_stat_activity "
                                   "WHERE wait_event_type = 'Lock' AND query LIKE '%%pathcount_fold(%%'"),
              "the fold to wait")
        restore.execute("COMMIT")
        assert fold.result() is False
    assert ledger.counts() == {"/restored": 3}


def test_simultaneous_folds_add_each_entry_once(stage, ledger):
    counter = stage.counter(ledger, fold_interval_ms=60000)
    lane = counter.api.lane()
    for first in range(0, 200, 20):
        for n in range(first, first + 20):
            counter.api.post(lane, n + 1, {"/a": 1, f"/{n}": 1})
        folds = [Later(fold_all, ledger) for _ in range(4)]
        for fold in folds:
            fold.result()
        assert ledger.count("/a") == first + 20
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 201, "hits": 400}
    history_has_each_hit_once(ledger)


def history_has_each_hit_once(ledger):
    """Checks the history after everything was folded."""
    counts = ledger.folded()
    for table in ("pathcount_hours", "pathcount_days"):
        rows = dict(ledger.run(f"SELECT path, sum(hits)::bigint FROM {table} GROUP BY path"))
        assert rows.pop("") == sum(counts.values())
        assert rows == counts
    assert dict(ledger.run("SELECT path, d30 FROM pathcount_recent")) == counts


def fold_all(ledger):
    with contextlib.suppress(psycopg.errors.RaiseException):
        ledger.run("SELECT pathcount_fold()")


def test_a_killed_fold_is_repeated(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=100).api
    client = Later(hit_all, api, {f"/{n}": 1 for n in range(30)}, 400)
    killed = 0
    while not client.done:
        for pid, in ledger.run("SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                               "AND query LIKE '%pathcount_fold(%' AND pid <> pg_backend_pid()"):
            killed += ledger.value("SELECT pg_terminate_backend(%s)::int", pid)
        time.sleep(0.02)
    client.result()
    assert killed >= 3
    with folds_kept_from(ledger, "/0"):
        api.count({"/0": 1})
        ledger.until_waiting(1)
        end_folds(ledger)  # no later hit triggers a fold
    assert ledger.folded() == {"/0": 401, **{f"/{n}": 400 for n in range(1, 30)}}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 30, "hits": 12001}
    history_has_each_hit_once(ledger)


def test_folds_undone_by_a_crash_of_postgresql_are_repeated(outage, stage, ledger):
    """Folds commit asynchronously, so a crash may undo them. They are repeated, and counter-svc reads its state
    anew because it remembers a later checkpoint."""
    counter = stage.counter(ledger)
    lane, sequence = counter.api.lane(), 0
    for _ in range(3):
        stop_flushes(ledger)
        for _ in range(40):
            sequence += 1
            counter.api.post(lane, sequence, {"/a": 1, f"/{sequence}": 1})
        until(lambda: metric(counter.api, "pathcount_journal_unfolded_entries") == 0, "a fold")
        outage.kill()
        outage.start()
        counter.until_ready()
    answer = counter.api.post(lane, sequence + 1, {"/a": 1})
    assert answer.json()["counts"] == [sequence + 1]
    assert ledger.folded() == {"/a": sequence + 1, **{f"/{n}": 1 for n in range(1, sequence + 1)}}
    assert ledger.totals() == ledger.totals_by_scanning()
    reasons = [event["reason"] for event in counter.events("journal-reload")]
    assert any("the checkpoint has gone back" in reason for reason in reasons)


def stop_flushes(ledger):
    """Until the next start of PostgreSQL, only a synchronous commit flushes earlier commits to disk."""
    for pid, in ledger.run("SELECT pid FROM pg_stat_activity WHERE backend_type IN "
                           "('walwriter', 'background writer', 'checkpointer', 'autovacuum launcher')"):
        os.kill(pid, signal.SIGSTOP)
