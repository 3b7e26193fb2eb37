"""The benchmark: pathcount next to its peers, in one run.

    make bench          three rounds and a long run, about twelve minutes
    make bench-quick    one short round with fewer paths, about a minute

Prints a table with one line per target. Writes build/bench/result.json, results.md (the same table
as Markdown) and chart.svg. The exit status does not depend on the targets: it is 0 if every
measurement could be made and every hit was counted exactly once.
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

os.environ.pop("BUILD_DIR", None)  # the release build is measured
sys.dont_write_bytecode = True

import chart
import endurance
import table
import targets
from loads import ROOT
from rounds import Round
from measurement import World

MARGIN_S = 20  # for what varies
HUNG_AFTER = 1.5  # times the planned duration

OUT = os.path.join(ROOT, "build", "bench")


@dataclass
class Plan:
    """How much is measured, and how long it may take."""

    rounds: int
    seconds: int  # of most measurements
    many_seconds: int  # of those that must include work that is done every few seconds
    check_seconds: int
    long_seconds: int
    few_paths: int
    many_paths: int
    idle: int
    limit_s: int
    threads: int  # of plain libh2o: one per core


FULL = {"rounds": 3, "seconds": 5, "many_seconds": 10, "check_seconds": 2, "long_seconds": 180,
        "few_paths": 1000, "many_paths": 1000000, "idle": 10000, "limit_s": 720}
QUICK = {"rounds": 1, "seconds": 1, "many_seconds": 1, "check_seconds": 1, "long_seconds": 6,
         "few_paths": 1000, "many_paths": 50000, "idle": 10000, "limit_s": 180}
OVERRIDES = ("rounds", "seconds", "many-seconds", "long-seconds", "many-paths", "idle")


def arguments():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    for name in OVERRIDES:
        parser.add_argument(f"--{name}", type=int, help="instead of the plan's value")
    asked = parser.parse_args()
    plan = {**(QUICK if asked.quick else FULL), "threads": len(os.sched_getaffinity(0))}
    for name in (option.replace("-", "_") for option in OVERRIDES):
        if getattr(asked, name) is not None:
            plan[name] = getattr(asked, name)
    return Plan(**plan)


def stop(number, _frame):
    """Ends the benchmark and everything that it started."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit("bench: It took too long." if number == signal.SIGALRM else "bench: Stopped.")


def run_rounds(world, plan, began):
    """Runs all rounds. If the time would not suffice, later rounds are shorter."""
    end = began + plan.limit_s - plan.long_seconds - MARGIN_S
    for number in range(plan.rounds):
        start = time.monotonic()
        Round(world, plan, number, say).run()
        now, left = time.monotonic(), plan.rounds - number - 1
        late_s = (now - start) * left - (end - now)
        if left > 0 and late_s > 0:
            cut = math.ceil(late_s / left / len(world.figures))
            plan.seconds = max(plan.seconds - cut, 1)
            plan.many_seconds = max(plan.many_seconds - cut, 1)
            say(f"bench: The machine is slow. Measurements take {plan.seconds} s from now on.")
    world.after_load = world.small.memory()


def say(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    """The hardware, the kernel and the packages."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    versions = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "libh2o-evloop0.13", "postgresql-15",
         "libpq5", "wrk", "gunicorn", "python3-flask", "redis-server"],
        capture_output=True, text=True, check=False)
    return {"cores": len(os.sched_getaffinity(0)), "model": models[0] if models else "",
            "kernel": platform.release(), "packages": versions.stdout.split("\n")[:-1]}


def main():
    plan = arguments()
    asked = asdict(plan)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stop)
    signal.alarm(int(HUNG_AFTER * plan.limit_s))
    began = time.monotonic()
    os.makedirs(OUT, exist_ok=True)
    say("bench: starting PostgreSQL, the services and their peers")
    world = World(plan)
    try:
        say("bench: " + ", ".join(f"{name} {value}" for name, value in world.settings.items())
            + f", on {world.file_system}")
        run_rounds(world, plan, began)
        endurance.long_run(world, plan, say)
        endurance.full_memory(world, say)
        endurance.compare_with_view(world)
    finally:
        world.close()
    result = {"plan": asked, "machine": machine(), "seconds": time.monotonic() - began,
              **world.as_json()}
    result["lines"] = [asdict(line) for line in targets.lines(world, plan)]
    for name, text in (("result.json", json.dumps(result, indent=1)),
                       ("results.md", table.draw_markdown(result)),
                       ("chart.svg", chart.draw(result))):
        with open(os.path.join(OUT, name), "w", encoding="utf-8") as file:
            file.write(text)
    print(table.draw(result))
    say(f"bench: {result['seconds']:.0f} s; build/bench/: result.json, results.md, chart.svg")
    failed = [check for check in world.checks if not check.ok]
    for check in failed:
        say(f"bench: FAILED: {check.name}: {check.detail}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
