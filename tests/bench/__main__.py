"""The benchmark: what pathcount does a second, beside its peers, in one run.

    make bench          three rounds, ten minutes at most
    make bench-quick    one short round with fewer paths, a minute

Prints a table with a line for each target, and writes build/bench/result.json and
build/bench/chart.svg. Whether a target is met does not matter to the exit status: it is 0 when
every measurement was made and every hit was counted exactly once.
"""

import argparse
import json
import math
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

os.environ.pop("BUILD_DIR", None)  # the release build is what is measured
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pair"))

import chart
import table
import targets
from loads import ROOT
from rounds import Round
from world import World

MARGIN_S = 20  # for what varies, and for the end

OUT = os.path.join(ROOT, "build", "bench")


@dataclass
class Plan:
    """How much is measured, and how long that may take."""

    rounds: int
    seconds: int
    check_seconds: int
    few_paths: int
    many_paths: int
    idle: int
    limit_s: int
    threads: int  # of plain libh2o: as many as the services have workers


FULL = {"rounds": 3, "seconds": 7, "check_seconds": 2, "few_paths": 1000, "many_paths": 1000000,
        "idle": 10000, "limit_s": 600}
QUICK = {"rounds": 1, "seconds": 1, "check_seconds": 1, "few_paths": 1000, "many_paths": 50000,
         "idle": 10000, "limit_s": 180}


def arguments():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    for name in ("rounds", "seconds", "many-paths", "idle"):
        parser.add_argument(f"--{name}", type=int, help="instead of what the plan says")
    asked = parser.parse_args()
    plan = {**(QUICK if asked.quick else FULL), "threads": len(os.sched_getaffinity(0))}
    for name in ("rounds", "seconds", "many_paths", "idle"):
        if getattr(asked, name) is not None:
            plan[name] = getattr(asked, name)
    return Plan(**plan)


def stop(number, _frame):
    """Ends the benchmark, and with it all that it started."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit("bench: it took too long" if number == signal.SIGALRM else "bench: stopped")


def run_rounds(world, plan, began):
    """All rounds; later ones are shorter if otherwise the time would not do."""
    for number in range(plan.rounds):
        start = time.monotonic()
        Round(world, plan, number, say).run()
        now, left = time.monotonic(), plan.rounds - number - 1
        late_s = (now - start) * left - (began + plan.limit_s - MARGIN_S - now)
        if left > 0 and late_s > 0:
            cut = math.ceil(late_s / left / len(world.figures))
            plan.seconds = max(plan.seconds - cut, 1)
            say(f"bench: the machine is slow: {plan.seconds} s a measurement from now on")
    world.after_load = world.small.memory()


def say(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    """What it ran on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    versions = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "libh2o-evloop0.13", "postgresql-15",
         "libpq5", "wrk", "gunicorn", "python3-flask"], capture_output=True, text=True, check=False)
    return {"cores": len(os.sched_getaffinity(0)), "model": models[0] if models else "",
            "kernel": platform.release(), "packages": versions.stdout.split("\n")[:-1]}


def main():
    plan = arguments()
    asked = asdict(plan)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stop)
    signal.alarm(plan.limit_s)
    began = time.monotonic()
    os.makedirs(OUT, exist_ok=True)
    say("bench: starting PostgreSQL, the services and their peers")
    world = World(plan)
    try:
        say("bench: " + ", ".join(f"{name} {value}" for name, value in world.settings.items())
            + f", on {world.file_system}")
        run_rounds(world, plan, began)
    finally:
        world.close()
    result = {"plan": asked, "machine": machine(), "seconds": time.monotonic() - began,
              **world.as_json()}
    result["lines"] = [asdict(line) for line in targets.lines(world, plan)]
    with open(os.path.join(OUT, "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    with open(os.path.join(OUT, "chart.svg"), "w", encoding="utf-8") as file:
        file.write(chart.draw(result))
    print(table.draw(result))
    say(f"bench: {result['seconds']:.0f} s; build/bench/result.json, build/bench/chart.svg")
    failed = [check for check in world.checks if not check.ok]
    for check in failed:
        say(f"bench: NO FIGURE: {check.name}: {check.detail}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
