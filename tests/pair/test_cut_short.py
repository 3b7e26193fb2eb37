"""A response that is cut short ends with a reset, whatever cuts it: only that tells a client of HTTP/1.0
that the rest is missing. A response that is complete never ends so. Each test asks in every version at
the same time."""

import contextlib
import re
import signal
import socket
import subprocess
import time

import pytest

from harness.api import BEARER
from harness.http import connected, get, read_to_end
from harness.proxy import forward, refuse, swallow
from harness.wait import PATIENCE_S, Stopwatch, until

EVERYTHING = "/-/paths?format=csv"

# One and a half times what the kernel takes for a client that reads nothing (87 to 92 kB): neither all of it at
# once, nor more than twice.
PAGE = {"render-svc": "/-/paths?limit=600&format=json", "counter-svc": "/v1/paths?limit=600"}
ROWS = {f"/{n:05}/{'x' * 190}": 1 for n in range(3000)}  # three pages of an export

REQUESTS = {
    "1.0": "GET {} HTTP/1.0\r\n{}\r\n",
    "1.0, to be kept alive": "GET {} HTTP/1.0\r\nConnection: keep-alive\r\n{}\r\n",
    "1.1": "GET {} HTTP/1.1\r\nHost: a\r\n{}\r\n",
}


@pytest.fixture(scope="module")
def counter(module_stage):
    """A counter-svc with many rows."""
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger)
    counter.ledger = ledger
    counter.api.count_all(ROWS, 600)
    ledger.until_folded()
    return counter


def a_service(stage, counter, name, **keys):
    """One that serves the counter's rows."""
    if name == "render-svc":
        return stage.render(counter, **keys)
    return stage.counter(counter.ledger, **keys)


def ask(sock, version, target):
    authorization = f"Authorization: {BEARER['Authorization']}\r\n"
    sock.sendall(REQUESTS[version].format(target, authorization).encode())


@contextlib.contextmanager
def answers(service, target, receive_bytes=None):
    """A connection for each version, whose answer has begun and is not read."""
    with connected(service.address, len(REQUESTS), receive_bytes) as socks:
        for sock, version in zip(socks, REQUESTS):
            ask(sock, version, target)
        for sock in socks:
            assert sock.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 200"
        yield socks


def rows_in(data):
    return len(re.findall(rb"^/\d{5}/x{190},1\r$", data, re.MULTILINE))


def is_whole(data, rows=len(ROWS)):
    """Whether it is an export of so many rows, with the last chunk where there are chunks."""
    return rows_in(data) == rows and (
        b"transfer-encoding: chunked" not in data or data.endswith(b"\r\n0\r\n\r\n"))


def assert_cut(socks):
    """Every export has rows, but not all, and ends with a reset."""
    for sock in socks:
        data, end = read_to_end(sock)
        assert end == "reset" and 0 < rows_in(data) < len(ROWS)


def behind_the_first_page(how):
    """What becomes of the pages of an export behind its first."""
    return lambda exchange: (how if "after=" in exchange.request.target else forward)(exchange)


# --- what is cut

@pytest.mark.parametrize("mishap", [refuse, swallow], ids=["gone", "silent"])
def test_an_export_whose_counter_does_not_answer_any_more(stage, counter, mishap):
    proxy = stage.proxy(counter)
    render = stage.render(proxy, call_deadline_ms=3000, request_deadline_ms=6000)
    proxy.always(behind_the_first_page(mishap), "GET", "/v1/paths")
    with answers(render, EVERYTHING) as socks:
        assert_cut(socks)
    assert [event["reason"] for event in render.events("export-cut")][:1] == [
        '"counter-svc does not answer"']


