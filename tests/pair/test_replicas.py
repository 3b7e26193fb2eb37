"""Several counter-svc under one name: every renderer uses the lowest address that works, moves on when
it fails without a failed request, and returns to it. tests/unit/test_replicas*.c have the rules one by one,
with a clock of its own; here they hold for real processes under load."""

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

HOSTS = ("127.0.0.2", "127.0.0.10", "127.0.0.100")  # their order as text is another one
PATHS = [f"/{n}" for n in range(20)]
RETURN_S = 40  # 9 s on an idle machine
PROBES_OF_A_RETURN = 10  # as many as a worker makes before it returns, and more

# No call and no request fails because the machine is busy; a frozen counter-svc is given up earlier.
# The address in use is probed by itself when it was silent for as long as the name is good: not here.
KEYS = {"workers": 2, "resolve_ms": 60000, "call_deadline_ms": 10000, "request_deadline_ms": 40000}
HASTY = {"call_deadline_ms": 1500}
CURIOUS = {"resolve_ms": 100}


def number(service, name, **labels):
    """The sum of a service's samples of this name that have these labels."""
    text = get(service.admin, "/metrics").text
    return sum(int(value) for found, value in re.findall(rf"^{name}(\S*) (\d+)$", text, re.MULTILINE)
               if all(f'{label}="{wanted}"' in found for label, wanted in labels.items()))


def batches(counter):
    """How many batches a counter-svc has answered."""
    return number(counter, "pathcount_http_requests_total", route="hits")


def committed(render):
    """How many of a renderer's hits are counted."""
    return number(render, "pathcount_hits_committed_total")


def moves(render, reason):
    return number(render, "pathcount_upstream_moves_total", reason=reason)


class House:
    """counter-svc on one ledger, at one port of several addresses, and two renderers that find them by a
    name, of which each is given the addresses in another order."""

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
        """Lets the name have these addresses and no others."""
        self.names[0].set(*hosts)
        self.names[1].set(*reversed(hosts))

    def start_renders(self, **keys):
        self.renders = [self.stage.render((name.name, self.port), env=name.env, **{**KEYS, **keys})
                        for name in self.names]

    def start_load(self):
        self.load = self.stage.load(self.renders, PATHS, clients=8, timeout=60)
        self.load.until_acknowledged(100)

    def until_all_count_at(self, counter, frozen=None):
        """Waits until it alone is sent batches; one that is frozen answers none in any case."""
        others = [other for other in self.counters
                  if other not in (counter, frozen) and other.is_running]

        def it_alone():
            before = [batches(other) for other in others]
            for render in self.renders:
                goal = committed(render) + 20
                until(lambda r=render, g=goal: committed(r) >= g, "hits to be committed", RETURN_S)
            return [batches(other) for other in others] == before

        until(it_alone, "everybody to count at one counter-svc", RETURN_S)

    def end(self):
        """Ends the load: every request was answered with a page, and every hit counted once."""
        tally = self.load.stop()
        assert set(tally.statuses) == {200} and not tally.lost and not tally.refused, tally
        assert audit(tally, self.ledger.counts(), repeats=True) == sum(tally.sent.values())


@pytest.fixture
def house(stage):
    return House(stage)


def test_every_worker_uses_the_lowest_address_in_any_order(house):
    house.begin(*HOSTS).start_load()
    house.load.until_acknowledged(200)
    assert [batches(counter) > 0 for counter in house.counters] == [True, False, False]
    for render in house.renders:
        assert number(render, "pathcount_upstream_rank") == 1
        assert number(render, "pathcount_upstream_replicas") == 3
        assert number(render, "pathcount_upstream_moves_total") == 0
    house.end()


