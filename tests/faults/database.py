"""Faults of PostgreSQL other than crashes, and of lanes."""

import contextlib

import psycopg

from harness.api import BEARER
from harness.http import ask
from harness.wait import until

from table import fault


@fault("PostgreSQL's disk is full")
def _disk_full(world, _):
    """The next write fails. PostgreSQL ends if it cannot write its WAL, and is started again once there is
    space."""
    node = world.database.primary
    with node.full_disk():
        error = _write_until_refused(world.ledger)
        # its log is on the same disk, so the reason may be missing
        assert error.sqlstate is None or "No space left on device" in str(error), error
        yield
    # the postmaster may be ending: a connection shows whether it is
    until(lambda: node.runs is False or node.lets_in(), "PostgreSQL to be up, or down", 30)
    node.revive()


def _write_until_refused(ledger):
    try:
        with ledger.connect() as connection:
            for _ in range(200):
                connection.execute(
                    "SELECT pg_logical_emit_message(true, 'test', repeat('x', 500000))")
    except psycopg.Error as error:
        return error
    raise AssertionError("the disk was not full")


@fault("PostgreSQL's role has no connection left")
def _role_limit(world, _):
    role = world.ledger.role
    world.database.primary.run(f"ALTER ROLE {role} CONNECTION LIMIT 1")
    _end_backends(world)
    yield
    world.database.primary.run(f"ALTER ROLE {role} CONNECTION LIMIT -1")


@fault("PostgreSQL has no connection left")
def _connections_gone(world, _):
    """Other clients take all connections as soon as the counters' are ended."""
    crowd, ended = [], False
    try:
        while True:
            try:
                crowd.append(world.ledger.connect_as_owner())
            except psycopg.OperationalError:
                if ended:
                    break
                _end_backends(world)
                ended = True
        yield
    finally:
        for connection in crowd:
            connection.close()


def _end_backends(world):
    for pid in world.ledger.backends():
        world.ledger.run("SELECT pg_terminate_backend(%s)", pid)


@fault("connections of counter-svc are ended by PostgreSQL", "moment")
def _backends_ended(world, _):
    _end_backends(world)
    yield


def _failing(sqlstate, at_commit):
    def strikes(world, _):
        ledger = world.ledger
        for path in world.paths[:3]:
            ledger.fail_writing(path, sqlstate, times=4, at_commit=at_commit)
        yield
        ledger.forget_failures()
    return strikes


fault("statements fail to be serialized", needs_hits=True)(_failing("40001", at_commit=False))
fault("commits fail to be serialized", needs_hits=True)(_failing("40001", at_commit=True))


@fault("statements meet their timeout", needs_hits=True)
def _statement_timeout(world, _):
    """Appending an entry with hits of one path takes longer than statement_timeout."""
    world.ledger.slow_writing(world.paths[0], 5)
    yield
    world.ledger.forget_failures()


@fault("statements meet deadlocks")
def _deadlocks(world, _):
    """Another session locks two rows in the wrong order. PostgreSQL ends either the fold or that session."""
    first, second = sorted(world.paths[:2])
    with world.ledger.connect() as stranger:
        stranger.execute("SET lock_timeout = '2s'")
        for _ in range(3):
            with contextlib.suppress(psycopg.errors.DeadlockDetected,
                                     psycopg.errors.LockNotAvailable):
                stranger.execute("BEGIN")
                stranger.execute("SELECT 1 FROM pathcount WHERE path = %s FOR UPDATE", (second,))
                with contextlib.suppress(AssertionError):
                    until(world.ledger.waiting_for_locks, "a fold to wait", 1)
                stranger.execute("SELECT 1 FROM pathcount WHERE path = %s FOR UPDATE", (first,))
            stranger.execute("ROLLBACK")
        yield


@fault("another session locks the table", unnoticed=True)
def _table_locked(world, _):
    with world.ledger.connect() as stranger:
        stranger.execute("BEGIN")
        stranger.execute("LOCK TABLE pathcount IN SHARE MODE")
        yield
        stranger.execute("ROLLBACK")


@fault("PostgreSQL is gone for good and its standby takes over", "moment")
def failing_over(world, _):
    world.database.primary.kill()
    yield
    world.database.fail_over()


@fault("the standby is killed", "hold")
def _standby_killed(world, _):
    """Commits wait for the standby and are not confirmed."""
    world.database.standby.kill()
    yield
    world.database.standby.start()
    world.database.until_protected()


@fault("the standby is stopped", "frozen")
def _standby_frozen(world, _):
    with world.database.standby.frozen():
        yield
    world.database.until_protected()


@fault("a batch is repeated after its lane moved on", "moment")
def _stale_batch(world, chance):
    old = until(lambda: _moved_on(world), "a lane to move on")
    yield
    _send_again(world, chance, old)


@fault("a batch is repeated after its lane was forgotten", "moment", needs_hits=True)
def _forgotten_batch(world, chance):
    old = until(lambda: _moved_on(world), "a lane to move on")
    world.ledger.end_lanes()
    yield
    _send_again(world, chance, old)


def _moved_on(world):
    """A counted batch with a later counted batch of the same lane."""
    last = {}
    for proxy in world.counter_proxies:
        for batch in proxy.batches:
            if batch.answer is not None and batch.answer.status == 200:
                before = last.get(batch.lane)
                if before is not None and before.sequence < batch.sequence:
                    return before
                last[batch.lane] = batch
    return None


def _send_again(world, chance, batch):
    """Sends the old batch to a counter until it is refused with 409. The audit checks that it was not
    counted."""
    def answer():
        counter = chance.choice(world.counters)
        said = ask(counter.address, "POST", "/v1/hits", {
            **BEARER, "Content-Type": batch.request.header("content-type"), "X-Request-Id": "again"},
            batch.request.body)
        assert said.status in (409, 503), said.start
        return said.status == 409
    until(answer, "the old batch to be refused")
