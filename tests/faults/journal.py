"""Faults of the journal, of folds and of the table that they fill. Most do not disturb hits."""

import contextlib
import os
import re
import signal
import time

import psycopg

from harness.api import Api
from harness.load import Load, Tally
from harness.services import ROOT
from harness.wait import until

from table import fault

FOLDING = "query LIKE '%%pathcount_fold(%%'"
FOLD_SESSION = (f"{FOLDING} OR query LIKE '%%DELETE FROM pathcount_journal%%' "
                "OR query LIKE 'VACUUM%%'")


# --- folds


@contextlib.contextmanager
def _held_rows(world, paths):
    """Changes the rows of these paths in an open transaction. Yields a function that ends it early."""
    with world.ledger.connect() as stranger:
        stranger.execute("BEGIN")
        stranger.execute(
            "INSERT INTO pathcount (path, count) SELECT path, 0 FROM unnest(%s::text[]) AS path "
            "ORDER BY path ON CONFLICT (path) DO UPDATE SET count = pathcount.count",
            (list(paths),))
        yield lambda: stranger.execute("ROLLBACK")
        stranger.execute("ROLLBACK")


@fault("rows of the table are held by an open transaction", "away", unnoticed=True)
def _rows_held(world, chance):
    with _held_rows(world, chance.sample(world.paths, 3)):
        yield


@fault("folds are ended at any statement", needs_hits=True, unnoticed=True)
def _folds_ended(world, chance):
    """Ends folds while they wait for a row, and at other moments."""
    for path in chance.sample(world.paths, 3):
        with _held_rows(world, [path]):
            _end(world, until(lambda: world.ledger.backends(
                f"wait_event_type = 'Lock' AND {FOLDING}"), "a fold to wait for a row"))
    for _ in range(15):
        time.sleep(chance.uniform(0, 0.1))
        _end(world, world.ledger.backends(FOLD_SESSION))
    yield


def _end(world, pids):
    for pid in pids:
        world.ledger.run("SELECT pg_terminate_backend(%s)", pid)


def _failing_folds(sqlstate, at_commit):
    def strikes(world, _):
        for path in world.paths[:3]:
            world.ledger.fail_folding(path, sqlstate, times=3, at_commit=at_commit)
        yield
        world.ledger.forget_failures()
    return strikes


fault("folds fail to be serialized", unnoticed=True)(_failing_folds("40001", at_commit=False))
fault("commits of folds fail to be serialized", unnoticed=True)(
    _failing_folds("40001", at_commit=True))


@fault("the table refuses a path", needs_hits=True, unnoticed=True)
def _path_refused(world, _):
    """The table refuses a row. Its hits go to the quarantine until an operator adds them to the table."""
    world.ledger.fail_folding(world.paths[0], "23514")
    until(lambda: world.ledger.run("SELECT path FROM pathcount_quarantine"), "hits in quarantine")
    yield
    world.ledger.forget_failures()  # waits for the running fold
    _edit(world, "WITH back AS (DELETE FROM pathcount_quarantine RETURNING path, count) "
                 "INSERT INTO pathcount (path, count) SELECT path, count FROM back "
                 "ON CONFLICT (path) DO UPDATE SET count = pathcount.count + excluded.count")


def _edit(world, sql, *values):
    """An operator's edit. Repeats it when PostgreSQL ends it because of a deadlock with a fold."""
    def edited():
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            world.ledger.edited(sql, *values)
            return True
        return False
    until(edited, "the table to be edited")


@fault("PostgreSQL is killed before a fold is on disk", needs_hits=True)
def _fold_undone(world, _):
    """Folds everything, and kills PostgreSQL before the fold is on disk: no append commits, and the WAL
    writer is stopped."""
    ledger, node = world.ledger, world.database.primary
    with contextlib.ExitStack() as stack:
        let_fold = stack.enter_context(_ending_with_server(_held_rows(world, world.paths)))
        until(lambda: ledger.unfolded() > 0, "entries that are not folded")
        stack.enter_context(_ending_with_server(ledger.held_appends()))
        writer = ledger.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
        before = _checkpoint(ledger)
        os.kill(writer, signal.SIGSTOP)
        let_fold()
        ledger.until_folded()
        folded = _checkpoint(ledger)
        assert folded > before
        for counter in world.counters:  # no counter folds again before the check
            counter.freeze()
        node.kill()
    node.start()
    assert _checkpoint(ledger) < folded, "the fold was on disk"
    for counter in world.counters:
        counter.thaw()
    yield


