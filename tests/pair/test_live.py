"""/-/live sends the changes of a view's rows to subscribers."""

import contextlib
import signal
import socket

import pytest

from harness.face import Face, Watcher, rows_of
from harness.http import Connection, ask, get, hit
from harness.wait import Later, Stopwatch, holds_for, until


def has(path, count):
    return lambda data: {"path": path, "count": count, "bots": 0} in data["rows"]


def reads(pair):
    """A function that returns how often the rows of a view were read so far."""
    seen = []

    def note(exchange):
        seen.append(exchange.request.target)
        exchange.forward()
        exchange.reply()

    pair.proxy.next(note, "GET", "/v1/paths", times=100000)
    return seen


def test_a_subscriber_gets_all_rows_and_then_changes(stage):
    pair = stage.pair()
    pair.api.count({"/a": 3, "/b": 5})
    with Watcher(pair.address) as watcher:
        event, _, data = watcher.next()
        assert event == "snapshot" and rows_of(data) == [("/b", 5), ("/a", 3)]
        assert data["totals"] == {"paths": 2, "hits": 8, "bots": 0}
        hit(pair.address, "/a")
        event, _, data = watcher.until(has("/a", 4))
        assert event == "change" and rows_of(data) == [("/a", 4)] and data["gone"] == []


def test_rows_that_leave_the_view_are_reported(stage):
    pair = stage.pair()
    pair.api.count({"/a": 3, "/b": 5})
    with Watcher(pair.address, "?limit=2") as watcher:
        watcher.next()
        pair.api.count({"/c": 4})
        assert watcher.until(has("/c", 4))[2]["gone"] == ["/a"]


def test_a_subscriber_of_a_prefix_gets_no_other_rows(stage):
    pair = stage.pair()
    pair.api.count({"/a/1": 1, "/b": 9})
    with Watcher(pair.address, "?order=path&prefix=/a") as watcher:
        assert rows_of(watcher.next()[2]) == [("/a/1", 1)]
        pair.api.count({"/b": 1})
        pair.api.count({"/a/2": 7})
        rows = []
        while ("/a/2", 7) not in rows:
            rows += rows_of(watcher.next()[2])
        assert {path for path, _ in rows} == {"/a/2"}


def test_subscribing_counts_nothing(stage):
    pair = stage.pair()
    with Watcher(pair.address) as watcher:
        assert watcher.next()[2]["rows"] == []
    assert pair.ledger.counts() == {}


def test_there_are_at_most_two_events_a_second(stage):
    pair = stage.pair()
    watch = Stopwatch()
    with Watcher(pair.address) as watcher:
        watcher.next()
        for _ in range(6):
            number = hit(pair.address, "/often")
            watcher.until(has("/often", number))
        assert watch.seconds >= 2.5


def test_rows_are_read_once_for_all_subscribers(stage):
    pair = stage.pair()
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(pair.address)) for _ in range(30)]
        for watcher in watchers:
            watcher.next()
        watch, seen = Stopwatch(), reads(pair)
        until(lambda: len(seen) >= 4, "four reads, half a second apart")
        assert watch.seconds > 1
        hit(pair.address, "/a")
        for watcher in watchers:
            watcher.until(has("/a", 1))


def test_without_subscribers_no_rows_are_read(stage):
    pair = stage.pair()
    with Watcher(pair.address) as watcher:
        watcher.next()
        hit(pair.address, "/a")
        watcher.until(has("/a", 1))

    def is_noticed():  # the next event finds the connection closed
        hit(pair.address, "/a")
        return pair.render.metric("pathcount_watchers") == 0

    until(is_noticed, "the end of the connection to be noticed", pause=0.1)
    seen = reads(pair)
    assert holds_for(lambda: not seen, 1.5)


def test_a_subscriber_that_reconnects_continues_where_it_was(stage):
    pair = stage.pair()
    pair.api.count({"/a": 1})
    with Watcher(pair.address) as stays, Watcher(pair.address) as leaves:
        stays.next()
        last = leaves.next()[1]
        leaves.close()
        with Watcher(pair.address, last=last) as back:  # it has missed no change
            hit(pair.address, "/a")
            event, _, data = back.next()
            while event == "change" and not rows_of(data):  # new totals may come before the row
                event, _, data = back.next()
            assert (event, rows_of(data)) == ("change", [("/a", 2)])


def test_a_subscriber_that_missed_a_change_gets_all_rows(stage):
    pair = stage.pair()
    pair.api.count({"/a": 1, "/b": 1})
    with Watcher(pair.address) as stays:
        last = stays.next()[1]
        for number in (2, 3):
            hit(pair.address, "/a")
            stays.until(has("/a", number))
        for wrong in (last, "nonsense", "0-0", "ffffffffffffffff-1", last + "x", "-", "1" * 100):
            with Watcher(pair.address, last=wrong) as back:
                event, _, data = back.next()
                assert event == "snapshot" and rows_of(data) == [("/a", 3), ("/b", 1)]


