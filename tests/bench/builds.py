"""The cost of a change: this build next to another one.

    PYTHONPATH=tests /usr/bin/python3 tests/bench/builds.py FOLDER [ROUNDS [HEADER...]]

FOLDER has the other counter-svc and render-svc, for example build/ of a worktree without the change. Each
request has the headers, for example "Connection: close". Prints pages per second and the CPU per page of each
service at 64 and 512 connections: the other build's figure, and the ratio of this build's to it (median of the
rounds, first and third quartile). Every hit is audited.
"""

import contextlib
import os
import statistics
import sys

os.environ.pop("BUILD_DIR", None)  # the release build is measured
sys.dont_write_bytecode = True

import loads
import table
from harness.services import BUILD_DIR
from subjects import Pair, workplace

PATHS, SECONDS, ROUNDS = 1000, 1, 30
CONNECTIONS = (64, 512)
WHAT = ("pages/s", "render-svc, µs", "counter-svc, µs")


def measure(pair, connections, seed, headers):
    """Pages per second, and microseconds of each service's CPU per page."""
    before = pair.cpu()
    done = loads.wrk(pair.port, loads.Target(PATHS, headers=headers), connections, SECONDS, seed)
    used = [pair.cpu()[name] - before[name] for name in ("render-svc", "counter-svc")]
    pair.table.settle_and_audit(done)
    return (done.rate, *(seconds / done.acknowledged * 1e6 for seconds in used))


def main():
    other, rounds, headers = sys.argv[1], int((sys.argv[2:] or [ROUNDS])[0]), tuple(sys.argv[3:])
    figures = {}  # (connections, whether it is this build) → figures of each round
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        pairs = {ours: Pair(stack, cluster, folder, PATHS, build_dir=place)
                 for ours, place in ((True, BUILD_DIR), (False, os.path.abspath(other)))}
        for number in range(rounds):
            for connections in CONNECTIONS:
                for ours in (number % 2 == 0, number % 2 == 1):
                    figures.setdefault((connections, ours), []).append(
                        measure(pairs[ours], connections, number, headers))
    rows = [["connections", *WHAT]]
    for connections in CONNECTIONS:
        theirs, ours = (list(zip(*figures[connections, which])) for which in (False, True))
        row = [str(connections)]
        for one, another in zip(ours, theirs):
            ratios = [mine / its for mine, its in zip(one, another)]
            row.append(f"{statistics.median(another):,.4g}, " + table.with_range(
                statistics.median(ratios), table.quartiles(ratios), " ×"))
        rows.append(row)
    print("\n".join(table.markdown(rows)))


if __name__ == "__main__":
    main()
