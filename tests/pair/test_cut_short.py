"""Every incomplete response ends with a reset, whatever interrupts it. Only the reset shows a client of HTTP/1.0
that the rest is missing. A complete response never ends with a reset. Each test sends its request in every
version of HTTP at the same time."""

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

# One and a half times the bytes that the kernel buffers for a client that reads nothing (87 to 92 kB): more than
# one buffer, less than two.
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
    """A service that serves the counter's rows."""
    if name == "render-svc":
        return stage.render(counter, **keys)
    return stage.counter(counter.ledger, **keys)


def ask(sock, version, target):
    authorization = f"Authorization: {BEARER['Authorization']}\r\n"
    sock.sendall(REQUESTS[version].format(target, authorization).encode())


@contextlib.contextmanager
def answers(service, target, receive_bytes=None):
    """One connection for each version. Its answer has begun and is not read."""
    with connected(service.address, len(REQUESTS), receive_bytes) as socks:
        for sock, version in zip(socks, REQUESTS):
            ask(sock, version, target)
        for sock in socks:
            assert sock.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 200"
        yield socks


def rows_in(data):
    return len(re.findall(rb"^/\d{5}/x{190},1\r$", data, re.MULTILINE))


def is_whole(data, rows=len(ROWS)):
    """Whether this is an export of this number of rows, with the last chunk if it is chunked."""
    return rows_in(data) == rows and (
        b"transfer-encoding: chunked" not in data or data.endswith(b"\r\n0\r\n\r\n"))


def assert_cut(socks):
    """Checks that every export has some of the rows, but not all, and ends with a reset."""
    for sock in socks:
        data, end = read_to_end(sock)
        assert end == "reset" and 0 < rows_in(data) < len(ROWS)


def behind_the_first_page(how):
    """Replaces the answers to requests for the pages of an export after the first one."""
    return lambda exchange: (how if "after=" in exchange.request.target else forward)(exchange)


# --- incomplete responses

@pytest.mark.parametrize("mishap", [refuse, swallow], ids=["gone", "silent"])
def test_an_export_whose_counter_stops_answering_is_reset(stage, counter, mishap):
    proxy = stage.proxy(counter)
    render = stage.render(proxy, call_deadline_ms=3000, request_deadline_ms=6000)
    proxy.always(behind_the_first_page(mishap), "GET", "/v1/paths")
    with answers(render, EVERYTHING) as socks:
        assert_cut(socks)
    assert [event["reason"] for event in render.events("export-cut")][:1] == [
        '"counter-svc does not answer"']


@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
def test_curl_exits_with_56_when_the_counter_is_killed(stage, counter, version):
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


def test_streams_of_a_killed_process_are_reset(stage, counter):
    """The kernel resets them, without help from the process."""
    proxy = stage.proxy(counter)
    render = stage.render(proxy)
    proxy.always(behind_the_first_page(swallow), "GET", "/v1/paths")
    with answers(render, EVERYTHING) as exports, answers(render, "/-/live") as watchers:
        render.kill()
        assert_cut(exports)
        for watcher in watchers:
            assert read_to_end(watcher)[1] == "reset"


def test_responses_in_flight_at_the_end_of_shutdown_ms_are_reset(stage, counter):
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


def test_exports_that_are_not_read_are_reset(stage, counter):
    render = stage.render(counter, idle_ms=500)
    with answers(render, EVERYTHING, receive_bytes=4096) as socks:
        until(lambda: render.metric("pathcount_exports") == 0, "the exports to be cut")
        assert_cut(socks)
    assert {event["reason"] for event in render.events("export-cut")} == {'"the client does not read"'}


def test_subscribers_that_do_not_read_are_reset_at_a_stop(stage, counter):
    render = stage.render(counter)
    with answers(render, "/-/live?limit=1000", receive_bytes=4096) as socks:
        until(lambda: render.metric("pathcount_unsent_bytes") > 0, "the rows to be sent")
        render.signal(signal.SIGTERM)
        assert render.ended() == 0
        assert [read_to_end(sock)[1] for sock in socks] == ["reset"] * len(socks)


