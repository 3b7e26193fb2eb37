"""The effect of settings that shape batches and folds, each next to the defaults.

    make bench-curve    seven short rounds, about eight minutes
    … --quick           one round

Prints for each setting and number of connections the page's rate as a ratio to that of the defaults
(median of the rounds, first and third quartile), PostgreSQL's CPU per hit until the table holds all
hits, and the 99th percentile of the latency. Every hit is audited. A setting that this build does
not have is left out.
"""

import contextlib
import os
import re
import statistics
import subprocess
import sys

os.environ.pop("BUILD_DIR", None)  # the release build is measured
sys.dont_write_bytecode = True

import accounting
import loads
import table
from harness.services import program
from subjects import Pair, workplace

PATHS, SECONDS, ROUNDS = 1000, 2, 7
CONNECTIONS = (8, 64, 512)

DEFAULTS = "the defaults"
# name → settings of counter-svc, settings of render-svc
SETTINGS = {
    DEFAULTS: ({}, {}),
    "1 lane": ({}, {"lanes": 1}),
    "2 lanes": ({}, {"lanes": 2}),
    "4 lanes": ({}, {"lanes": 4}),
    "8 lanes": ({}, {"lanes": 8}),
    "2 workers in render-svc": ({}, {"workers": 2}),
    "a fold every 100 ms": ({"fold_interval_ms": 100}, {}),
    "a fold every second": ({"fold_interval_ms": 1000}, {}),
    "a fold every 20 s": ({"fold_interval_ms": 20000}, {}),
}


def keys_of(service):
    """The configuration keys that a service has, as its --help lists them."""
    said = subprocess.run([program(service), "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"^  ([a-z_]+) +[A-Z_]+ ", said.stdout, re.MULTILINE))


def available():
    """The settings that this build has."""
    counter_keys, render_keys = keys_of("counter-svc"), keys_of("render-svc")
    return {name: (counter, render) for name, (counter, render) in SETTINGS.items()
            if counter.keys() <= counter_keys and render.keys() <= render_keys}


def measure(pair, cluster, connections, seed):
    """Pages per second, microseconds of PostgreSQL's CPU per page, and the p99 in milliseconds."""
    before = accounting.cpu_of_family(cluster.pids()[0])
    done = loads.wrk(pair.port, loads.Target(PATHS), connections, SECONDS, seed)
    pair.table.settle()
    used = accounting.cpu_of_family(cluster.pids()[0]) - before
    pair.table.audit(done)
    return (done.rate, max(used, 0) / done.acknowledged * 1e6, done.latency_us["p99"] / 1000)


def cell(ours, usual):
    """One cell, from the figures of all rounds of a setting and of the defaults."""
    ratios = [one[0] / other[0] for one, other in zip(ours, usual)]
    rate, cpu_us, p99_ms = (statistics.median(values) for values in zip(*ours))
    first = f"{rate:,.0f}/s" if ours is usual else table.with_range(
        statistics.median(ratios), table.quartiles(ratios), " ×")
    return f"{first}, {cpu_us:.0f} µs, {table.number(p99_ms)} ms"


def main():
    rounds = 1 if sys.argv[1:] == ["--quick"] else ROUNDS
    figures = {}  # (setting, connections) → what `measure` returned in each round
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        pairs = {name: Pair(stack, cluster, folder, PATHS, *keys)
                 for name, keys in available().items()}
        for number in range(rounds):
            for connections in CONNECTIONS:
                for i in range(len(pairs)):  # each round begins with another one
                    name = list(pairs)[(i + number) % len(pairs)]
                    figures.setdefault((name, connections), []).append(
                        measure(pairs[name], cluster, connections, number))
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    rows = [["", *(f"{connections} connections" for connections in CONNECTIONS)]]
    rows += [[name, *(cell(figures[name, connections], figures[DEFAULTS, connections])
                      for connections in CONNECTIONS)] for name in pairs]
    print("\n".join(table.markdown(rows)))


if __name__ == "__main__":
    main()
