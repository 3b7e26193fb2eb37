"""SIGTERM: the service accepts connections for drain_ms more, closes the listener, finishes requests in flight,
and closes idle connections."""

import signal

import pytest

from harness.http import MINIMAL, Connection, Ended, get, hit, is_refused, request_bytes
from harness.load import audit
from harness.proxy import Gate, swallow
from harness.wait import Later, Stopwatch, until

BOTH = ["counter-svc", "render-svc"]


def of(pair, name):
    return {"counter-svc": pair.counter, "render-svc": pair.render}[name]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_ends_at_once_with_status_0(stage, name, number):
    pair = stage.pair()
    hit(pair.address, "/a")
    watch = Stopwatch()
    of(pair, name).signal(number)
    assert of(pair, name).ended() == 0
    assert watch.seconds < 8  # of the 10 s after which the end is forced


@pytest.mark.parametrize("name", BOTH)
def test_a_service_can_be_stopped_right_after_its_start(stage, name):
    keys = {"counter-svc": lambda: stage.ledger().keys,
            "render-svc": lambda: {"counter_url": "http://127.0.0.1:1"}}[name]()
    for _ in range(3):
        service = stage.service(name, keys)
        service.signal(signal.SIGTERM)
        assert service.ended() == 0


def test_while_draining_connections_are_accepted_and_answered_with_close(stage):
    pair = stage.pair(render_keys={"drain_ms": 1000})
    kept = Connection(pair.address)
    assert not kept.ask("GET", "/a", MINIMAL).closes
    pair.render.signal(signal.SIGTERM)
    watch = Stopwatch()
    until(lambda: Connection(pair.address).ask("GET", "/new", MINIMAL).closes, "Connection: close")
    answer = kept.ask("GET", "/a", MINIMAL)
    assert (answer.status, answer.closes) == (200, True)
    until(kept.is_closed_by_peer, "the answered connection to be closed")
    assert pair.render.ended() == 0
    assert 0.9 < watch.seconds < 8
    assert is_refused(pair.address)


def test_after_the_drain_the_listener_closes_and_requests_in_flight_finish(stage):
    pair = stage.pair(render_keys={"drain_ms": 300, "lanes": 1})
    gate = Gate()
    pair.proxy.next(gate, "POST", "/v1/hits")
    in_flight = Later(get, pair.address, "/in/flight", MINIMAL)
    gate.until_held()
    waiting = Later(get, pair.address, "/waiting", MINIMAL)
    until(lambda: pair.render.is_running, "")
    pair.render.signal(signal.SIGTERM)
    until(lambda: is_refused(pair.address), "the listener to be closed", 3)
    assert pair.render.is_running and not in_flight.done
    gate.open()
    for later, path in ((in_flight, "/in/flight"), (waiting, "/waiting")):
        assert later.result().status == 200
        assert later.result().json() == {"path": path, "count": 1}
    assert pair.render.ended() == 0
    assert pair.ledger.counts() == {"/in/flight": 1, "/waiting": 1}


def test_idle_connections_are_closed_and_do_not_delay_the_end(stage):
    pair = stage.pair()
    idle = [Connection(pair.address) for _ in range(20)]
    for connection in idle[:10]:
        connection.ask("GET", "/a", MINIMAL)
    watch = Stopwatch()
    pair.render.signal(signal.SIGTERM)
    assert pair.render.ended() == 0
    assert watch.seconds < 8  # of the 10 s after which the end is forced
    assert all(connection.is_closed_by_peer() for connection in idle)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_drain(stage, name, second):
    pair = stage.pair(render_keys={"drain_ms": 30000}, counter_keys={"drain_ms": 30000})
    service = of(pair, name)
    service.signal(signal.SIGTERM)
    until(lambda: "stopping" in service.ready().text, "the drain to begin")
    watch = Stopwatch()
    service.signal(second)
    assert service.ended() == 0
    assert watch.seconds < 15


@pytest.mark.parametrize("name", BOTH)
def test_sigint_skips_the_drain(stage, name):
    pair = stage.pair(render_keys={"drain_ms": 30000}, counter_keys={"drain_ms": 30000})
    watch = Stopwatch()
    of(pair, name).signal(signal.SIGINT)
    assert of(pair, name).ended() == 0
    assert watch.seconds < 15  # of the 30 s of drain_ms


def test_a_request_that_never_ends_does_not_delay_the_end_beyond_shutdown_ms(stage):
    pair = stage.pair(render_keys={"shutdown_ms": 1000, "request_deadline_ms": 20000})
    pair.proxy.always(swallow, "POST", "/v1/hits")
    hopeless = Connection(pair.address)
    hopeless.send("GET", "/a", MINIMAL)
    pair.proxy.until_batches(1)
    watch = Stopwatch()
    pair.render.signal(signal.SIGTERM)
    assert pair.render.ended() == 0 and pair.render.events("stop-forced")
    assert watch.seconds < 15  # of the 20 s of request_deadline_ms


def test_a_half_sent_request_does_not_delay_the_end_beyond_shutdown_ms(stage):
    pair = stage.pair(render_keys={"shutdown_ms": 1000})
    half = Connection(pair.address)
    half.sock.sendall(b"GET /half HTTP/1.1\r\n")
    pair.render.signal(signal.SIGTERM)
    watch = Stopwatch()
    assert pair.render.ended() == 0
    assert watch.seconds < 20  # of the 60 s that a request may take to arrive


