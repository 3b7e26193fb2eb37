"""Counts the source files and functions that one GET of a path runs, in both services.

    make bench-hops                                                 this tree
    PYTHONPATH=tests /usr/bin/python3 tests/bench/hops.py FOLDER    the tree in FOLDER, such as a git worktree

Builds the services with gcov's counters (SANITIZER=coverage) and runs them twice: with HITS hits and with twice
as many, one after the other on one connection. A function belongs to the path of a hit if the second run called it
at least HITS / 2 times more often. Start, stop, timers and folds are the same in both runs, so they do not count.
Prints the files of each service with their functions.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from harness.http import Connection
from harness.postgres import Cluster
from harness.services import ROOT
from harness.stage import Stage

HITS = 200
PATH = "/a/b"
SERVICES = ("render-svc", "counter-svc")


def build(tree):
    subprocess.run(["make", "-s", "-j2", "-C", tree, "CC=gcc", "SANITIZER=coverage", "all"], check=True)


def start(stage, tree, counts, name, keys):
    """Starts a service of the tree. It writes its counts below the folder `counts`, at its end."""
    service = stage.service(name, keys, start=False, env={
        "GCOV_PREFIX": str(counts / name), "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0"})
    service.build_dir = str(tree / "build" / "coverage")
    return service.start().until_ready()


def run(cluster, tree, folder, hits):
    """{(service, file): {function: calls}} of a run with this number of hits."""
    counts = folder / f"counts-{hits}"
    with contextlib.closing(Stage(cluster, folder)) as stage:
        counter = start(stage, tree, counts, "counter-svc", stage.ledger().keys)
        render = start(stage, tree, counts, "render-svc", {"counter_url": "http://%s:%d" % counter.address})
        with Connection(render.address) as connection:
            for _ in range(hits):
                assert connection.ask("GET", PATH, {"Accept": "text/html"}).status == 200
    return {(name, file): functions for name in SERVICES
            for file, functions in read_counts(tree, counts / name).items()}


def read_counts(tree, counts):
    """{file: {function: calls}} of one service. gcov wants the notes (.gcno) of the compiler beside the counts."""
    files = {}
    for data in sorted(counts.rglob("*.gcda")):
        original = pathlib.Path("/", data.relative_to(counts))
        data.with_suffix(".gcno").symlink_to(original.with_suffix(".gcno"))
        done = subprocess.run(["gcov", "--json-format", "--stdout", data], cwd=tree, check=True,
                              stdout=subprocess.PIPE)
        for file in json.loads(done.stdout)["files"]:
            path = pathlib.Path(tree, file["file"])
            if path.is_relative_to(tree):
                functions = files.setdefault(str(path.relative_to(tree)), {})
                for function in file["functions"]:
                    name = function["name"]
                    functions[name] = functions.get(name, 0) + function["execution_count"]
    assert files, f"no counts in {counts}"
    return files


def hops(once, twice):
    """{service: {file: [function]}}: the functions that each hit calls."""
    found = {name: {} for name in SERVICES}
    for (name, file), functions in twice.items():
        grown = sorted(function for function, calls in functions.items()
                       if calls - once.get((name, file), {}).get(function, 0) >= HITS / 2)
        if grown:
            found[name][file] = grown
    return found


def main():
    tree = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT).resolve()
    build(tree)
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pathcount-hops-")))
        cluster = Cluster()
        stack.callback(cluster.remove)
        found = hops(*(run(cluster, tree, folder, hits) for hits in (HITS, 2 * HITS)))
    for name, files in found.items():
        print(f"{name}: {len(files)} files, {sum(map(len, files.values()))} functions")
        for file, functions in sorted(files.items()):
            print(f"  {file}: {' '.join(functions)}")
    print(f"both services: {len(set().union(*found.values()))} different files")


if __name__ == "__main__":
    main()