@pytest.mark.parametrize("name", PAGE)
def test_answers_that_are_not_read_in_time_are_reset(stage, counter, name):
    service = a_service(stage, counter, name, answer_ms=1000)
    with answers(service, PAGE[name], receive_bytes=4096) as socks:
        until(lambda: service.metric("pathcount_unsent_bytes") == 0, "the answers to be cut")
        for sock in socks:
            data, end = read_to_end(sock)
            assert end == "reset" and len(data) < 600 * 190


# --- complete responses

def test_complete_exports_are_not_reset(stage, counter):
    """In HTTP/1.0 they end with the connection, even if the client wants to keep it."""
    render = stage.render(counter)
    with answers(render, EVERYTHING) as socks:
        for sock, version in zip(socks, REQUESTS):
            if version == "1.1":
                sock.shutdown(socket.SHUT_WR)  # the client sends no further request
            data, end = read_to_end(sock)
            assert end == "closed" and is_whole(data)


def test_exports_that_the_kernel_has_buffered_arrive_whole(stage, counter):
    """Even if the process ends."""
    render = stage.render(counter)
    with answers(render, EVERYTHING + "&prefix=/0000") as socks:
        until(lambda: render.metric("pathcount_exports") == 0, "the kernel to have the whole answer")
        render.kill()
        for sock in socks:
            data, end = read_to_end(sock)
            assert end == "closed" and is_whole(data, 10)


def test_exports_that_are_read_during_a_stop_arrive_whole(stage, counter):
    render = stage.render(counter)
    with answers(render, EVERYTHING, receive_bytes=4096) as socks:
        render.signal(signal.SIGTERM)
        for sock in socks:
            data, end = read_to_end(sock)
            assert end == "closed" and is_whole(data)
    assert render.ended() == 0


def test_streams_of_subscribers_end_completely_at_a_stop(stage, counter):
    render = stage.render(counter)
    with answers(render, "/-/live?limit=5") as socks:
        render.signal(signal.SIGTERM)
        for sock, version in zip(socks, REQUESTS):
            data, end = read_to_end(sock)
            assert end == "closed"
            assert data.endswith(b"\r\n0\r\n\r\n" if version == "1.1" else b"\n\n")
    assert render.ended() == 0


def kernel_has(service):
    """The number of bytes that the kernel holds for a service's clients and that they have not acknowledged."""
    port = "%04X" % service.address[1]
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(int(row[4].partition(":")[0], 16) for row in rows if row[1].endswith(":" + port))


def take_at_the_last_moment(socks, frozen, deadline_ms):
    """The clients read everything that the kernel has for them while the service is frozen and its deadline
    passes. When it continues, it learns of both in one turn of its loop. Returns the bytes read."""
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
    until(take, "the kernel's buffers to be empty", pause=0.001)
    for sock in socks:
        sock.settimeout(PATIENCE_S)
    until(lambda: watch.seconds > 1.2 * deadline_ms / 1000, "the deadline")
    frozen.thaw()
    return taken


ATTEMPTS = 20


@pytest.mark.parametrize("name", PAGE)
def test_answers_that_are_read_at_the_last_moment_arrive_whole(stage, counter, name):
    service = a_service(stage, counter, name, answer_ms=3000)
    body = get(service.address, PAGE[name], BEARER).body
    for _ in range(ATTEMPTS):
        watch = Stopwatch()
        with answers(service, PAGE[name], receive_bytes=4096) as socks:
            time.sleep(0.5)  # longer than the 0.2 s between two checks of the connections
            service.freeze()
            if watch.seconds > 2.5:
                service.thaw()
                continue  # on a busy machine the deadline may have passed before the freeze
            for sock, taken in zip(socks, take_at_the_last_moment(socks, service, 3000)):
                sock.shutdown(socket.SHUT_WR)
                rest, end = read_to_end(sock)
                assert end == "closed" and rest and (taken + rest).endswith(body)
            return
    pytest.fail(f"the service was not frozen within 2.5 s in {ATTEMPTS} attempts")
