"""What the settings that shape batches are worth, each beside the defaults in the same round.

    make bench-curve    nine short rounds, five minutes

Prints, for each setting and number of connections, the page's rate as a ratio to that of the defaults
(median of the rounds, first and third quartile) and PostgreSQL's CPU for each hit. Every hit is audited.
"""

import contextlib
import os
import statistics
import sys

os.environ.pop("BUILD_DIR", None)  # the release build is what is measured
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pair"))

import accounting
import loads
import table
from subjects import Pair, workplace

PATHS, SECONDS, ROUNDS = 1000, 1, 9
CONNECTIONS = (8, 64, 512)

DEFAULTS = "the defaults"
# name → what counter-svc has, what render-svc has
SETTINGS = {
    DEFAULTS: ({}, {}),
    "1 lane": ({}, {"lanes": 1}),
    "2 lanes": ({}, {"lanes": 2}),
    "4 lanes": ({}, {"lanes": 4}),
    "8 lanes": ({}, {"lanes": 8}),
    "2 write sessions": ({"write_sessions": 2}, {}),
    "2 workers in counter-svc": ({"workers": 2}, {}),
    "2 workers in render-svc": ({}, {"workers": 2}),
    "2 workers in both": ({"workers": 2}, {"workers": 2}),
}


def measure(pair, cluster, connections, seed):
    """Pages a second, and microseconds of PostgreSQL's CPU for each; every hit audited."""
    before = accounting.cpu_of_family(cluster.pids()[0])
    done = loads.wrk(pair.port, loads.Target(PATHS), connections, SECONDS, seed)
    used = accounting.cpu_of_family(cluster.pids()[0]) - before
    pair.table.settle_and_audit(done)
    return done.rate, max(used, 0) / done.acknowledged * 1e6


def quartiles(values):
    first, _, third = statistics.quantiles(values, n=4)
    return first, third


def main():
    figures = {}  # (setting, connections) → (rate, CPU) of each round
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        pairs = {name: Pair(stack, cluster, folder, PATHS, *keys) for name, keys in SETTINGS.items()}
        for number in range(ROUNDS):
            for connections in CONNECTIONS:
                for i in range(len(pairs)):  # each round begins with another one
                    name = list(pairs)[(i + number) % len(pairs)]
                    figures.setdefault((name, connections), []).append(
                        measure(pairs[name], cluster, connections, number))
            print(f"round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
    rows = [["", *(f"{connections} connections" for connections in CONNECTIONS)]]
    for name in SETTINGS:
        cells = []
        for connections in CONNECTIONS:
            ours, usual = figures[name, connections], figures[DEFAULTS, connections]
            ratios = [one[0] / other[0] for one, other in zip(ours, usual)]
            first = f"{statistics.median(one[0] for one in ours):,.0f}/s" if name == DEFAULTS else \
                table.with_range(statistics.median(ratios), quartiles(ratios), " ×")
            cells.append(f"{first}, {statistics.median(one[1] for one in ours):.0f} µs")
        rows.append([name, *cells])
    print("\n".join(table.align(rows)))


if __name__ == "__main__":
    main()
