"""The machine's wall clock jumps, for PostgreSQL and both services at once, and running services do not notice.
Deadlines and connections are kept, and every hit is counted once."""

import time
from types import SimpleNamespace

import pytest

from harness.api import Api
from harness.face import Face, Watcher, rows_of
from harness.faultlib import Clock
from harness.http import MINIMAL, Connection, ask, get, hit
from harness.load import audit
from harness.postgres import Cluster
from harness.proxy import swallow
from harness.stage import Stage
from harness.wait import until

DAY_S = 86400

# (before, after). The first jump is that of a machine without a battery, which gets the time from the network.
JUMPS = {"from 1970 to now": (-int(time.time()) + DAY_S, 0), "two days on": (0, 2 * DAY_S),
         "two days back": (2 * DAY_S, 0)}


@pytest.fixture(scope="module")
def clock():
    clock = Clock()
    yield clock
    clock.remove()


@pytest.fixture(scope="module")
def machine(clock, tmp_path_factory):
    """A PostgreSQL and stages whose services use the clock."""
    cluster = Cluster(environment=clock.environment)
    yield cluster
    cluster.remove()


@pytest.fixture(params=JUMPS)
def pair(request, clock, machine, tmp_path):
    """A pair that was started before the jump, and a function that makes the clock jump."""
    before, after = JUMPS[request.param]
    clock.step(before)
    stage = Stage(machine, tmp_path)
    ledger = stage.ledger()

    def service(name, **keys):
        return stage.service(name, keys, env=clock.environment)

    def jump():
        clock.step(after)
        now = float(ledger.value("SELECT extract(epoch FROM now())"))
        assert abs(now - time.time() - after) < 60

    counter = service("counter-svc", **ledger.keys).until_ready()
    proxy = stage.proxy(counter)
    at = "http://%s:%d" % proxy.address
    yield SimpleNamespace(
        stage=stage, ledger=ledger, proxy=proxy, api=Api(counter.address),
        render=service("render-svc", counter_url=at, request_deadline_ms=1000).until_ready(),
        impatient=service("render-svc", counter_url=at, idle_ms=1000, head_ms=1000).until_ready(),
        jump=jump)
    stage.close()


def half_a_request(address):
    connection = Connection(address)
    connection.sock.sendall(b"GET /clock/half HTTP/1.1\r\n")
    return connection


def test_a_jump_of_the_clock(pair):
    address = pair.render.address
    load = pair.stage.load([pair.render], ["/a", "/b"], clients=4)
    load.until_acknowledged(20)
    with Connection(address) as kept, half_a_request(address) as half, \
            Connection(pair.impatient.address) as idle, half_a_request(pair.impatient.address) as slow, \
            Watcher(address, "?prefix=/clock") as watcher:
        assert kept.ask("GET", "/clock/kept", MINIMAL).json()["count"] == 1
        watcher.next()
        pair.jump()

        # connections stay open: an idle one, one in the middle of a request, and a subscriber's
        assert kept.ask("GET", "/clock/kept", MINIMAL).json()["count"] == 2
        half.sock.sendall(b"Host: a\r\n\r\n")
        assert half.receive().status == 200
        seen = set()  # events may be merged
        watcher.until(lambda data: seen.update(rows_of(data)) or
                      {("/clock/kept", 2), ("/clock/half", 1)} <= seen)

        # idle and stalled connections end after their configured times
        assert slow.receive().status == 408
        until(idle.is_closed_by_peer, "the idle connection to be closed")

    # hits are counted, and keep their deadline
    load.until_acknowledged(20)
    tally = load.stop()
    assert set(tally.statuses) == {200} and audit(tally, {
        path: count for path, count in pair.ledger.counts().items() if path in ("/a", "/b")})
    pair.proxy.always(swallow, "POST", "/v1/hits")
    assert get(address, "/clock/late").status == 503
    pair.proxy.forget_plans()
    until(lambda: ask(address, "GET", "/clock/back").status == 200, "hits to be counted again")


def test_the_last_hit_of_a_path_is_never_before_the_first(pair):
    assert hit(pair.render.address, "/clock") == 1
    pair.jump()
    assert hit(pair.render.address, "/clock") == 2
    detail = Face(pair.render.address).path("/clock")
    assert detail["first"] <= detail["last"]
