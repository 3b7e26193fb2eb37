"""System calls that fail (tests/faultlib): each ends in a line of the log that says so, and then in
status 1, or in a service that gets over it; never in a crash."""

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


def test_a_counter_without_randomness_says_so_and_ends(stage):
    counter = stage.service("counter-svc", stage.ledger().keys, start=False,
                            env=failing(("RAND_status", 1, 1, errno.ENOMEM)))
    counter.launch()
    assert counter.ended() == 1
    counter.expect_status(1)
    assert counter.events("no-randomness")[0]["level"] == "error"


# --- while it runs: it is said, and gone when it is over


def test_accepting_pauses_while_there_are_no_descriptors(stage):
    ledger = stage.ledger()
    counter = stage.counter(ledger)
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=failing(("accept4", 1, 3, errno.EMFILE)))
    with socket.create_connection(render.address):
        until(lambda: render.events("accept-paused"), "the pause to be told")
    assert text_of(errno.EMFILE) in render.events("accept-paused")[0]["error"]
    render.until_ready()
    assert hit(render.address, "/a") == 1


def test_a_renderer_gets_over_sockets_that_cannot_be_made(stage):
    counter = stage.counter(stage.ledger())
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=failing(("socket", 3, 6, errno.EMFILE)))
    render.until_ready()
    assert hit(render.address, "/a") == 1


def test_a_renderer_gets_over_connections_that_are_refused_at_once(stage):
    counter = stage.counter(stage.ledger())
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=failing(("connect", 1, 4, errno.ENETUNREACH)))
    render.until_ready()
    assert hit(render.address, "/a") == 1


def test_a_counter_gets_over_sockets_that_cannot_be_made(stage):
    ledger = stage.ledger()
    counter = stage.service("counter-svc", ledger.keys, env=failing(("socket", 3, 6, errno.EMFILE)))
    counter.until_ready()


def test_a_renderer_that_cannot_look_up_a_name_is_not_ready_until_it_can(stage):
    counter = stage.counter(stage.ledger())
    render = stage.service("render-svc", {
        "counter_url": "http://localhost:%d" % counter.address[1], "resolve_ms": 100,
        "log_level": "debug"}, env=failing(("getaddrinfo", 1, 3, socket.EAI_AGAIN)))
    until(lambda: render.events("look-up-failed"), "the failure to be told")
    render.until_ready()
    assert hit(render.address, "/a") == 1


def test_randomness_that_does_not_come_at_once_is_asked_for_again(stage):
    counter = stage.counter(stage.ledger())
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=failing(("getrandom", 1, 3, errno.EINTR)))
    render.until_ready()
    assert hit(render.address, "/a") == 1
