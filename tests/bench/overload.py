"""Overload: throughput, latency and memory when more is offered than the pair can serve.

    make bench-overload      three rounds, two and a half minutes
    … --quick                one short round, twenty seconds

Each round first finds the rate that the pair can serve: the best of 64, 512 and 2,000 connections
that send as soon as they have an answer. Then it offers one, two and four times that rate over
2,000 connections. Clients do not back off: a connection that was refused sends again when its next
request is due. It does so with the default settings, and with a queue that is shorter than the
number of connections, so that most requests are refused.

Every hit is audited. The command fails if a hit was lost or counted twice, if a refusal had no
Retry-After, if an answer took longer than the request's deadline, or if memory exceeded its bound.
"""

import contextlib
import os
import statistics
import sys

os.environ.pop("BUILD_DIR", None)  # the release build is measured
sys.dont_write_bytecode = True

import accounting
import loads
import table
from subjects import Pair, workplace

PATHS, CONNECTIONS = 1000, 2000
CARRIED_BY = (64, 512, CONNECTIONS)
TIMES = (1, 2, 4)
MAX_MEMORY = 100 * 1024 * 1024
DEADLINE_US = 5_000_000 + 500_000  # the request's deadline, and time to deliver the answer

DEFAULTS = "the defaults"
SETTINGS = {DEFAULTS: {}, "max_waiting 100": {"max_waiting": 100}}


def carried(pair, seconds, seed):
    """The rate that the pair can serve, in hits per second."""
    best = 0
    for connections in CARRIED_BY:
        done = loads.client(pair.port, loads.Target(PATHS), connections, seconds, seed)
        pair.table.settle_and_audit(done)
        best = max(best, done.rate)
    return best


def offer(pair, rate, seconds, seed):
    """Offers so many requests per second. Returns the load, and its faults as sentences."""
    done = loads.client(pair.port, loads.Target(PATHS), CONNECTIONS, seconds, seed, rate)
    pair.table.settle_and_audit(done)
    most = accounting.most_memory_of(pair.render.pid)
    slowest = max(done.answer_us["max"], done.refusal_us["max"])
    wrong = [message for message, is_so in (
        (f"{done.without_retry_after} refusals without Retry-After", done.without_retry_after),
        (f"an answer took {slowest / 1e6:.2f} s", slowest > DEADLINE_US),
        (f"render-svc took {most / 1e6:.0f} MB", most > MAX_MEMORY)) if is_so]
    return done, wrong


def milliseconds(times, name):
    return f"{times[name] / 1000:.3g}" if times[name] else ""


def row_of(name, times, done, ratios, pair):
    """A line of the table, of the median round."""
    middle = sorted(done, key=lambda one: one.rate)[len(done) // 2]
    answered = middle.acknowledged + middle.errors
    return [name, f"{times} ×", f"{answered / middle.seconds:,.0f}/s", f"{middle.rate:,.0f}/s",
            table.with_range(statistics.median(ratios), (min(ratios), max(ratios)), " ×"),
            f"{middle.errors / answered:.0%}",
            milliseconds(middle.answer_us, "p50"), milliseconds(middle.answer_us, "p99"),
            milliseconds(middle.refusal_us, "p50"), milliseconds(middle.refusal_us, "p99"),
            f"{accounting.most_memory_of(pair.render.pid) / 1e6:.0f} MB"]


def main():
    quick = sys.argv[1:] == ["--quick"]
    rounds, seconds = (1, 1) if quick else (3, 3)
    figures, faults = {}, []  # (setting, times) → [(load, ratio to the rate that can be served)]
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        pairs = {name: Pair(stack, cluster, folder, PATHS, None, keys)
                 for name, keys in SETTINGS.items()}
        for number in range(rounds):
            for name, pair in pairs.items():
                best = carried(pair, seconds, number)
                for times in TIMES:
                    done, wrong = offer(pair, times * best, seconds, number)
                    figures.setdefault((name, times), []).append((done, done.rate / best))
                    faults += [f"{name}, {times} ×: {message}" for message in wrong]
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        rows = [["", "offered", "answered", "200", "of the maximum", "503", "200: p50 ms", "p99 ms",
                 "503: p50 ms", "p99 ms", "render-svc, peak"]]
        for (name, times), done in figures.items():
            rows.append(row_of(name, times, [one for one, _ in done], [ratio for _, ratio in done],
                               pairs[name]))
        print("\n".join(table.markdown(rows)))
    print("Every acknowledged hit was stored exactly once." if not faults else "\n".join(faults))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