def test_a_counter_that_is_killed_fails_no_request_and_is_returned_to(house):
    first, second, _ = house.begin(*HOSTS).counters
    house.start_load()
    first.kill()
    house.until_all_count_at(second)
    first.restart()
    house.until_all_count_at(first)
    house.end()
    for render in house.renders:
        until(lambda r=render: number(r, "pathcount_upstream_rank") == 1, "every worker to be back")
        changes = [(line["from"], line["to"]) for line in render.events("counter-changed")]
        here, there = ("%s:%d" % counter.address for counter in (first, second))
        assert {(here, there), (there, here)} <= set(changes)
        assert moves(render, "failed") > 0 and moves(render, "returned") > 0
        assert not render.events("counter-lost")  # another one answered all the time


def test_a_counter_that_is_stopped_fails_no_request(house):
    first, second = house.begin(*HOSTS[:2], **HASTY).counters
    house.start_load()
    first.freeze()
    house.until_all_count_at(second, frozen=first)
    first.thaw()
    house.load.until_acknowledged(100)
    house.end()


def test_a_frozen_counter_fails_no_read_even_without_hits(house):
    first, _ = house.begin(*HOSTS[:2], **HASTY).counters
    first.freeze()
    assert [get(render.address, "/-/paths").status for render in house.renders] == [200, 200]
    first.thaw()


def test_counters_that_refuse_everything_are_passed_over(house):
    """One has no PostgreSQL, one has another token."""
    house.counters = [house.counter(HOSTS[0], ready=False, postgres_url="127.0.0.1:1"),
                      house.counter(HOSTS[1], counter_token="another-" + TOKEN),
                      house.counter(HOSTS[2])]
    house.list(*HOSTS)
    house.start_renders()
    house.start_load()
    house.until_all_count_at(house.counters[2])
    workers = KEYS["workers"] * len(house.renders)
    for refusing, status in zip(house.counters, (503, 401)):
        until(lambda c=refusing, s=status: number(c, "pathcount_http_requests_total", status=s)
              >= PROBES_OF_A_RETURN * workers, f"probes that are answered {status}", RETURN_S)
    assert [moves(render, "returned") for render in house.renders] == [0, 0]
    house.end()


def test_counters_come_and_go_without_a_failed_request(house):
    """One, then three, then one: a counter-svc that is to go leaves the name before it ends."""
    middle, = house.begin(HOSTS[1], **CURIOUS).counters
    house.start_load()
    low, high = (house.counter(host, drain_ms=500) for host in (HOSTS[0], HOSTS[2]))
    house.counters += [low, high]
    house.list(*HOSTS)
    house.until_all_count_at(low)
    house.list(HOSTS[2])
    for counter in (low, middle):
        counter.signal(signal.SIGTERM)
    assert [counter.ended() for counter in (low, middle)] == [0, 0]
    house.until_all_count_at(high)
    house.end()
    for render in house.renders:
        until(lambda r=render: moves(r, "removed") + moves(r, "failed") >= KEYS["workers"],
              "every worker to have left what is gone")


def test_failed_reads_do_not_change_the_replica_of_hits(house):
    proxy = house.stage.proxy(house.stage.counter(house.ledger), host=HOSTS[0], port=house.port)
    house.counters = [house.counter(HOSTS[1])]
    house.list(*HOSTS[:2])
    house.start_renders(**HASTY)
    proxy.next(answering(503), "GET", "/v1/paths", times=3)
    proxy.next(lose, "GET", "/v1/paths")
    assert get(house.renders[0].address, "/-/paths").status == 200
    assert len(proxy.requests("GET", "/v1/paths")) == 5
    assert hit(house.renders[0].address, "/a") == 1
    assert moves(house.renders[0], "failed") == 0


def test_counters_are_lost_when_none_of_them_answers(house):
    house.begin(*HOSTS, **CURIOUS)
    for counter in house.counters:
        assert all(not render.events("counter-lost") for render in house.renders)
        counter.kill()
    for render in house.renders:
        until(lambda r=render: not r.is_ready(), "render-svc not to be ready")
        until(lambda r=render: r.events("counter-lost"), "that to be logged")
    house.counters[2].restart()
    for render in house.renders:
        render.until_ready()
        assert hit(render.address, "/a") > 0
