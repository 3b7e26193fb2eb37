"""Several counter-svc behind one name. Every renderer uses the lowest address that works, moves on without a
failed request when it fails, and returns to it. tests/unit/test_replicas*.c test the single rules with its own
clock; this module tests real processes under load."""

import re
import signal

import pytest

from harness.faultlib import Name
from harness.http import get, hit
from harness.load import audit
from harness.ports import free_port
from harness.proxy import answering, lose
from harness.services import TOKEN
from harness.wait import until

HOSTS = ("127.0.0.2", "127.0.0.10", "127.0.0.100")  # in this numeric order, which differs from their order as text
PATHS = [f"/{n}" for n in range(20)]
RETURN_S = 40  # 9 s on an idle machine
PROBES_OF_A_RETURN = 10  # more than a worker sends before it returns to the lowest address

# Deadlines that a busy machine does not miss; a frozen counter-svc is given up earlier.
# Longer than the tests, because an idle address in use is probed when its name expires.
KEYS = {"workers": 2, "resolve_ms": 60000, "call_deadline_ms": 10000, "request_deadline_ms": 40000}
HASTY = {"call_deadline_ms": 1500}
CURIOUS = {"resolve_ms": 100}


def number(service, name, **labels):
    """The sum of a service's samples of this metric with these labels."""
    text = get(service.admin, "/metrics").text
    return sum(int(value) for found, value in re.findall(rf"^{name}(\S*) (\d+)$", text, re.MULTILINE)
               if all(f'{label}="{wanted}"' in found for label, wanted in labels.items()))


def batches(counter):
    """The number of batches that a counter-svc has answered."""
    return number(counter, "pathcount_http_requests_total", route="hits")


def committed(render):
    """The number of a renderer's hits that are counted."""
    return number(render, "pathcount_hits_committed_total")


def moves(render, reason):
    return number(render, "pathcount_upstream_moves_total", reason=reason)


class Replicas:
    """counter-svc on one ledger, at one port of several addresses, and two renderers that find them by a name.
    Each renderer gets the addresses in another order."""

    def __init__(self, stage):
        self.stage = stage
        self.ledger = stage.ledger()
        self.port = free_port(HOSTS)
        self.names = [Name(stage.folder) for _ in range(2)]
        self.counters, self.renders, self.load = [], [], None

    def begin(self, *hosts, **keys):
        """Starts a counter-svc at each address, and the renderers."""
        self.counters += [self.counter(host) for host in hosts]
        self.list(*hosts)
        self.start_renders(**keys)
        return self

    def counter(self, host, ready=True, **keys):
        return self.stage.counter(self.ledger, ready, listen=f"{host}:{self.port}", **keys)

    def list(self, *hosts):
        """Gives the name exactly these addresses."""
        self.names[0].set(*hosts)
        self.names[1].set(*reversed(hosts))

    def start_renders(self, **keys):
        self.renders = [self.stage.render((name.name, self.port), env=name.env, **{**KEYS, **keys})
                        for name in self.names]

    def start_load(self):
        self.load = self.stage.load(self.renders, PATHS, clients=8, timeout=60)
        self.load.until_acknowledged(100)

    def until_all_count_at(self, counter, frozen=None):
        """Waits until only this counter gets batches. A frozen one answers none in any case."""
        others = [other for other in self.counters
                  if other not in (counter, frozen) and other.is_running]

        def it_alone():
            before = [batches(other) for other in others]
            for render in self.renders:
                goal = committed(render) + 20
                until(lambda r=render, g=goal: committed(r) >= g, "hits to be committed", RETURN_S)
            return [batches(other) for other in others] == before

        until(it_alone, "every renderer to use one counter-svc", RETURN_S)

    def end(self):
        """Ends the load. Checks that every request was answered with a page, and every hit counted once."""
        tally = self.load.stop()
        assert set(tally.statuses) == {200} and not tally.lost and not tally.refused, tally
        assert audit(tally, self.ledger.counts(), repeats=True) == sum(tally.sent.values())


@pytest.fixture
def replicas(stage):
    return Replicas(stage)


def test_every_worker_uses_the_lowest_address_in_any_order(replicas):
    replicas.begin(*HOSTS).start_load()
    replicas.load.until_acknowledged(200)
    assert [batches(counter) > 0 for counter in replicas.counters] == [True, False, False]
    for render in replicas.renders:
        assert number(render, "pathcount_upstream_rank") == 1
        assert number(render, "pathcount_upstream_replicas") == 3
        assert number(render, "pathcount_upstream_moves_total") == 0
    replicas.end()


