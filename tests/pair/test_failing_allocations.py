"""Memory that is refused (tests/faultlib). Where libh2o has no answer to that it ends the process, and so
may another library: what must hold is that it ends then, and that every hit is counted as ever."""

import errno

import pytest

from harness.faultlib import failing
from harness.load import audit
from harness.wait import PATIENCE_S, until

# Long enough for a library to need more memory in the middle of one.
PATHS = [f"/{n}/" + "long/" * n * 9 for n in range(20)]

# Every so many of them fails, beyond those that it takes to start and to connect.
RUNNING = {"counter-svc": 20_000, "render-svc": 4000}
STEPS = (997, 2503, 6007)

KEYS = {"counter-svc": {"postgres_url": "127.0.0.1:1", "postgres_user": "u", "postgres_pw": "s3cret-pw",
                        "postgres_db": "d"},
        "render-svc": {"counter_url": "http://127.0.0.1:1"}}


@pytest.mark.parametrize("first", range(1, 3600, 150))
@pytest.mark.parametrize("name", KEYS)
def test_one_that_starts_without_memory_runs_or_ends(stage, name, first):
    service = stage.service(name, KEYS[name], start=False,
                            env=failing(("malloc", first, first + 20, errno.ENOMEM)))
    service.launch()
    until(lambda: not service.is_running or len(service.events("listening")) == 2,
          "it to listen, or to end")
    if not service.is_running:
        assert service.ended() != 0
        service.kill()  # its last words are another library's


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", KEYS)
def test_hits_are_counted_once_though_memory_is_refused_now_and_then(stage, name, step):
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
    until(enough, "somebody to notice, and hits to be acknowledged", 3 * PATIENCE_S)
    tally = load.stop()
    unwell.stop()
    unwell.env = {}
    unwell.restart().until_ready()
    audit(tally, ledger.counts(), repeats=True)
    kept, scanned = ledger.totals_both_ways()
    assert kept == scanned
