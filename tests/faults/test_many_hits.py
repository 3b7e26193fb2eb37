"""Many hits without a fault: memory does not grow, and the ledger has every hit once. A million with
FAULTS=long."""

import array
import os
import pathlib
import subprocess

import pytest
from harness.postgres import Cluster
from harness.services import BUILD_DIR
from harness.stage import Stage
from harness.wait import until

CLIENT = pathlib.Path(BUILD_DIR, "release", "obj", "tests", "bench", "client")
HITS = 1_000_000 if os.environ.get("FAULTS") == "long" else 60_000
PATHS = 1000
ROUND_S = 5
WARM = 0.2  # the share of the hits after which buffers and pools have their final size
ALLOWANCE_KB = 1024


@pytest.fixture
def stage(tmp_path):
    cluster = Cluster()
    stage = Stage(cluster, tmp_path)
    yield stage
    stage.close()
    cluster.remove()


def resident_kb(service):
    status = pathlib.Path(f"/proc/{service.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


def load(address, folder, number):
    """One round; path → hits sent and acknowledged."""
    counts = folder / f"counts-{number}"
    subprocess.run(["setpriv", "--pdeathsig", "KILL", CLIENT, "--connections=64",
                    f"--seconds={ROUND_S}", f"--paths={PATHS}", f"--seed={number}",
                    f"--counts={counts}", str(address[1])], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120)
    both = array.array("I", counts.read_bytes())
    return both[:PATHS], both[PATHS:]


def test_many_hits_are_counted_once_and_memory_does_not_grow(stage, tmp_path, capsys):
    ledger = stage.ledger()
    counter = stage.counter(ledger)
    render = stage.render(counter)
    services = (counter, render)
    sent, acknowledged = [0] * PATHS, [0] * PATHS
    warm, number = None, 0
    while sum(acknowledged) < HITS:
        number += 1
        for total, some in zip((sent, acknowledged), load(render.address, tmp_path, number)):
            total[:] = map(sum, zip(total, some))
        assert number < 1000 and sum(acknowledged) > 0
        if warm is None and sum(acknowledged) >= WARM * HITS:
            warm = [resident_kb(service) for service in services]
    stored = ledger.counts()
    for path in range(PATHS):
        assert acknowledged[path] <= stored.get(f"/bench/{path:07}", 0) <= sent[path]

    def is_back():
        now = [resident_kb(service) for service in services]
        assert all(size <= before + ALLOWANCE_KB for size, before in zip(now, warm)), (warm, now)
        return now
    now = until(is_back, "memory to be freed")
    with capsys.disabled():
        print(f"\n{sum(acknowledged)} hits, kB of counter-svc and render-svc: {warm}, then {now}")
