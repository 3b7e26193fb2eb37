"""Failing allocations (tests/faultlib). libh2o and other libraries may end the process if an allocation fails.
The tests check that it ends cleanly or continues, and that every hit is counted as usual."""

import errno

import pytest

from harness.faultlib import failing
from harness.load import audit
from harness.wait import PATIENCE_S, until

# Long enough that a library needs more memory in the middle of a request.
PATHS = [f"/{n}/" + "long/" * n * 9 for n in range(20)]

# The first allocation that fails, after those of the start and of the first connections.
RUNNING = {"counter-svc": 20_000, "render-svc": 4000}
# From then on one in so many allocations fails.
STEPS = (997, 2503, 6007)

KEYS = {"counter-svc": {"postgres_url": "127.0.0.1:1", "postgres_user": "u", "postgres_pw": "s3cret-pw",
                        "postgres_db": "d"},
        "render-svc": {"counter_url": "http://127.0.0.1:1"}}


@pytest.mark.parametrize("first", range(1, 3600, 150))
@pytest.mark.parametrize("name", KEYS)
def test_a_service_that_starts_without_memory_runs_or_ends(stage, name, first):
    service = stage.service(name, KEYS[name], start=False,
                            env=failing(("malloc", first, first + 20, errno.ENOMEM)))
    service.launch()
    until(lambda: not service.is_running or len(service.events("listening")) == 2,
          "it to listen, or to end")
    if not service.is_running:
        assert service.ended() != 0
        service.kill()  # the last line may be a library's


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", KEYS)
def test_hits_are_counted_once_while_some_allocations_fail(stage, name, step):
    ledger = stage.ledger()
    env = {name: failing(("malloc", RUNNING[name], 10**9, errno.ENOMEM, step))}
    counter = stage.service("counter-svc", ledger.keys, env=env.get("counter-svc"))
    render = stage.service("render-svc", {"counter_url": "http://%s:%d" % counter.address},
                           env=env.get("render-svc"))
    unwell = counter if name == "counter-svc" else render
    load = stage.load([render], PATHS, clients=8)

    def enough():
        if not unwell.is_running:
            unwell.restart()
        noticed = unwell.starts > 1 or load.tally.statuses[503]
        return noticed and sum(load.tally.acknowledged.values()) >= 300
    until(enough, "a failed allocation to have an effect, and hits to be acknowledged", 3 * PATIENCE_S)
    tally = load.stop()
    unwell.stop()
    unwell.env = {}
    unwell.restart().until_ready()
    audit(tally, ledger.counts(), repeats=True)
    kept, scanned = ledger.totals_both_ways()
    assert kept == scanned
