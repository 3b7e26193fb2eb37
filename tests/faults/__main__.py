"""The long run: random faults in several worlds at the same time, because a fault mostly waits. The services
have their default timeouts.

    PYTHONPATH=tests /usr/bin/python3 tests/faults [--count N] [--worlds N] [--seed N] [--report FOLDER] [--short]

World number n strikes the sequence of the seed and n. To replay a world:
`--worlds 1 --seed SEED --first n`. The report is a table (report.txt) and report.json.
"""

import argparse
import itertools
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

import world as worlds
from strike import FAULTS, Strikes, sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
EACH = 20  # least number of faults of each kind, unless --count is given


def options():
    parser = argparse.ArgumentParser(prog="tests/faults")
    parser.add_argument("--count", type=int, help="faults in all")
    parser.add_argument("--worlds", type=int, default=3 * (os.cpu_count() or 1))
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("FAULTS_SEED") or time.time()))
    parser.add_argument("--first", type=int, default=0, help="number of the first world")
    parser.add_argument("--report", type=pathlib.Path, default=ROOT / "build" / "faults")
    parser.add_argument("--short", action="store_true", help="short outages and timeouts")
    parser.add_argument("--world", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.count is None:  # every world strikes each kind equally often
        chosen.count = chosen.worlds * math.ceil(EACH / chosen.worlds) * len(FAULTS)
    return chosen


# --- one world


def run_world(chosen, number):
    """Strikes one world's share of the sequence. Writes every outcome as a line of JSON."""
    order = itertools.islice(sequence(f"{chosen.seed} {number}"), chosen.count // chosen.worlds)
    with open(chosen.report / f"world-{number}.jsonl", "w", encoding="utf-8", buffering=1) as out, \
            tempfile.TemporaryDirectory(prefix="pathcount-faults-") as folder:
        strikes, place = None, 0
        while (batch := list(itertools.islice(order, 50))):
            for name, where in batch:
                place += 1
                try:
                    strikes = strikes or _new_strikes(chosen, number, folder)
                    out.write(json.dumps(strikes.strike(name, where).as_dict()) + "\n")
                except Exception:
                    out.write(json.dumps({"fault": name, "in_flight": where, "place": place,
                                          "failure": traceback.format_exc(),
                                          "logs": strikes and strikes.world.stage.logs()}) + "\n")
                    strikes = strikes and _ended(strikes, out)
            if strikes is not None:  # audited hits need not be kept
                strikes = _ended(strikes, out, audit=True)


def _new_strikes(chosen, number, folder):
    times = worlds.SHORT if chosen.short else worlds.LONG
    return Strikes(worlds.World(tempfile.mkdtemp(dir=folder), times), f"{chosen.seed} {number}")


def _ended(strikes, out, audit=False):
    try:
        if audit:
            strikes.audit_everything()
        strikes.world.close()
    except Exception:
        out.write(json.dumps({"fault": "the end of a world", "in_flight": "",
                              "failure": traceback.format_exc()}) + "\n")


# --- all of them


def run_all(chosen):
    chosen.report.mkdir(parents=True, exist_ok=True)
    for old in chosen.report.glob("world-*.jsonl"):
        old.unlink()
    print(f"FAULTS_SEED={chosen.seed}: {chosen.count} faults in {chosen.worlds} worlds", flush=True)
    shared = ["--count", chosen.count, "--worlds", chosen.worlds, "--seed", chosen.seed,
              "--report", chosen.report.resolve(), *(["--short"] if chosen.short else [])]
    processes = [subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.executable, __file__,
                                   "--world", str(chosen.first + n), *map(str, shared)])
                 for n in range(chosen.worlds)]
    ended = [process.wait() for process in processes]
    outcomes = [json.loads(line) for file in sorted(chosen.report.glob("world-*.jsonl"))
                for line in file.read_text(encoding="utf-8").splitlines()]
    report = summary(chosen, outcomes)
    (chosen.report / "report.json").write_text(json.dumps(
        {**report, "outcomes": outcomes}, indent=1) + "\n", encoding="utf-8")
    text = as_table(report)
    (chosen.report / "report.txt").write_text(text, encoding="utf-8")
    print(text)
    return 1 if report["failures"] or any(ended) else 0


def summary(chosen, outcomes):
    good = [outcome for outcome in outcomes if "failure" not in outcome]
    kinds = {}
    for name in FAULTS:
        mine = [outcome for outcome in good if outcome["fault"] == name]
        if mine:
            kinds[name] = _figures(mine)
    memory = [sum(outcome["memory_kb"].values()) for outcome in good]
    return {"seed": chosen.seed, "worlds": chosen.worlds, "short": chosen.short,
            "all": _figures(good) if good else {}, "kinds": kinds,
            "memory_kb": _spread(memory) if memory else {},
            "failures": [outcome for outcome in outcomes if "failure" in outcome]}


def _figures(outcomes):
    sums = {key: sum(outcome[key] for outcome in outcomes)
            for key in ("sent", "acknowledged", "stored", "connections_lost", "restarted")}
    return {"faults": len(outcomes), **sums,
            "in_flight": sum(bool(outcome["in_flight"]) for outcome in outcomes),
            "refused": sum(outcome["statuses"].get("503", 0) for outcome in outcomes),
            "recovered_s": _spread([outcome["recovered_s"] for outcome in outcomes])}


def _spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def as_table(report):
    lines = [f"{'fault':<62}{'times':>6}{'in flight':>10}{'sent':>9}{'200':>9}{'503':>8}"
             f"{'stored':>9}{'back after s: min':>19}{'median':>8}{'max':>7}"]
    rows = [*report["kinds"].items(), ("all", report["all"])] if report["kinds"] else []
    for name, row in rows:
        back = row["recovered_s"]
        lines.append(f"{name:<62}{row['faults']:>6}{row['in_flight']:>10}{row['sent']:>9}"
                     f"{row['acknowledged']:>9}{row['refused']:>8}{row['stored']:>9}"
                     f"{back['min']:>19.2f}{back['median']:>8.2f}{back['max']:>7.2f}")
    if report["memory_kb"]:
        sizes = ", ".join(f"{name} {value:.0f}" for name, value in report["memory_kb"].items())
        lines.append(f"\nresident memory of the four services together after a fault, kB: {sizes}")
    lines += [f"\nFAILED {failure['fault']} ({failure['in_flight'] or 'nothing'} in flight)\n"
              f"{failure['failure']}" for failure in report["failures"]]
    lines.append(f"\nseed {report['seed']}: {report['all'].get('faults', 0)} faults, "
                 f"{len(report['failures'])} failed")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    CHOSEN = options()
    if os.geteuid() != 0:
        sys.exit("tests/faults: needs root, to mount file systems and limit memory")
    if CHOSEN.world is not None:
        run_world(CHOSEN, CHOSEN.world)
    else:
        sys.exit(run_all(CHOSEN))
