"""Malicious or broken clients. Each costs one socket for a limited time, and other clients are still served."""

import contextlib
import os
import socket
import time

import pytest

from harness import contract
from harness.http import JSON, Connection, Ended, Stream, connected, get, hit
from harness.services import SANITIZED, TOKEN
from harness.wait import PATIENCE_S, Later, Stopwatch, until

HOST = b"Host: pathcount.test\r\n"
HEAD = b"GET /abuse HTTP/1.1\r\n" + HOST

SHORT = {"head_ms": 1000, "body_ms": 1000, "idle_ms": 2000, "answer_ms": 3000}


@pytest.fixture(scope="module")
def short(module_stage):
    """A pair with short deadlines."""
    return module_stage.pair(SHORT, SHORT)


def answers_until_closed(sock):
    """The answers up to the end of the connection."""
    stream, answers = Stream(sock), []
    try:
        while True:
            answers.append(stream.message(True))
    except (Ended, ConnectionResetError):
        return answers


def descriptors_of(service):
    """The number of files and sockets that a service has open."""
    return len(os.listdir(f"/proc/{service.pid}/fd"))


def drip(sock, piece, pause):
    """Sends a piece again and again until the connection is closed. Returns the number of pieces sent."""
    times = 0
    with contextlib.suppress(OSError):
        while times < 1000:
            sock.sendall(piece)
            times += 1
            time.sleep(pause)
    return times


# --- slow senders

def test_a_slow_head_gets_408(short):
    with connected(short.address) as [sock]:
        sock.sendall(HEAD)
        dripped = Later(drip, sock, b"A: b\r\n", 0.05)
        [answer] = answers_until_closed(sock)
        assert answer.status == 408 and answer.closes
        contract.check_problem(answer)
        assert "head" in answer.json()["detail"]
        assert 5 < dripped.result() < 1000


def test_the_head_of_a_later_request_has_the_same_deadline(short):
    with Connection(short.address) as connection:
        assert connection.ask("GET", "/abuse/kept").status == 200
        connection.sock.sendall(HEAD)
        assert [answer.status for answer in answers_until_closed(connection.sock)] == [408]


@pytest.mark.parametrize("where", ["public", "internal"])
def test_a_slow_body_gets_408(short, where):
    address = short.address if where == "public" else short.counter.address
    with connected(address) as [sock]:
        sock.sendall(b"POST /-/hit/abuse HTTP/1.1\r\n" + HOST + f"Authorization: Bearer {TOKEN}\r\n".encode()
                     + b"Content-Length: 60000\r\n\r\n")
        dripped = Later(drip, sock, b"x", 0.05)
        [answer] = answers_until_closed(sock)
        assert answer.status == 408 and "body" in answer.json()["detail"]
        assert 5 < dripped.result() < 1000


