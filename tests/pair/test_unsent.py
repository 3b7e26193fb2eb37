"""Clients that request long answers and do not read them. All their answers together are limited by
max_unsent_bytes, long before the deadline of any single one."""

import contextlib
import socket
from urllib.parse import quote

import pytest

from harness.api import BEARER
from harness.face import Watcher, rows_of
from harness.http import Connection, connected, get, hit, read_to_end
from harness.services import SANITIZED
from harness.wait import until

MIB = 1024 * 1024
UNSENT = "pathcount_unsent_bytes"

# Paths of the maximum length, of the characters that take the most bytes on a page.
PATHS = [f"/{n:03}/" + '"' * 2043 for n in range(1000)]
TARGETS = {"render-svc": "/-/paths?limit=1000", "counter-svc": "/v1/paths?limit=1000"}


@pytest.fixture(scope="module")
def counter(module_stage):
    """A counter-svc whose ledger has rows of the maximum length."""
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger)
    counter.keys = ledger.keys
    counter.api.count_all(dict.fromkeys(PATHS, 1))
    ledger.until_folded()
    return counter


def service(stage, counter, name, **keys):
    """A service that sends the rows of that ledger."""
    if name == "counter-svc":
        return stage.service(name, {**counter.keys, **keys}).until_ready()
    return stage.render(counter, **keys)


def ask(service, target=None):
    return get(service.address, target or TARGETS[service.name], BEARER)


@contextlib.contextmanager
def unread(service, target, count):
    """This number of connections that have sent a request, have got the first bytes of the answer and read no
    more."""
    request = f"GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: {BEARER['Authorization']}\r\n\r\n"
    with connected(service.address, count, receive_bytes=4096) as socks:
        for sock in socks:
            sock.sendall(request.encode())
        for sock in socks:
            sock.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL)
        yield socks


def status_of(sock):
    return int(sock.recv(12, socket.MSG_PEEK)[9:])


def is_cut(sock):
    """Whether the connection ends with a reset. A kept one does not."""
    try:
        return read_to_end(sock)[1] == "reset"
    except TimeoutError:
        return False


@pytest.mark.parametrize("name", TARGETS)
def test_unread_answers_are_limited_and_then_freed(stage, counter, name):
    size = len(ask(service(stage, counter, name)).body)
    limited = service(stage, counter, name, max_unsent_bytes=max(5 * size // 2, MIB))
    with unread(limited, TARGETS[name], 20) as socks:
        # one answer takes up to half of the limit; another one would exceed half of the rest
        statuses = [status_of(sock) for sock in socks]
        assert set(statuses) == {200, 503}
        until(lambda: ask(limited).status == 200, "the clients that do not read to be disconnected")
        assert limited.events("answers-cut")
        assert all(is_cut(sock) for sock, status in zip(socks, statuses) if status == 200)
    until(lambda: limited.metric(UNSENT) == 0, "unsent bytes to be freed")


@pytest.mark.parametrize("name", TARGETS)
def test_short_answers_are_sent_when_there_is_no_room_for_long_ones(stage, counter, name):
    short = {"render-svc": "/-/paths?limit=1", "counter-svc": "/v1/paths?limit=1"}[name]
    limited = service(stage, counter, name, max_unsent_bytes=MIB)
    with unread(limited, short.replace("limit=1", "limit=1000"), 20):
        for _ in range(20):
            assert ask(limited, short).status == 200


@pytest.mark.parametrize("media_type", ["text/html", "application/json"])
def test_a_refusal_has_the_reason_and_retry_after(stage, counter, media_type):
    limited = service(stage, counter, "render-svc", max_unsent_bytes=MIB)
    answer = get(limited.address, TARGETS["render-svc"], {"Accept": media_type})
    assert answer.status == 503 and answer.header("retry-after") == "1" and "slow" in answer.text
    assert answer.media_type == media_type.replace("json", "problem+json")


def test_clients_that_read_are_not_disconnected(stage, counter):
    """Even with little room, a client that reads its answer within a second gets all of it."""
    limited = service(stage, counter, "render-svc", max_unsent_bytes=10 * MIB)
    whole = len(ask(limited).body)
    with unread(limited, TARGETS["render-svc"], 10):
        for _ in range(10):
            answer = ask(limited)
            assert answer.status == 503 or len(answer.body) == whole
        until(lambda: len(ask(limited).body) == whole, "room after the others were disconnected")


def test_rows_sent_to_many_clients_are_accounted_once(stage, counter):
    """Pages of simultaneous visitors share their rows. Without sharing they would exceed the limit."""
    limited = service(stage, counter, "render-svc", max_unsent_bytes=32 * MIB)
    visits = [Connection(limited.address) for _ in range(60)]
    for visit in visits:
        visit.send("GET", "/together", {"Accept": "text/html"})
    answers = [visit.receive() for visit in visits]
    for visit in visits:
        visit.close()
    assert {answer.status for answer in answers} == {200}
    assert sum(len(answer.body) for answer in answers) > 100 * MIB
    until(lambda: limited.metric(UNSENT) == 0, "unsent bytes to be freed")


def test_memory_is_bounded_when_many_clients_do_not_read(stage, counter):
    limited = service(stage, counter, "render-svc", max_unsent_bytes=16 * MIB)
    ask(limited)
    before = limited.memory_bytes()
    with unread(limited, TARGETS["render-svc"], 100):
        # the unsent bytes, the page that is being made, and memory that the allocator keeps
        assert limited.memory_bytes() - before < 48 * MIB or SANITIZED


def test_subscribers_that_do_not_read_are_disconnected_when_memory_is_short(stage, counter):
    """The rows of two views exceed half of the limit."""
    limited = service(stage, counter, "render-svc", max_unsent_bytes=MIB)
    with Watcher(limited.address, "?limit=1000") as reading:
        reading.next()
        with unread(limited, "/-/live?limit=999", 10) as socks:
            until(lambda: limited.metric("pathcount_watchers") == 1, "the clients that do not read to be disconnected")
            assert limited.events("watchers-cut") and all(map(is_cut, socks))
        count = hit(limited.address, quote(PATHS[0]))
        reading.until(lambda data: (PATHS[0], count) in rows_of(data))
