"""Crashes and concurrency: several counters and renderers on one ledger, and an audit afterwards.

    for every path   acknowledged ≤ stored ≤ sent,   equality where everything was answered 200
"""

import time
from types import SimpleNamespace

import pytest

from harness.api import Api
from harness.http import Connection, hit
from harness.load import audit
from harness.proxy import drop, reset
from harness.wait import until

PATHS = [f"/{n}" for n in range(40)] + ["/a b/é", "/%", "/😀"]


@pytest.fixture
def services(stage):
    """Two counter-svc and three render-svc on one ledger, with a proxy before each counter."""
    ledger = stage.ledger()
    counters = [stage.counter(ledger) for _ in range(2)]
    proxies = [stage.proxy(counter) for counter in counters]
    renders = [stage.render(proxies[n % 2], workers=1 + n % 2) for n in range(3)]
    return SimpleNamespace(ledger=ledger, counters=counters, proxies=proxies, renders=renders)


def test_two_counters_and_three_renderers_count_every_hit_once(stage, services):
    load = stage.load(services.renders, PATHS, clients=24)
    load.until_acknowledged(3000)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost
    assert audit(tally, services.ledger.folded()) == sum(tally.acknowledged.values())
    kept, scanned = services.ledger.totals_both_ways()
    assert kept == scanned


def test_hits_of_one_path_get_consecutive_numbers(stage, services):
    load = stage.load(services.renders, ["/one"], clients=24)
    load.until_acknowledged(2000)
    tally = load.stop()
    assert sorted(tally.numbers["/one"]) == list(range(1, services.ledger.count("/one") + 1))


def test_every_client_sees_growing_numbers(services):
    connections = [Connection(render.address) for render in services.renders]
    seen = [connection.ask("GET", "/seen", {"Accept": "application/json", "Prefer": "return=minimal"})
            .json()["count"] for _ in range(30) for connection in connections]
    assert seen == list(range(1, 91))


def test_hits_whose_answers_are_lost_are_counted_once(stage, services):
    load = stage.load(services.renders, PATHS, clients=16)
    for proxy in services.proxies:
        for _ in range(15):
            proxy.next(drop, "POST", "/v1/hits")
            proxy.next(reset, "POST", "/v1/hits")
    load.until_acknowledged(2000)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost
    assert sum(proxy.repeats for proxy in services.proxies) >= 20
    assert audit(tally, services.ledger.folded(), repeats=True) == sum(tally.acknowledged.values())


def test_hits_of_connections_cut_at_any_moment_are_counted_once(stage, services):
    load = stage.load(services.renders, PATHS, clients=16)
    for n in range(20):
        services.proxies[n % 2].cut_all()
        load.until_acknowledged(60)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost
    assert audit(tally, services.ledger.folded(), repeats=True) == sum(tally.acknowledged.values())


def test_a_repeat_at_the_other_counter_is_counted_once(stage, services):
    """Renderers are moved from one counter to the other in the middle of requests."""
    load = stage.load(services.renders, PATHS, clients=16)
    for n in range(20):
        for proxy in services.proxies:
            proxy.target = services.counters[n % 2].address
            proxy.next(drop, "POST", "/v1/hits")
        load.until_acknowledged(50)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost
    assert sum(proxy.repeats for proxy in services.proxies) >= 1
    assert audit(tally, services.ledger.folded(), repeats=True) == sum(tally.acknowledged.values())


@pytest.mark.slow
def test_counter_svc_killed_ten_times_under_load(stage, record_property, capsys):
    ledger = stage.ledger()
    counter = stage.counter(ledger)
    proxy = stage.proxy(counter)
    hasty = {"request_deadline_ms": 100}  # some of its hits are answered 503 and counted
    renders = [stage.render(proxy), stage.render(proxy, **hasty)]
    load = stage.load(renders, PATHS, clients=32)
    for n in range(10):
        load.until_acknowledged(400)
        if n % 2:  # kill after the commit, but before any answer
            counter.freeze()
            until(lambda: not ledger.backends("state <> 'idle'"), "PostgreSQL to finish")
        counter.kill()
        time.sleep(0.05 * (n % 3))  # the length of the outage is part of the test
        counter.restart().until_ready()
    load.until_acknowledged(400)
    tally = load.stop()
    stored = audit(tally, ledger.folded(), repeats=True)
    assert set(tally.statuses) == {200, 503}
    figures = {"acknowledged": sum(tally.acknowledged.values()), "stored": stored,
               "sent": sum(tally.sent.values()), "repeats": proxy.repeats}
    for name, value in figures.items():
        record_property(name, value)
    with capsys.disabled():
        print("\nkill test:", ", ".join(f"{name} {value}" for name, value in figures.items()))
    assert stored - figures["acknowledged"] <= sum(tally.unknown.values())
    assert not tally.lost, "render-svc was never killed"
    assert proxy.repeats > 0, "no batch was repeated, so this run proves nothing"
    kept, scanned = ledger.totals_both_ways()
    assert kept == scanned


@pytest.mark.slow
def test_render_svc_killed_under_load_loses_no_acknowledged_hit(stage, services):
    load = stage.load(services.renders, PATHS, clients=18)
    for n in range(4):
        load.until_acknowledged(200)
        services.renders[n % 3].kill()
        services.renders[n % 3].restart()
    load.until_acknowledged(200)
    tally = load.stop()
    audit(tally, services.ledger.folded(), repeats=True)
    kept, scanned = services.ledger.totals_both_ways()
    assert kept == scanned


@pytest.mark.slow
def test_backends_terminated_under_load_are_replaced(stage, services):
    load = stage.load(services.renders, PATHS, clients=16)
    for _ in range(10):
        load.until_acknowledged(60)
        for pid in services.ledger.backends():
            services.ledger.run("SELECT pg_terminate_backend(%s)", pid)
    load.until_acknowledged(60)
    tally = load.stop()
    assert not tally.lost
    assert audit(tally, services.ledger.folded(), repeats=True) >= sum(tally.acknowledged.values())
    assert set(tally.statuses) == {200}, tally


@pytest.mark.slow
def test_postgresql_killed_under_load_loses_no_acknowledged_hit(stage, services, outage):
    load = stage.load(services.renders, PATHS, clients=16)
    for _ in range(2):
        load.until_acknowledged(200)
        outage.kill()
        outage.start()
    load.until_acknowledged(200)
    tally = load.stop()
    assert not tally.lost
    audit(tally, services.ledger.folded(), repeats=True)
    kept, scanned = services.ledger.totals_both_ways()
    assert kept == scanned


def test_a_frozen_counter_does_not_block_the_other(stage, services):
    load = stage.load(services.renders, PATHS, clients=16)
    load.until_acknowledged(300)
    services.counters[0].freeze()
    for n in range(50):  # on the same paths
        assert hit(services.renders[1].address, PATHS[n % 10]) > 0
    services.counters[0].thaw()
    load.until_acknowledged(300)
    tally = load.stop()
    assert not tally.lost and set(tally.statuses) == {200}
    counts = services.ledger.folded()
    for n in range(50):
        counts[PATHS[n % 10]] -= 1
    assert sum(counts.values()) == sum(tally.acknowledged.values())


def test_a_second_pair_continues_the_counts_of_the_first(stage):
    first = stage.pair()
    assert [hit(first.address, "/a") for _ in range(3)] == [1, 2, 3]
    counter = stage.counter(first.ledger)
    second = stage.render(counter)
    assert hit(second.address, "/a") == 4
    assert hit(first.address, "/a") == 5
    assert Api(counter.address).get_count("/a") == 5
