"""A list of PostgreSQL hosts, in which a synchronous standby replaces the primary.

Each test has two real servers. The old primary may end, or it may stay without knowing that it was replaced:
then it accepts connections, claims to be writable and answers reads, but its commits wait for ever.
"""

import contextlib
from types import SimpleNamespace

import pytest

from harness.postgres import Cluster, Ledger, Standby
from harness.stage import Stage
from harness.wait import holds_for, until

PATIENT = {"batch_deadline_ms": 20000, "statement_timeout_ms": 20000}
"""Nothing but a warning or a lost connection moves the counter to the next host."""

HURRIED = {"statement_timeout_ms": 1000}
"""An append that hangs is given up after 2 s."""

READS_HEAD = "SELECT FROM pathcount_quarantine"
"""The journal's session does that every second, and no other does."""

SESSIONS, SESSIONS_WANTED = "pathcount_postgres_sessions", "pathcount_postgres_sessions_wanted"


@pytest.fixture
def servers(tmp_path):
    """A primary, its synchronous standby, and a stage on the primary."""
    with contextlib.ExitStack() as stack:
        primary = Cluster()
        stack.callback(primary.remove)
        standby = Standby("standby", primary)
        stack.callback(standby.remove)
        primary.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.run("SELECT pg_reload_conf()")
        until(lambda: primary.run("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").rowcount,
              "the standby to be synchronous", seconds=60)
        stage = Stage(primary, tmp_path)
        stack.callback(stage.close)
        ledger = primary.new_ledger()
        yield SimpleNamespace(primary=primary, standby=standby, stage=stage, ledger=ledger,
                              replica=Ledger(standby, ledger.role, ledger.password, ledger.database))


def uri(servers, *order):
    ledger = servers.ledger
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in order)
    return (f"postgresql://{ledger.role}:{ledger.password}@{hosts}/{ledger.database}"
            "?target_session_attrs=read-write")


def counter_on(servers, *order, **keys):
    """A counter-svc with these hosts in its list, in this order."""
    return servers.stage.counter(servers.ledger, **{"postgres_url": uri(servers, *order), **keys})


def promote(servers):
    """Promotes the standby. From now on the old primary's commits wait."""
    servers.standby.promote()
    until(lambda: not servers.primary.run("SELECT 1 FROM pg_stat_replication").rowcount,
          "the old primary to be alone")


def lane_of(counter):
    return until(counter.api.lane, "a lane")


def post_until_counted(counter, lane, sequence, hits):
    """Repeats a batch as a renderer does."""
    return until(lambda: (answer := counter.api.post(lane, sequence, hits)).status == 200 and answer,
                 "the batch to be counted").json()


def all_sessions_are_there(counter):
    return counter.metric(SESSIONS) == counter.metric(SESSIONS_WANTED)


def test_the_standby_of_a_dead_primary_is_found(servers):
    counter = counter_on(servers, servers.primary, servers.standby, **PATIENT)
    lane = lane_of(counter)
    post_until_counted(counter, lane, 1, {"/a": 1})
    servers.primary.kill()
    servers.standby.promote()
    answer = post_until_counted(counter, lane, 2, {"/a": 1})
    assert answer["counts"] == [2] and answer["repeat"] is False
    assert servers.replica.counts() == {"/a": 2}


def test_an_append_that_hangs_at_an_old_primary_moves_to_the_next_host(servers):
    """The old primary stores the hit, too, but does not confirm it."""
    counter = counter_on(servers, servers.primary, servers.standby, **HURRIED)
    lane = lane_of(counter)
    post_until_counted(counter, lane, 1, {"/a": 1})
    promote(servers)
    assert counter.api.post(lane, 2, {"/a": 1}).status == 503
    answer = post_until_counted(counter, lane, 2, {"/a": 1})
    assert answer["counts"] == [2] and answer["repeat"] is False
    assert servers.replica.counts() == {"/a": 2}


def test_an_append_with_a_warning_moves_to_the_next_host(servers):
    counter = counter_on(servers, servers.primary, servers.standby, **PATIENT)
    lane = lane_of(counter)
    post_until_counted(counter, lane, 1, {"/a": 1})
    promote(servers)
    post = counter.api.post_later(lane, 2, {"/a": 1})
    for pid in until(lambda: servers.ledger.backends("wait_event = 'SyncRep'"), "a commit to wait"):
        servers.ledger.run("SELECT pg_cancel_backend(%s)", pid)
    assert post.result().status == 503
    assert servers.ledger.counts() == {"/a": 2}  # the old primary has the hit
    answer = post_until_counted(counter, lane, 2, {"/a": 1})
    assert answer["counts"] == [2] and answer["repeat"] is False
    assert servers.replica.counts() == {"/a": 2}


def test_no_read_is_answered_from_an_old_primary(servers):
    """Neither by a counter that was connected to it before, nor by one that connects to it first."""
    before = counter_on(servers, servers.primary, servers.standby, **HURRIED)
    post_until_counted(before, lane_of(before), 1, {"/a": 1})
    promote(servers)
    other = counter_on(servers, servers.standby, servers.primary)
    post_until_counted(other, lane_of(other), 1, {"/a": 1})
    for counter in before, counter_on(servers, servers.primary, servers.standby, **HURRIED):
        answer = until(lambda c=counter: (got := c.api.ask("GET", "/v1/paths/a")).status != 503 and got,
                       "the path's count")
        assert answer.json()["count"] == 2


def test_all_sessions_use_the_host_of_the_journals_session(servers):
    """Views and folds that lose their connection do not use the old primary, whose tables are outdated."""
    counter = counter_on(servers, servers.primary, servers.standby, **HURRIED)
    lane = lane_of(counter)
    promote(servers)
    post_until_counted(counter, lane, 1, {"/a": 1})
    until(lambda: all_sessions_are_there(counter) and not servers.ledger.backends("state = 'idle'"),
          "every session at the new primary")
    journal, = until(lambda: servers.replica.backends(f"query LIKE '%%{READS_HEAD}%%'"), "the journal's session")
    role = servers.ledger.role
    servers.replica.run(f"ALTER ROLE {role} CONNECTION LIMIT 1")  # only the journal's session may connect
    for pid in set(servers.replica.backends()) - {journal}:
        servers.replica.run("SELECT pg_terminate_backend(%s)", pid)
    assert holds_for(lambda: not servers.ledger.backends("state = 'idle'"), 2)
    assert servers.replica.backends() == [journal]
    servers.replica.run(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    until(lambda: all_sessions_are_there(counter), "every session to be back")


def test_a_new_connection_begins_with_the_host_of_the_last_one(servers):
    """So it does not wait for hosts that are down."""
    wires = [servers.stage.wire(server) for server in (servers.primary, servers.standby)]
    counter = counter_on(servers, *(SimpleNamespace(port=wire.address[1]) for wire in wires))
    lane = lane_of(counter)
    promote(servers)
    servers.primary.kill()
    post_until_counted(counter, lane, 1, {"/a": 1})
    until(lambda: all_sessions_are_there(counter), "every session at the standby")
    before = [wire.connections for wire in wires]
    wires[1].cut_all()
    until(lambda: wires[1].connections >= before[1] + 3 and all_sessions_are_there(counter),
          "every session to be there again")
    assert wires[0].connections == before[0]