@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
def test_curl_fails_when_the_counter_is_killed(stage, counter, version):
    """56: the connection was reset."""
    victim = stage.counter(counter.ledger)
    proxy = stage.proxy(victim)
    render = stage.render(proxy, call_deadline_ms=1000, request_deadline_ms=2000)
    proxy.always(behind_the_first_page(lambda exchange: (victim.kill(), exchange.close())),
                 "GET", "/v1/paths")
    done = subprocess.run(
        ["curl", "--silent", version, "http://%s:%d" % render.address + EVERYTHING],
        capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 56 and 0 < rows_in(done.stdout) < len(ROWS)


def test_streams_whose_process_is_killed(stage, counter):
    """Nothing in the process can do anything about it any more."""
    proxy = stage.proxy(counter)
    render = stage.render(proxy)
    proxy.always(behind_the_first_page(swallow), "GET", "/v1/paths")
    with answers(render, EVERYTHING) as exports, answers(render, "/-/live") as watchers:
        render.kill()
        assert_cut(exports)
        for watcher in watchers:
            assert read_to_end(watcher)[1] == "reset"


def test_what_is_under_way_when_the_time_for_a_stop_is_over(stage, counter):
    proxy = stage.proxy(counter)
    render = stage.render(proxy, shutdown_ms=1000)
    proxy.always(behind_the_first_page(swallow), "GET", "/v1/paths")
    proxy.always(swallow, "POST", "/v1/hits")
    with answers(render, EVERYTHING) as exports, connected(render.address) as [visit]:
        ask(visit, "1.0", "/cut/short")
        proxy.until_batches(1)
        render.signal(signal.SIGTERM)
        assert render.ended() == 0
        assert_cut(exports)
        assert read_to_end(visit) == (b"", "reset")


def test_exports_whose_clients_do_not_read(stage, counter):
    render = stage.render(counter, idle_ms=500)
    with answers(render, EVERYTHING, receive_bytes=4096) as socks:
        until(lambda: render.metric("pathcount_exports") == 0, "the exports to be cut")
        assert_cut(socks)
    assert {event["reason"] for event in render.events("export-cut")} == {'"the client does not read"'}


def test_subscribers_that_do_not_read_at_a_stop(stage, counter):
    render = stage.render(counter)
    with answers(render, "/-/live?limit=1000", receive_bytes=4096) as socks:
        until(lambda: render.metric("pathcount_unsent_bytes") > 0, "the rows to be sent")
        render.signal(signal.SIGTERM)
        assert render.ended() == 0
        assert [read_to_end(sock)[1] for sock in socks] == ["reset"] * len(socks)


@pytest.mark.parametrize("name", PAGE)
def test_answers_that_are_not_taken_in_time(stage, counter, name):
    service = a_service(stage, counter, name, answer_ms=1000)
    with answers(service, PAGE[name], receive_bytes=4096) as socks:
        until(lambda: service.metric("pathcount_unsent_bytes") == 0, "the answers to be cut")
        for sock in socks:
            data, end = read_to_end(sock)
            assert end == "reset" and len(data) < 600 * 190


# --- what is complete

def test_exports_that_are_whole(stage, counter):
    """With HTTP/1.0 they end with the connection, whatever the client requests."""
    render = stage.render(counter)
    with answers(render, EVERYTHING) as socks:
        for sock, version in zip(socks, REQUESTS):
            if version == "1.1":
                sock.shutdown(socket.SHUT_WR)  # there is no further request
            data, end = read_to_end(sock)
            assert end == "closed" and is_whole(data)


def test_exports_that_the_kernel_has(stage, counter):
    """Whatever becomes of the process after that."""
    render = stage.render(counter)
    with answers(render, EVERYTHING + "&prefix=/0000") as socks:
        until(lambda: render.metric("pathcount_exports") == 0, "the kernel to have all of it")
        render.kill()
        for sock in socks:
            data, end = read_to_end(sock)
            assert end == "closed" and is_whole(data, 10)


def test_exports_that_are_taken_during_a_stop(stage, counter):
    render = stage.render(counter)
    with answers(render, EVERYTHING, receive_bytes=4096) as socks:
        render.signal(signal.SIGTERM)
        for sock in socks:
            data, end = read_to_end(sock)
            assert end == "closed" and is_whole(data)
    assert render.ended() == 0


def test_subscribers_are_disconnected_at_a_stop(stage, counter):
    render = stage.render(counter)
    with answers(render, "/-/live?limit=5") as socks:
        render.signal(signal.SIGTERM)
        for sock, version in zip(socks, REQUESTS):
            data, end = read_to_end(sock)
            assert end == "closed"
            assert data.endswith(b"\r\n0\r\n\r\n" if version == "1.1" else b"\n\n")
    assert render.ended() == 0


def kernel_has(service):
    """How many bytes the kernel has for the clients of a service, which they have not acknowledged."""
    port = "%04X" % service.address[1]
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(int(row[4].partition(":")[0], 16) for row in rows if row[1].endswith(":" + port))


def take_at_the_last_moment(socks, frozen, deadline_ms):
    """The clients take what the kernel has for them while the service stands still and the deadline
    passes. When it goes on, it learns of both in one turn of its loop. Returns what they took."""
    taken = [b""] * len(socks)
    for sock in socks:
        sock.setblocking(False)

    def take():
        nothing_before = kernel_has(frozen) == 0
        for i, sock in enumerate(socks):
            with contextlib.suppress(BlockingIOError):
                taken[i] += sock.recv(65536)
        return nothing_before

    watch = Stopwatch()
    until(take, "the kernel to have nothing any more", pause=0.001)
    for sock in socks:
        sock.settimeout(PATIENCE_S)
    until(lambda: watch.seconds > 1.2 * deadline_ms / 1000, "the deadline")
    frozen.thaw()
    return taken


ATTEMPTS = 20


@pytest.mark.parametrize("name", PAGE)
def test_answers_that_are_taken_at_the_last_moment(stage, counter, name):
    service = a_service(stage, counter, name, answer_ms=3000)
    body = get(service.address, PAGE[name], BEARER).body
    for _ in range(ATTEMPTS):
        watch = Stopwatch()
        with answers(service, PAGE[name], receive_bytes=4096) as socks:
            time.sleep(0.5)  # the service looks over its connections five times a second
            service.freeze()
            if watch.seconds > 2.5:
                service.thaw()
                continue  # on a busy machine the deadline may have passed before the service stood still
            for sock, taken in zip(socks, take_at_the_last_moment(socks, service, 3000)):
                sock.shutdown(socket.SHUT_WR)
                rest, end = read_to_end(sock)
                assert end == "closed" and rest and (taken + rest).endswith(body)
            return
    pytest.fail(f"the service did not stand still within 2.5 s in {ATTEMPTS} attempts")