@pytest.mark.parametrize("chunks", [b"1\r\nx\r\n", b"x" * 100, b"\r\nA: b"])
def test_endless_chunks_are_refused_early(short, chunks):
    """In data, in an extension and in trailers. Each is refused before its end."""
    start = {b"1": b"", b"x": b"1;", b"\r": b"0\r\n"}[chunks[:1]]
    with connected(short.address) as [sock]:
        sock.sendall(b"POST /-/hit/abuse HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + start)
        dripped = Later(drip, sock, chunks, 0.02)
        assert [answer.status for answer in answers_until_closed(sock)] == [411]
        assert dripped.result() < 1000


def test_a_silent_connection_is_closed_without_an_answer(short):
    with connected(short.address, 2) as [silent, kept]:
        kept.sendall(HEAD + b"\r\n")
        assert answers_until_closed(silent) == []
        assert [answer.status for answer in answers_until_closed(kept)] == [200]


def test_a_connection_in_use_is_kept(short):
    with Connection(short.address) as connection:
        watch = Stopwatch()
        while watch.seconds < 2 * SHORT["idle_ms"] / 1000:
            assert connection.ask("GET", "/-/openapi.yml").status == 200


def test_a_new_connection_may_be_silent_for_a_while(short):
    with Connection(short.address) as connection:
        time.sleep(0.5)  # longer than the 0.2 s between two checks of the connections
        assert connection.ask("GET", "/-/openapi.yml").status == 200


def test_a_half_closed_client_is_answered(short):
    """The client half-closes the connection after complete requests."""
    with connected(short.address) as [sock]:
        sock.sendall(HEAD + b"\r\n" + HEAD + b"\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in answers_until_closed(sock)] == [200, 200]


# --- requests that are too long

@pytest.mark.parametrize("size", [16385, 20000, 65536, 100_000])
def test_a_target_that_is_too_long_gets_414(pair, size):
    with connected(pair.address) as [sock]:
        sock.sendall(b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        [answer] = answers_until_closed(sock)
        assert answer.status == 414 and answer.closes
        contract.check_problem(answer)
        assert answer.json()["detail"] == "The request target is too long."


def test_an_incomplete_target_of_64_kb_gets_414(pair):
    with connected(pair.address) as [sock]:
        sock.sendall(b"GET /" + b"a" * 65535)
        assert [answer.status for answer in answers_until_closed(sock)] == [414]


def test_a_target_of_half_a_megabyte_is_refused_by_the_library(pair):
    with connected(pair.address) as [sock]:
        with contextlib.suppress(OSError):
            sock.sendall(b"GET /" + b"a" * 500_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert [answer.status for answer in answers_until_closed(sock)] in ([400], [414])


def test_a_query_of_the_maximum_length_is_accepted(pair):
    with connected(pair.address) as [sock]:
        sock.sendall(b"GET /abuse/query?" + b"q" * (16384 - 13) + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert Stream(sock).message(True).status == 200


@pytest.mark.parametrize("where", ["public", "internal"])
@pytest.mark.parametrize("headers", [
    b"A: " + b"b" * 33000 + b"\r\n", b"".join(b"A%d: %s\r\n" % (n, b"b" * 900) for n in range(40))],
    ids=["one long", "forty long"])
def test_a_head_that_is_too_long_gets_431(pair, where, headers):
    address = pair.address if where == "public" else pair.counter.address
    for end in (b"\r\n", b""):  # complete or incomplete
        with connected(address) as [sock]:
            sock.sendall(HEAD + headers + end)
            [answer] = answers_until_closed(sock)
            assert answer.status == 431 and answer.closes
            contract.check_problem(answer)


def test_more_than_100_header_lines_are_refused_by_the_library(pair):
    with connected(pair.address) as [sock]:
        sock.sendall(HEAD + b"A: b\r\n" * 100 + b"\r\n")
        assert [answer.status for answer in answers_until_closed(sock)] == [400]


def test_a_body_that_is_too_long_gets_413_without_being_read(pair):
    with connected(pair.address) as [sock]:
        sock.sendall(b"POST /-/hit/abuse HTTP/1.1\r\n" + HOST + b"Content-Length: 65537\r\n\r\n")
        assert [answer.status for answer in answers_until_closed(sock)] == [413]


def test_limits_are_configured(stage):
    pair = stage.pair({"max_target_bytes": 1024, "max_head_bytes": 2048})
    assert get(pair.address, "/" + "a" * 1023, JSON).status == 200
    assert get(pair.address, "/" + "a" * 1024, JSON).status == 414
    assert get(pair.address, "/a", {"A": "b" * 1800}).status == 200
    assert get(pair.address, "/a", {"A": "b" * 2000}).status == 431


# --- floods: other clients are served, and memory is bounded

def assert_others_are_served(pair, times=20):
    """Checks that other requests are answered, each within its deadline."""
    for _ in range(times):
        assert get(pair.address, "/others", JSON).status == 200


STALLS = {
    "say nothing": b"",
    "stop in the request line": b"GET /ab",
    "stop in a header": HEAD + b"A: b",
    "stop before a body": b"POST /-/hit/abuse HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n",
    "stop in a body": b"POST /-/hit/abuse HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n" + b"x" * 1000,
}


@pytest.mark.parametrize("kind", STALLS)
def test_stalled_clients_cost_a_socket_and_nothing_else(short, kind):
    """Several hundred of them. Other clients are served, and the stalled ones are disconnected at their
    deadline."""
    get(short.address, "/others")
    memory, descriptors = short.render.memory_bytes(), descriptors_of(short.render)
    with connected(short.address, 500) as socks:
        for sock in socks:
            sock.sendall(STALLS[kind])
        assert_others_are_served(short)
        assert short.render.memory_bytes() - memory < 500 * 24 * 1024 or SANITIZED
        until(lambda: descriptors_of(short.render) <= descriptors + 5, "the stalled clients to be disconnected")


def test_clients_that_do_not_read_cost_a_socket_and_nothing_else(stage):
    """Each client requests many pages and reads none, until the kernel or answer_ms ends the connection."""
    pair = stage.pair(SHORT)
    for n in range(100):
        hit(pair.address, f"/unread/{n}/" + "a" * 2000)
    descriptors = descriptors_of(pair.render)
    requests = b"GET /-/paths?limit=1000&prefix=/unread HTTP/1.1\r\n" + HOST + b"\r\n"
    with connected(pair.address, 200, receive_bytes=2048) as socks:
        for sock in socks:
            sock.sendall(requests * 4)
        assert_others_are_served(pair)
        memory = pair.render.memory_bytes()
        until(lambda: descriptors_of(pair.render) <= descriptors + 5,
              "the clients that do not read to be disconnected", 60)
        print("memory", memory)
        assert memory < 300 * 1024 * 1024


def test_answer_ms_also_ends_a_client_that_reads_slowly(stage):
    pair = stage.pair({**SHORT, "idle_ms": 60000})
    for n in range(400):
        hit(pair.address, f"/slow/{n}/" + "%C3%A9" * 1000)
    with connected(pair.address, receive_bytes=4096) as [sock]:
        sock.sendall(b"GET /-/paths?limit=1000&prefix=/slow HTTP/1.1\r\n" + HOST + b"\r\n")
        got, began = 0, time.monotonic()
        with contextlib.suppress(OSError):
            while piece := sock.recv(2048):
                got += len(piece)
                time.sleep(0.05 if time.monotonic() - began < 6 else 0)
        assert got > 2048
        answer = get(pair.address, "/-/paths?limit=1000&prefix=/slow")
        assert got < len(answer.body)  # the answer was cut short


def test_endless_heads_are_disconnected(stage):
    """Many connections send endless heads as fast as they can."""
    pair = stage.pair()
    get(pair.address, "/others")
    memory = pair.render.memory_bytes()

    def flood():
        for _ in range(4):
            with connected(pair.address, 20) as socks, contextlib.suppress(OSError):
                for sock in socks:
                    sock.sendall(HEAD)
                for _ in range(1000):
                    for sock in socks:
                        sock.sendall(b"A: " + b"b" * 3000 + b"\r\n")

    floods = [Later(flood) for _ in range(2)]
    assert_others_are_served(pair)
    for one in floods:
        one.result(60)
    # a sanitizer keeps freed memory
    assert pair.render.memory_bytes() - memory < 100 * 1024 * 1024 or SANITIZED


def test_a_flood_of_pipelined_requests_delays_no_other_client(pair):
    """Thousands of requests sent at once are answered one by one, in order."""
    requests = b"".join(b"GET /-/nothing/%d HTTP/1.1\r\n" % n + HOST + b"\r\n" for n in range(20000))
    with Connection(pair.address) as connection:
        connection.sock.settimeout(60)
        sender = Later(connection.sock.sendall, requests)
        first = connection.receive()
        assert first.status == 404
        assert_others_are_served(pair)
        for _ in range(19999):
            assert connection.receive().status == 404
        sender.result(60)


def test_each_pipelined_hit_is_counted_once(pair):
    with Connection(pair.address) as connection:
        connection.sock.sendall((b"GET /pipelined HTTP/1.1\r\n" + HOST
                                 + b"Accept: application/json\r\nPrefer: return=minimal\r\n\r\n") * 50)
        assert [connection.receive().json()["count"] for _ in range(50)] == list(range(1, 51))
    assert pair.ledger.count("/pipelined") == 50


# --- the number of connections

def test_connections_beyond_the_limit_wait(stage):
    pair = stage.pair({**SHORT, "max_connections": 20})
    with connected(pair.address, 25) as socks:
        for sock in socks:
            sock.sendall(HEAD + b"\r\n")
        for sock in socks[:20]:
            assert Stream(sock).message(True).status == 200
        sock = socks[20]
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        for one in socks[:5]:
            one.close()
        for one in socks[20:]:
            one.settimeout(PATIENCE_S)
            assert Stream(one).message(True).status == 200
        assert pair.render.is_ready()  # the admin listener has its own limit


# --- a time limit for every request

def test_every_request_is_answered_within_its_deadline(stage):
    pair = stage.pair({"request_deadline_ms": 500})
    pair.counter.freeze()
    answers = [Later(get, pair.address, target, JSON) for target in ("/a", "/-/paths", "/-/paths/a", "/b")]
    for answer in answers:
        assert answer.result().status == 503 and answer.result().header("retry-after") == "1"
    pair.counter.thaw()


def test_bytes_that_arrive_during_a_request_wait_and_use_no_cpu(stage):
    """The next request and the client's end are readable until the first request is answered. Neither may keep
    the loop busy."""
    pair = stage.pair({"request_deadline_ms": 1500})
    pair.counter.freeze()
    with connected(pair.address, 2) as [pipelining, closing]:
        for sock in (pipelining, closing):
            sock.sendall(HEAD + b"Accept: application/json\r\n\r\n")
        until(lambda: pair.render.metric("pathcount_hits_accepted_total") == 2, "two requests")
        pipelining.sendall(HEAD + b"Accept: application/json\r\n\r\n")
        closing.shutdown(socket.SHUT_WR)
        before = pair.render.cpu_seconds()
        assert Stream(pipelining).message(True).status == 503
        assert pair.render.cpu_seconds() - before < 0.5
        pair.counter.thaw()


# --- overload

def test_a_hit_behind_a_stalled_queue_is_refused_at_once(stage):
    """More than one batch of hits has waited for half of the deadline, so a further hit would time out. It is
    refused at once. The earlier hits keep the rest of their deadline."""
    pair = stage.pair({"request_deadline_ms": 6000, "lanes": 1})
    pair.counter.freeze()
    with connected(pair.address, 1500) as socks:  # a batch has at most 1,024 paths
        for sock in socks:
            sock.sendall(HEAD + b"Accept: application/json\r\n\r\n")
        probes = []

        def refused():
            probes.append(Later(get, pair.address, "/probe", JSON))
            time.sleep(0.1)
            return next((probe.result() for probe in probes if probe.done), None)

        answer = until(refused, "a hit to be refused")
        assert answer.status == 503 and "Too many" in answer.text and answer.header("retry-after") == "1"
        socks[0].settimeout(0.001)
        with pytest.raises(TimeoutError):
            socks[0].recv(1)
        pair.counter.thaw()