def test_a_slow_subscriber_delays_no_other_and_gets_the_newest_state(stage):
    pair = stage.pair()
    pair.api.count({f"/{'x' * 1500}/{n:03}": 1 for n in range(80)})
    with Watcher(pair.address, "?limit=1000") as quick, Watcher(pair.address, "?limit=1000") as slow:
        quick.next()
        slow.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        for number in range(2, 9):  # each sends all rows to both
            pair.api.count({f"/{'x' * 1500}/{n:03}": 1 for n in range(80)})
            quick.until(has(f"/{'x' * 1500}/000", number))
        events = [slow.next()]
        while not has(f"/{'x' * 1500}/000", 8)(events[-1][2]):
            events.append(slow.next())
        assert len(events) < 7  # some states were skipped


def test_a_subscriber_that_reads_nothing_is_disconnected(stage):
    pair = stage.pair(render_keys={"idle_ms": 500, "max_watchers": 1})
    pair.api.count({f"/{'x' * 2000}/{n:03}": 1 for n in range(64)})
    with Connection(pair.address) as connection:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.send("GET", "/-/live?limit=1000")

        def is_free():
            pair.api.count({f"/{'x' * 2000}/{n:03}": 1 for n in range(64)})
            return ask(pair.address, "HEAD", "/-/live").status == 200 and \
                get_status(pair.address) == 200

        until(is_free, "the subscriber's place to be free", 40, pause=0.5)


def get_status(address):
    """The status that a further subscriber gets."""
    with Connection(address) as connection:
        connection.send("GET", "/-/live")
        return int(connection.stream.take_until(b"\r\n").split()[1])


def test_max_watchers_limits_subscribers(stage):
    pair = stage.pair(render_keys={"max_watchers": 3})
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(Watcher(pair.address)).next()
        answer = Face(pair.address).get("/-/live")
        assert answer.status == 503 and answer.header("retry-after")
        assert get(pair.address, "/visit").status == 200


def test_max_watched_views_limits_views(stage):
    pair = stage.pair(render_keys={"max_watched_views": 2})
    with Watcher(pair.address), Watcher(pair.address, "?limit=5"), Watcher(pair.address, "?limit=5"):
        assert Face(pair.address).get("/-/live?limit=6").status == 503


@pytest.mark.parametrize("query", ["limit=0", "order=x", "after=x", "format=json", "x=y"])
def test_an_invalid_view_is_400(pair, query):
    assert Face(pair.address).get("/-/live?" + query).status == 400


def test_subscribers_are_disconnected_first_at_a_stop(stage):
    pair = stage.pair()
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(pair.address)) for _ in range(20)]
        for watcher in watchers:
            watcher.next()
        watch = Stopwatch()
        pair.render.signal(signal.SIGTERM)
        for watcher in watchers:
            with pytest.raises(EOFError):
                watcher.next()
        assert pair.render.ended() == 0
        assert watch.seconds < 5  # of the 10 s that requests in flight may take


def test_subscribers_are_disconnected_during_a_drain_and_may_reconnect(stage):
    pair = stage.pair(render_keys={"drain_ms": 3000})
    with Watcher(pair.address) as watcher:
        watcher.next()
        pair.render.signal(signal.SIGTERM)
        with pytest.raises(EOFError):
            watcher.next()
        answer = Face(pair.address).get("/-/live")
        assert answer.status == 200 and answer.body == b"retry: 1000\n\n" and answer.closes


def test_a_subscriber_that_does_not_read_does_not_delay_a_stop(stage):
    pair = stage.pair()
    pair.api.count({f"/{'x' * 2000}/{n:03}": 1 for n in range(64)})
    with Connection(pair.address) as connection:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.send("GET", "/-/live?limit=1000")

        def is_blocked():
            pair.api.count({f"/{'x' * 2000}/{n:03}": 1 for n in range(64)})
            return pair.render.metric("pathcount_unsent_bytes") > 0

        until(is_blocked, "the kernel's buffers to be full", pause=0.5)
        watch = Stopwatch()
        pair.render.signal(signal.SIGTERM)
        assert pair.render.ended() == 0
        assert watch.seconds < 5


def test_a_subscription_outlives_an_outage(stage):
    pair = stage.pair(render_keys={"call_deadline_ms": 300, "request_deadline_ms": 600, "log_level": "debug"})
    with Watcher(pair.address) as watcher:
        watcher.next()
        pair.counter.freeze()
        until(lambda: len(pair.render.events("read-unanswered")) >= 3, "reads to fail")
        pair.counter.thaw()
        pair.api.count({"/a": 1})
        watcher.until(has("/a", 1))


def test_visits_are_answered_while_there_are_many_subscribers(stage):
    pair = stage.pair()
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(pair.address)) for _ in range(200)]
        asked = [Later(hit, pair.address, "/busy") for _ in range(20)]
        assert sorted(one.result() for one in asked) == list(range(1, 21))
        for watcher in watchers:
            watcher.until(has("/busy", 20))
