"""PgBouncer between counter-svc and PostgreSQL. Session pooling works. Poolers that share server processes
between clients are refused before anything is counted through them."""

import contextlib
import itertools
import string

import pytest

from harness.load import audit
from harness.pooler import PgBouncer
from harness.wait import until
from harness.wire import Wire

REFUSED = ("PostgreSQL is behind a pooler that shares server connections between clients (transaction or "
           "statement pooling). Nothing is counted through it. Connect to PostgreSQL directly, or use "
           "session pooling (PgBouncer: pool_mode = session).")
SMALL = ("PostgreSQL is behind a pooler that gave no second connection in time. Allow at least 6 server "
         "connections for each counter-svc (PgBouncer: default_pool_size).")

@contextlib.contextmanager
def pooled(ledger, **settings):
    with PgBouncer(ledger.cluster, [ledger], **settings) as pooler:
        yield pooler


def through(pooler):
    return {"postgres_url": "%s:%d" % pooler.address}


def until_refused(counter, reason=REFUSED):
    def answered():
        answer = counter.ready()
        assert (answer.status, answer.text) == (503, f"not ready: {reason}\n")
        return True

    until(answered, "the reason")


def assert_untouched(ledger):
    """Checks that nothing was created in the database."""
    assert ledger.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'pathcount%'") == 0


def leftovers(connection):
    """The objects that sessions of counter-svc leave in a shared server process."""
    return connection.execute(
        "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('enable_seqscan'), "
        "current_setting('synchronous_commit'), current_setting('statement_timeout')").fetchone()


# --- session pooling


def test_session_pooling_counts_exactly_and_survives_restarts(stage, ledger):
    with pooled(ledger) as pooler:
        counter = stage.counter(ledger, **through(pooler))
        render = stage.render(counter)
        load = stage.load([render], ["/a", "/b"])
        for _ in range(2):
            load.until_acknowledged(100)
            counter.kill()
            counter.restart()
            counter.until_ready()
            render.until_ready()
            load.until_acknowledged(100)
        for pid in ledger.backends():
            ledger.run("SELECT pg_terminate_backend(%s)", pid)
        load.until_acknowledged(100)
        tally = load.stop()
        audit(tally, ledger.counts(), repeats=True)
        assert not counter.events("prepare-failed")


def test_the_sessions_of_a_session_pool_are_set_up(stage, ledger):
    with pooled(ledger) as pooler:
        stage.counter(ledger, **through(pooler))
        # the check's own connections have ended, and no session listens
        until(lambda: len(pooler.ask("SHOW CLIENTS")) == 3 + 1, "three sessions, and this question")
        assert ledger.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                            "AND query LIKE 'LISTEN%%'") == 0


def test_a_session_pool_that_is_too_small_is_named(stage, ledger):
    with pooled(ledger, default_pool_size=1) as pooler:
        counter = stage.counter(ledger, ready=False, connect_timeout_ms=500, statement_timeout_ms=500,
                                **through(pooler))
        until(lambda: SMALL in counter.ready().text, "the reason")
        assert_untouched(ledger)
        pooler.reload(default_pool_size=5)
        counter.until_ready()
        counter.api.count({"/a": 1})


# --- poolers that share server processes


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("settings, timeout_ms", [
    ({"default_pool_size": 1}, 60000),  # one process for all sessions is noticed before any deadline
    ({"default_pool_size": 20}, 3000),
    ({"default_pool_size": 20, "server_round_robin": 1}, 1000)])
def test_shared_processes_are_refused_and_nothing_is_counted(stage, ledger, mode, settings, timeout_ms):
    with pooled(ledger, pool_mode=mode, **settings) as pooler:
        with pooler.connect(ledger) as client:
            before = leftovers(client)
        counter = stage.counter(ledger, ready=False, statement_timeout_ms=timeout_ms, **through(pooler))
        until_refused(counter)
        assert {event["reason"] for event in counter.events("postgres-lost")} == {f'"{REFUSED}"'}
        assert not counter.events("postgres-connected")
        assert counter.api.ask("POST", "/v1/lanes").status == 503
        assert_untouched(ledger)
        with pooler.connect(ledger) as client:
            assert leftovers(client) == before
        pooler.reload(pool_mode="session")
        counter.until_ready()
        counter.api.count({"/a": 1})
        assert ledger.counts() == {"/a": 1}


class PoolEach(Wire):
    """Gives each connection a pool of its own, by another name of the database. So no other client uses the
    server process of a connection, as if it were a session's."""

    def __init__(self, target, database):
        self._database = database.encode()
        self._letters = itertools.cycle(string.ascii_lowercase)
        super().__init__(target)

    @staticmethod
    def name(letter, database):
        return letter + database[1:]  # of the same length, because it replaces the name in a message

    def _pass(self, source, to):
        name = self.name(next(self._letters), self._database.decode()).encode()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data.replace(b"\0database\0" + self._database + b"\0",
                                        b"\0database\0" + name + b"\0"))
        self._end(source, to)


def test_a_shared_process_without_other_clients_is_refused(stage, ledger):
    names = [PoolEach.name(letter, ledger.database) for letter in string.ascii_lowercase]
    with PgBouncer(ledger.cluster, [ledger], names=dict.fromkeys(names, ledger.database),
                   pool_mode="transaction") as pooler:
        with PoolEach(pooler.address, ledger.database) as wire:
            counter = stage.counter(ledger, ready=False, statement_timeout_ms=1000, **through(wire))
            until_refused(counter)
            assert not counter.events("postgres-connected")
            assert_untouched(ledger)


def test_a_pool_that_becomes_shared_is_refused_and_the_counts_stay_exact(stage, ledger):
    with pooled(ledger) as pooler:
        counter = stage.counter(ledger, **through(pooler))
        lane, sequence = counter.api.lane(), 1

        def count():
            nonlocal sequence
            answer = counter.api.post(lane, sequence, {"/a": 1})
            assert answer.status in (200, 503)
            sequence += answer.status == 200
            return answer.status == 200

        def is_refused():
            counter.api.ask("GET", "/v1/paths?order=path")  # the next client may now use its server process
            count()
            return REFUSED in counter.ready().text

        assert count()
        pooler.reload(pool_mode="transaction")
        until(is_refused, "a session to get another session's process")
        assert {event["sqlstate"] for event in counter.events() if "sqlstate" in event} == {"26000"}
        pooler.reload(pool_mode="session")
        counter.until_ready()
        until(count, "a batch to be counted, if only as a repeat")
        assert ledger.counts() == {"/a": sequence - 1}


def test_an_existing_prepared_statement_is_taken_for_a_shared_process(stage, ledger):
    """A pool without resets: each server process has a prepared statement of an earlier client."""
    with pooled(ledger, server_reset_query="") as pooler:
        with contextlib.ExitStack() as clients:
            for _ in range(3):
                clients.enter_context(pooler.connect(ledger)).execute("PREPARE append AS SELECT 1")
        counter = stage.counter(ledger, ready=False, **through(pooler))
        until_refused(counter)
        assert {event["sqlstate"] for event in counter.events("prepare-failed")} == {"42P05"}
