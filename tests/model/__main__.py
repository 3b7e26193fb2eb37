"""Searches the models of the journal's protocol with spin (README.md).

    tests/model [NAME...]           every search, or those whose names begin with NAME
    tests/model --large [NAME...]   the complete searches in larger sizes
    tests/model --trail NAME...     the steps to a fault's violation, once it has been found

Prints a line for each search and writes build/model/result.json. A folder beside that file holds
the program, the output and the trail of each search.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from searches import COMPLETE, FAULTS

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parents[1] / "build" / "model"

# How many searches run at a time, and the memory of each: less than 2 GB in all.
AT_ONCE, MEMORY_MB = 2, 900
LARGE_AT_ONCE, LARGE_MEMORY_MB = 1, 8000

# No search comes near these limits. One that reaches a limit fails.
MAX_DEPTH, DEADLINE_S, LARGE_DEADLINE_S = 100000, 1500, 6 * 3600

# What pan prints when it has not visited every state.
INCOMPLETE = ("Search not completed", "max search depth too small", "reached -DMEMLIM bound",
              "out of memory")


def folder_of(search):
    return OUT / re.sub(r"[^a-z0-9]+", "-", search.name).strip("-")


def definitions(search, large):
    """The -D options of a search."""
    sizes = {**search.sizes, **(search.large if large else {})}
    fault = ["-DBREADTH_FIRST", f"-DFAULT_{search.fault}"] if search.fault else []
    return [*fault, *(f"-D{name}={value}" for name, value in sizes.items())]


def commands(search, large):
    """The commands that generate, compile and run a search. A fault is searched breadth-first,
    which finds the shortest trail, and so fast that optimizing the program would take longer."""
    if search.fault:
        options, table = ["-O0", "-DBFS", f"-DMEMLIM={MEMORY_MB}"], 18
    elif large:
        options, table = ["-O2", "-DCOLLAPSE", f"-DMEMLIM={LARGE_MEMORY_MB}"], 26
    else:
        options, table = ["-O1", f"-DMEMLIM={MEMORY_MB}"], 23
    return (
        ["spin", "-a", *definitions(search, large), HERE / f"{search.model}.pml"],
        ["gcc", "-w", "-DSAFETY", "-DNOREDUCE", *options, "-o", "pan", "pan.c"],
        ["./pan", "-E", "-b", f"-m{MAX_DEPTH}", f"-w{table}"],
    )


def is_found(search, output):
    """Whether pan has found the violation that the fault has to cause."""
    return re.search(rf"assertion violated\s+!\(+{search.violates}\)", output) is not None


def is_complete(output):
    """Whether pan has visited every state, and found no violation."""
    return ("Full statespace search for" in output and
            re.search(r"errors: 0\b", output) is not None and
            not any(text in output for text in INCOMPLETE))


def number(pattern, output):
    """The last number that matches, or 0."""
    return round(float(([0] + re.findall(pattern, output))[-1]))


def run(search, large):
    """Runs one search. Returns a check for result.json, with figures."""
    folder, began, output = folder_of(search), time.monotonic(), ""
    deadline = began + (LARGE_DEADLINE_S if large else DEADLINE_S)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for command in commands(search, large):
            ended = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                   timeout=max(deadline - time.monotonic(), 1))
            output += ended.stdout
            if ended.returncode != 0:
                break
    except subprocess.TimeoutExpired as expired:
        output += f"\n{expired.cmd[0]} did not end in time.\n"
    (folder / "output").write_text(output)
    return {
        "name": f"{search.name} {'is found' if search.fault else 'is searched completely'}",
        "ok": is_found(search, output) if search.fault else is_complete(output),
        "detail": output[-3000:],
        "states": number(r"([\d.e+]+) states, stored", output),
        "seconds": round(time.monotonic() - began, 1),
        "memory_mb": number(r"([\d.]+)\s+total actual memory usage", output),
    }


def run_all(searches, large):
    """Runs searches, prints a line at the end of each, and writes the results. Returns whether all have the
    expected result."""
    checks = []
    OUT.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(LARGE_AT_ONCE if large else AT_ONCE) as pool:
        runs = [pool.submit(run, search, large) for search in searches]
        for ended in concurrent.futures.as_completed(runs):
            checks.append(one := ended.result())
            print(f"{'ok' if one['ok'] else 'FAILED':6} {one['name']:48} {one['states']:>9} states "
                  f"{one['seconds']:>7} s {one['memory_mb']:>5} MB", flush=True)
    (OUT / "result.json").write_text(json.dumps({"checks": checks}, indent=1))
    return all(one["ok"] for one in checks)


def print_trail(search):
    """Prints a line for each step of a fault's trail. Immediate consequences of a step are indented."""
    trail = folder_of(search) / f"{search.model}.pml.trail"
    if not trail.exists():
        sys.exit(f"tests/model: there is no trail of {search.name} yet; search it first")
    replay = subprocess.run(["spin", "-T", "-t", "-k", trail, *definitions(search, False),
                             HERE / f"{search.model}.pml"], cwd=trail.parent, check=True, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
    steps, violation = replay.stdout.split("spin: text of failed assertion: ", maxsplit=1)
    steps = "\n".join(line for line in steps.splitlines() if not line.startswith("spin:"))
    print(f"{search.name}:\n\n{steps}\n{violation.splitlines()[0]} failed\n")


def main():
    parser = argparse.ArgumentParser(
        prog="tests/model", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--large", action="store_true")
    kind.add_argument("--trail", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    chosen = parser.parse_args()
    kinds = COMPLETE if chosen.large else FAULTS if chosen.trail else COMPLETE + FAULTS
    searches = [search for search in kinds
                if not chosen.names or search.name.startswith(tuple(chosen.names))]
    if not searches:
        sys.exit("tests/model: no such search; their names are in tests/model/searches.py")
    if chosen.trail:
        for search in searches:
            print_trail(search)
        return
    sys.exit(0 if run_all(searches, chosen.large) else 1)


if __name__ == "__main__":
    main()