@contextlib.contextmanager
def _ending_with_server(held):
    """A context that may end after its server has ended."""
    value = held.__enter__()
    try:
        yield value
    finally:
        with contextlib.suppress(psycopg.OperationalError):
            held.__exit__(None, None, None)


def _checkpoint(ledger):
    return ledger.value("SELECT position FROM pathcount_checkpoint")


# --- the journal is cleared


def _clear_statement():
    with open(os.path.join(ROOT, "counter-svc", "ledger", "sql", "clear.sql"), encoding="utf-8") as file:
        return re.sub(r"\$\d", "%s", "".join(line for line in file if not line.startswith("--")))


@fault("the journal is cleared while a counter-svc is stopped", "frozen", two_writers=True)
def _cleared_while_frozen(world, _):
    """Freezes a counter until the entry of its state is cleared."""
    victim = world.in_use
    victim.freeze()
    last = world.ledger.value("SELECT max(position) FROM pathcount_journal")
    yield
    clear = _clear_statement()

    def is_cleared():
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            world.ledger.run("SELECT pathcount_fold()")
        world.ledger.run(clear, 0, 10**6)
        return world.ledger.value("SELECT min(position) FROM pathcount_journal") > last
    until(is_cleared, "the journal to be cleared")
    victim.thaw()


# --- memory


@fault("hardly any path stays in memory", "moment", needs_hits=True)
def _small_memory(world, chance):
    """Only rows of the ranking and a megabyte of others stay in memory. Other paths are looked up at their
    next hit, on connections that are cut."""
    _restart(world, {"max_cached_bytes": 1048576})
    paths = [f"{world.paths[0]}/{n}/" + "x" * 1900 for n in range(2000)]
    seeded, tally = Tally(), Tally()
    _count_all(Api(world.in_use.address), paths)
    seeded.sent.update(paths)
    seeded.acknowledged.update(paths)
    before = _looked_up(world)
    load = Load([door.address for door in world.doors], paths, clients=6, tally=tally,
                hits_each=100).start()
    for _ in range(4):
        load.until_acknowledged(50)
        for wire in chance.choice([world.postgres_wires, world.counter_proxies]):
            wire.cut_all()
    load.finished()
    looked_up = _looked_up(world) - before
    assert looked_up > 50, f"{looked_up} paths were looked up for {tally}"
    world.extra += [seeded, tally]
    yield
    _restart(world, {"max_cached_bytes": 134217728})


def _count_all(api, paths, size=60):
    """Counts each path once. Repeats a batch that got 503, which a busy machine may cause."""
    lane = until(api.lane, "a lane")
    for sequence, first in enumerate(range(0, len(paths), size), 1):
        hits = dict.fromkeys(paths[first:first + size], 1)
        until(lambda: api.post(lane, sequence, hits).status == 200,  # pylint: disable=cell-var-from-loop
              f"batch {sequence} to be counted")


def _looked_up(world):
    return sum(counter.metric("pathcount_looked_up_paths_total") for counter in world.counters)


def _restart(world, keys):
    for counter in world.counters:
        counter.stop()
        counter.keys.update(keys)
        counter.restart()
    for counter in world.counters:
        counter.until_ready()


# --- operators


MAINTENANCE = ("VACUUM FULL pathcount", "CREATE INDEX extra ON pathcount (last_hit_at)",
               "VACUUM FULL pathcount_journal", "REINDEX TABLE pathcount", "DROP INDEX extra",
               "VACUUM FULL pathcount_checkpoint", "REINDEX TABLE pathcount_journal")


@fault("tables are rewritten and get indexes", "moment", needs_hits=True, unnoticed=True)
def _maintenance(world, _):
    for _ in range(2):
        for statement in MAINTENANCE:
            _maintain(world, statement)
    yield


def _maintain(world, statement):
    def done():
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            world.ledger.run(statement)
            return True
        return False
    until(done, statement)


@fault("the table is edited", "moment", needs_hits=True, unnoticed=True)
def _edited(world, _):
    """An operator increases counts of rows with hits, and of one without."""
    tally = Tally()
    world.extra.append(tally)
    for number in range(10):
        paths = [world.paths[number], f"{world.paths[0]}/edited"]
        _edit(world, "INSERT INTO pathcount (path, count) SELECT unnest(%s::text[]), 1 "
                     "ON CONFLICT (path) DO UPDATE SET count = pathcount.count + 1", paths)
        tally.sent.update(paths)
        tally.acknowledged.update(paths)
    yield
