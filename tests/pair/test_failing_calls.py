"""Failing system calls (tests/faultlib). Each failure is logged. Then the service either ends with status 1 or
recovers; it never crashes."""

import errno
import os
import socket

import pytest

from harness.faultlib import failing
from harness.http import hit
from harness.wait import until


def text_of(number):
    return os.strerror(number)


# --- at the start: the log says why, and the status is 1

STARTING = [
    ("socket", 1, errno.EMFILE), ("socket", 2, errno.ENFILE), ("bind", 1, errno.EADDRINUSE),
    ("bind", 2, errno.EACCES), ("listen", 1, errno.EADDRINUSE), ("eventfd", 1, errno.EMFILE),
    ("eventfd", 2, errno.ENOMEM), ("timerfd_create", 1, errno.EMFILE), ("timerfd_create", 2, errno.ENFILE),
    ("signalfd", 1, errno.ENFILE), ("pthread_create", 1, errno.EAGAIN)]


@pytest.mark.parametrize("name", ["counter-svc", "render-svc"])
@pytest.mark.parametrize("function, nth, number", STARTING)
def test_a_failure_at_the_start_is_logged_and_ends_the_program(stage, name, function, nth, number):
    url = "postgres_url" if name == "counter-svc" else "counter_url"
    service = stage.service(name, {url: "127.0.0.1:1"}, env=failing((function, nth, nth, number)), start=False)
    service.launch()
    assert service.ended() == 1
    service.expect_status(1)
    said, = service.events("not-started")
    assert text_of(number) in said["error"]
    assert said["level"] == "error"


def test_a_counter_without_randomness_logs_it_and_ends(stage):
    counter = stage.service("counter-svc", stage.ledger().keys, start=False,
                            env=failing(("RAND_status", 1, 1, errno.ENOMEM)))
    counter.launch()
    assert counter.ended() == 1
    counter.expect_status(1)
    assert counter.events("no-randomness")[0]["level"] == "error"


# --- later: the failure is logged, and the service recovers


def test_accepting_pauses_without_free_descriptors(stage):
    ledger = stage.ledger()
    counter = stage.counter(ledger)
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=failing(("accept4", 1, 3, errno.EMFILE)))
    with socket.create_connection(render.address):
        until(lambda: render.events("accept-paused"), "the pause to be logged")
    assert text_of(errno.EMFILE) in render.events("accept-paused")[0]["error"]
    render.until_ready()
    assert hit(render.address, "/a") == 1


def test_a_renderer_recovers_from_failed_socket_calls(stage):
    counter = stage.counter(stage.ledger())
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=failing(("socket", 3, 6, errno.EMFILE)))
    render.until_ready()
    assert hit(render.address, "/a") == 1


def test_a_renderer_recovers_from_failed_connect_calls(stage):
    counter = stage.counter(stage.ledger())
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=failing(("connect", 1, 4, errno.ENETUNREACH)))
    render.until_ready()
    assert hit(render.address, "/a") == 1


def test_a_counter_recovers_from_failed_socket_calls(stage):
    ledger = stage.ledger()
    counter = stage.service("counter-svc", ledger.keys, env=failing(("socket", 3, 6, errno.EMFILE)))
    counter.until_ready()


def test_a_renderer_that_cannot_look_up_a_name_is_not_ready_until_it_can(stage):
    counter = stage.counter(stage.ledger())
    render = stage.service("render-svc", {
        "counter_url": "http://localhost:%d" % counter.address[1], "resolve_ms": 100,
        "log_level": "debug"}, env=failing(("getaddrinfo", 1, 3, socket.EAI_AGAIN)))
    until(lambda: render.events("look-up-failed"), "the failure to be logged")
    render.until_ready()
    assert hit(render.address, "/a") == 1


def test_an_interrupted_read_of_randomness_is_repeated(stage):
    counter = stage.counter(stage.ledger())
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=failing(("getrandom", 1, 3, errno.EINTR)))
    render.until_ready()
    assert hit(render.address, "/a") == 1