def test_a_request_that_was_sent_before_the_signal_is_answered(stage):
    pair = stage.pair()
    connections = [Connection(pair.address) for _ in range(30)]
    for connection in connections:
        connection.ask("GET", "/warm", MINIMAL)
    for number, connection in enumerate(connections):
        connection.send("GET", f"/{number}", MINIMAL)
    pair.render.signal(signal.SIGTERM)
    for number, connection in enumerate(connections):
        assert connection.receive().json() == {"path": f"/{number}", "count": 1}
    assert pair.render.ended() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_connections_in_the_backlog_at_the_signal_are_answered(stage, workers):
    """The service learns at once of the signal, of requests on idle connections, and of connections that it has
    not accepted yet."""
    pair = stage.pair(render_keys={"workers": workers})
    idle = [Connection(pair.address) for _ in range(20)]
    for connection in idle:
        connection.ask("GET", "/warm", MINIMAL)
    pair.render.freeze()
    new = [Connection(pair.address) for _ in range(20)]
    pair.render.signal(signal.SIGTERM)
    for number, connection in enumerate(idle + new):
        connection.send("GET", f"/{number}", MINIMAL)
    pair.render.thaw()
    for number, connection in enumerate(idle + new):
        assert connection.receive().json() == {"path": f"/{number}", "count": 1}
    assert pair.render.ended() == 0


def test_requests_sent_together_before_the_signal_are_answered_or_closed_cleanly(stage):
    pair = stage.pair(render_keys={"drain_ms": 300})
    with Connection(pair.address) as connection:
        connection.sock.sendall(request_bytes("GET", "/many", MINIMAL) * 10)
        assert connection.receive().json()["count"] == 1
        pair.render.signal(signal.SIGTERM)
        answers = 1
        try:
            while not connection.receive().closes:
                answers += 1
        except Ended:
            pytest.fail("the connection ended without an answer with Connection: close")
    assert pair.render.ended() == 0
    assert answers <= pair.ledger.count("/many") <= 10


@pytest.mark.parametrize("drain_ms", [0, 500])
def test_a_stop_under_load_answers_every_request_of_an_accepted_connection(stage, drain_ms):
    pair = stage.pair(render_keys={"workers": 2, "drain_ms": drain_ms})
    kept = stage.load([pair.render], ["/a", "/b"], clients=16, until_refused=True)
    fresh = stage.load([pair.render], ["/c"], clients=8, keep_alive=False, until_refused=True)
    for load in (kept, fresh):
        load.until_acknowledged(200)
    at = fresh.seconds
    pair.render.signal(signal.SIGTERM)
    tallies = [load.finished() for load in (kept, fresh)]
    assert pair.render.ended() == 0
    for tally in tallies:
        accepted = [loss for loss in tally.lost if loss[1]]
        assert not accepted, f"accepted, but not answered: {accepted}; {tally}"
        # A connection that was still in the listener's queue when it closed was never accepted.
        assert all(seconds > at + drain_ms / 1000 - 0.2 for seconds, *_ in tally.lost), tally
        assert len(tally.lost) <= 8, tally
        assert set(tally.statuses) == {200}
    stored = pair.ledger.counts()
    assert audit(tallies[0], {path: stored[path] for path in ("/a", "/b")})
    assert audit(tallies[1], {"/c": stored["/c"]})


def test_stopping_one_renderer_under_load_does_not_affect_the_other(stage):
    pair = stage.pair(render_keys={"drain_ms": 300})
    other = stage.render(pair.proxy)
    load = stage.load([other], ["/a"], clients=8)
    load.until_acknowledged(200)
    pair.render.signal(signal.SIGTERM)
    assert pair.render.ended() == 0
    load.until_acknowledged(200)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost


def test_counter_svc_finishes_batches_before_it_ends(stage):
    ledger = stage.ledger()
    counter = stage.counter(ledger)
    lanes = [counter.api.lane() for _ in range(5)]
    with ledger.held_appends() as release:
        posts = [counter.api.post_later(lane, 1, {"/a": 1}) for lane in lanes]
        ledger.until_waiting(1)
        until(lambda: len(connections_of(counter)) >= 5, "the batches to arrive")
        counter.signal(signal.SIGTERM)
        until(lambda: is_refused(counter.address), "the listener to be closed")
        release()
        assert [post.result().status for post in posts] == [200] * 5
    assert counter.ended() == 0
    assert ledger.counts() == {"/a": 5}


def connections_of(service):
    """The established connections to a service's main listener, as the kernel lists them."""
    port = "%04X" % service.address[1]
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return [row for row in rows if row[1].endswith(":" + port) and row[3] == "01"]


def test_renderers_move_on_when_their_counter_is_replaced_under_load(stage):
    """A counter-svc gets SIGTERM and drains, while another one takes its place."""
    ledger = stage.ledger()
    old = stage.counter(ledger, drain_ms=300)
    proxy = stage.proxy(old)
    render = stage.render(proxy)
    load = stage.load([render], ["/a", "/b", "/c"], clients=16)
    for _ in range(3):
        load.until_acknowledged(150)
        new = stage.counter(ledger, drain_ms=300)
        proxy.target = new.address
        old.signal(signal.SIGTERM)
        assert old.ended() == 0
        old = new
    load.until_acknowledged(150)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost
    assert audit(tally, ledger.counts(), repeats=True) == sum(tally.acknowledged.values())
