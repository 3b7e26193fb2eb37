"""PostgreSQL goes down and comes back. Hits get 503 meanwhile, and are counted again within 5 s without a
restart of the services."""

import contextlib
import signal

import pytest

from harness.http import get, hit
from harness.load import audit
from harness.wait import Later, Stopwatch, until

BACK_S = 5.0


@pytest.fixture
def pair(stage, outage):
    """A pair on a PostgreSQL that the test may stop. Requests have a deadline of one second."""
    return stage.pair(render_keys={"request_deadline_ms": 1000})


def served_again(pair):
    """Waits until a hit is answered 200, and returns the seconds that it took."""
    watch = Stopwatch()
    until(lambda: get(pair.address, "/back").status == 200, "to be served again", BACK_S + 2)
    return watch.seconds


@contextlib.contextmanager
def stopped(cluster, how):
    cluster.stop(how)
    yield
    cluster.start()


def outages(cluster):
    return {
        "fast": lambda: stopped(cluster, signal.SIGINT),
        "immediate": lambda: stopped(cluster, signal.SIGQUIT),
        "frozen": cluster.frozen,
    }


@pytest.mark.parametrize("kind", ["fast", "immediate", "frozen"])
def test_hits_are_503_while_postgresql_is_down_and_200_afterwards(pair, outage, kind):
    hit(pair.address, "/before")
    pids = (pair.counter.pid, pair.render.pid)
    with outages(outage)[kind]():
        answer = get(pair.address, "/meanwhile")
        assert answer.status == 503
        assert answer.header("retry-after")
        assert pair.counter.is_running and get(pair.counter.admin, "/live").status == 200
    assert served_again(pair) < BACK_S
    assert pids == (pair.counter.pid, pair.render.pid)
    assert pair.ledger.count("/before") == 1
    assert pair.ledger.count("/meanwhile") <= 1
    assert hit(pair.address, "/before") == 2


def test_a_batch_is_503_while_postgresql_is_down(pair, outage):
    lane = pair.api.lane()
    outage.stop(signal.SIGQUIT)
    for method, target in (("POST", "/v1/lanes"), ("GET", "/v1/paths"), ("GET", "/v1/totals"),
                           ("GET", "/v1/paths/a")):
        assert pair.api.ask(method, target).status == 503
    answer = pair.api.post(lane, 1, {"/a": 1})
    assert answer.status == 503
    outage.start()
    until(lambda: pair.api.post(lane, 1, {"/a": 1}).status == 200, "the batch to be taken", BACK_S)
    assert pair.ledger.count("/a") == 1


def test_without_postgresql_the_service_is_live_but_not_ready(pair, outage):
    assert pair.counter.is_ready() and pair.render.is_ready()
    outage.stop(signal.SIGQUIT)
    until(lambda: pair.counter.ready().status == 503, "counter-svc to be not ready")
    assert pair.counter.ready().body.strip()
    assert get(pair.counter.admin, "/live").status == 200
    assert get(pair.render.admin, "/live").status == 200
    outage.start()
    pair.counter.until_ready(BACK_S)
    pair.render.until_ready(BACK_S)


def test_counter_svc_may_be_started_before_postgresql(stage, outage):
    ledger = stage.ledger()
    outage.stop()
    counter = stage.counter(ledger, ready=False)
    render = stage.render(counter, ready=False, request_deadline_ms=300)
    assert counter.ready().status == 503
    assert get(render.address, "/a").status == 503
    outage.start()
    counter.until_ready(BACK_S)
    until(lambda: get(render.address, "/b").status == 200, "the first hit", BACK_S)


def test_connection_attempts_pause_for_at_most_a_second(stage, outage):
    ledger = stage.ledger()
    wire = stage.wire(outage)
    counter = stage.counter(ledger, postgres_url="127.0.0.1:%d" % wire.address[1])
    wire.target = ("127.0.0.1", 1)  # connections are accepted and closed at once
    wire.cut_all()
    until(lambda: counter.ready().status == 503, "counter-svc to notice")
    before, watch = wire.connections, Stopwatch()
    until(lambda: watch.seconds > 4, "four seconds of trying")
    assert 4 <= wire.connections - before < 100
    wire.target = outage.address
    counter.until_ready(BACK_S)


def test_a_network_that_loses_everything_is_noticed(stage, outage):
    ledger = stage.ledger()
    wire = stage.wire(outage)
    counter = stage.counter(ledger, postgres_url="127.0.0.1:%d" % wire.address[1])
    render = stage.render(counter, request_deadline_ms=1000)
    hit(render.address, "/a")
    with wire.black_hole():
        assert get(render.address, "/a").status == 503
    until(lambda: get(render.address, "/b").status == 200, "to be served again", BACK_S)
    until(lambda: ledger.count("/a") == 2, "the batch of the second hit to be repeated")


@pytest.mark.slow
def test_a_dead_connection_is_replaced_by_a_new_one(stage, outage):
    ledger = stage.ledger()
    wire = stage.wire(outage)
    counter = stage.counter(ledger, postgres_url="127.0.0.1:%d" % wire.address[1])
    lane = counter.api.lane()
    with wire.black_hole():
        lost = counter.api.post_later(lane, 1, {"/a": 1})
        before = wire.connections
        until(lambda: wire.connections > before, "a new connection to be tried", 30)
    until(lambda: counter.api.post(lane, 1, {"/a": 1}).status == 200, "the batch to be taken", 30)
    lost.result(60)
    assert ledger.count("/a") == 1


@pytest.mark.slow
def test_hits_during_an_outage_are_counted_at_most_once(stage, pair, outage):
    load = stage.load([pair.render], [f"/{n}" for n in range(20)], clients=16)
    for how in (signal.SIGINT, signal.SIGQUIT):
        load.until_acknowledged(200)
        with stopped(outage, how):
            until(lambda: load.tally.statuses[503], "a 503")
    load.until_acknowledged(200)
    tally = load.stop()
    assert not tally.lost
    assert set(tally.statuses) == {200, 503}
    assert tally.slowest_s < 3
    audit(tally, pair.ledger.counts(), repeats=True)


def test_hits_wait_during_a_short_freeze(stage, outage):
    pair = stage.pair()
    hit(pair.address, "/a")
    with outage.frozen():
        waiting = [Later(hit, pair.address, "/a") for _ in range(10)]
        pair.proxy.until_batches(2)
    assert sorted(one.result() for one in waiting) == list(range(2, 12))