def test_a_counter_that_is_killed_fails_no_request_and_is_returned_to(replicas):
    first, second, _ = replicas.begin(*HOSTS).counters
    replicas.start_load()
    first.kill()
    replicas.until_all_count_at(second)
    first.restart()
    replicas.until_all_count_at(first)
    replicas.end()
    for render in replicas.renders:
        until(lambda r=render: number(r, "pathcount_upstream_rank") == 1, "every worker to be back")
        changes = [(line["from"], line["to"]) for line in render.events("counter-changed")]
        here, there = ("%s:%d" % counter.address for counter in (first, second))
        assert {(here, there), (there, here)} <= set(changes)
        assert moves(render, "failed") > 0 and moves(render, "returned") > 0
        assert not render.events("counter-lost")  # another counter answered all the time


def test_a_counter_that_is_stopped_fails_no_request(replicas):
    first, second = replicas.begin(*HOSTS[:2], **HASTY).counters
    replicas.start_load()
    first.freeze()
    replicas.until_all_count_at(second, frozen=first)
    first.thaw()
    replicas.load.until_acknowledged(100)
    replicas.end()


def test_a_frozen_counter_fails_no_read_even_without_hits(replicas):
    first, _ = replicas.begin(*HOSTS[:2], **HASTY).counters
    first.freeze()
    assert [get(render.address, "/-/paths").status for render in replicas.renders] == [200, 200]
    first.thaw()


def test_counters_that_refuse_everything_are_skipped(replicas):
    """One has no PostgreSQL, one has another token."""
    replicas.counters = [replicas.counter(HOSTS[0], ready=False, postgres_url="127.0.0.1:1"),
                      replicas.counter(HOSTS[1], counter_token="another-" + TOKEN),
                      replicas.counter(HOSTS[2])]
    replicas.list(*HOSTS)
    replicas.start_renders()
    replicas.start_load()
    replicas.until_all_count_at(replicas.counters[2])
    workers = KEYS["workers"] * len(replicas.renders)
    for refusing, status in zip(replicas.counters, (503, 401)):
        until(lambda c=refusing, s=status: number(c, "pathcount_http_requests_total", status=s)
              >= PROBES_OF_A_RETURN * workers, f"probes that are answered {status}", RETURN_S)
    assert [moves(render, "returned") for render in replicas.renders] == [0, 0]
    replicas.end()


def test_counters_come_and_go_without_a_failed_request(replicas):
    """One counter, then three, then one. A counter-svc is removed from the name before it is stopped."""
    middle, = replicas.begin(HOSTS[1], **CURIOUS).counters
    replicas.start_load()
    low, high = (replicas.counter(host, drain_ms=500) for host in (HOSTS[0], HOSTS[2]))
    replicas.counters += [low, high]
    replicas.list(*HOSTS)
    replicas.until_all_count_at(low)
    replicas.list(HOSTS[2])
    for counter in (low, middle):
        counter.signal(signal.SIGTERM)
    assert [counter.ended() for counter in (low, middle)] == [0, 0]
    replicas.until_all_count_at(high)
    replicas.end()
    for render in replicas.renders:
        until(lambda r=render: moves(r, "removed") + moves(r, "failed") >= KEYS["workers"],
              "every worker to leave the removed counters")


def test_failed_reads_do_not_change_the_replica_of_hits(replicas):
    proxy = replicas.stage.proxy(replicas.stage.counter(replicas.ledger), host=HOSTS[0], port=replicas.port)
    replicas.counters = [replicas.counter(HOSTS[1])]
    replicas.list(*HOSTS[:2])
    replicas.start_renders(**HASTY)
    proxy.next(answering(503), "GET", "/v1/paths", times=3)
    proxy.next(lose, "GET", "/v1/paths")
    assert get(replicas.renders[0].address, "/-/paths").status == 200
    assert len(proxy.requests("GET", "/v1/paths")) == 5
    assert hit(replicas.renders[0].address, "/a") == 1
    assert moves(replicas.renders[0], "failed") == 0


def test_counter_lost_is_logged_when_no_counter_answers(replicas):
    replicas.begin(*HOSTS, **CURIOUS)
    for counter in replicas.counters:
        assert all(not render.events("counter-lost") for render in replicas.renders)
        counter.kill()
    for render in replicas.renders:
        until(lambda r=render: not r.is_ready(), "render-svc not to be ready")
        until(lambda r=render: r.events("counter-lost"), "that to be logged")
    replicas.counters[2].restart()
    for render in replicas.renders:
        render.until_ready()
        assert hit(render.address, "/a") > 0
