"""Where the CPU time of a page goes.

    make bench-profile    the page, 64 connections, 1,000 paths; half a minute
    PYTHONPATH=tests /usr/bin/python3 tests/bench/cpu_profile.py
        [--connections N] [--paths N] [--json] [--gzip] [--seconds S] [--symbols N]

Prints Markdown: the CPU time per hit of each process, of PostgreSQL's processes one by one, hits
per commit and per flush, WAL per hit, and how much of the cores was idle. If perf can be used, a
second load is sampled, and its CPU time is attributed to libraries and functions. Every hit is
audited.
"""

import argparse
import collections
import contextlib
import os
import re
import shutil
import subprocess
import sys

os.environ.pop("BUILD_DIR", None)  # the release build is measured
sys.dont_write_bytecode = True

import accounting
import loads
import table
from subjects import Pair, workplace

SAMPLES_PER_S = 997  # per core; a prime, so as not to run in step with timers
SAMPLE = re.compile(r"^\s*(?P<comm>.+?)\s+(?P<pid>\d+)\s+[0-9a-f]+\s"
                    r"(?P<symbol>.*) \((?P<dso>[^()]*(?: \(deleted\))?)\)$")
IDLE, REST = "idle", "everything else"
OWN = ("render-svc", "counter-svc", "PostgreSQL", "wrk")


def arguments():
    parser = argparse.ArgumentParser(prog="cpu_profile", description="CPU time per hit.")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="JSON without rows instead of the page")
    parser.add_argument("--gzip", action="store_true", help="compressed answers")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--symbols", type=int, default=12, help="functions listed per process")
    return parser.parse_args()


class Setup:
    """A pair, its cluster and the load on it."""

    def __init__(self, stack, options):
        self.folder, self.cluster = workplace(stack)
        self.pair = Pair(stack, self.cluster, self.folder, options.paths)
        self.target = loads.Target(options.paths, json=options.json, gzip=options.gzip)
        self.options = options

    def load(self, seed):
        return loads.wrk(self.pair.port, self.target, self.options.connections,
                         self.options.seconds, seed)

    def processes(self):
        """process id → name. PostgreSQL's processes are named by what they do."""
        named = {self.pair.render.pid: "render-svc", self.pair.counter.pid: "counter-svc"}
        postmaster, *children = self.cluster.pids()
        named.update({pid: "PostgreSQL" for pid in (postmaster, *children)})
        return named

    def backends(self):
        """process id → what a process of PostgreSQL is, and the beginning of its last statement."""
        rows = self.cluster.run(
            "SELECT pid, backend_type, left(regexp_replace(query, '\\s+', ' ', 'g'), 50) "
            "FROM pg_stat_activity WHERE pid <> pg_backend_pid()").fetchall()
        return {pid: f"{kind}: `{query}…`" if query else kind for pid, kind, query in rows}

    def written(self):
        """What the cluster has written so far: bytes of WAL, flushes of it, commits."""
        return self.cluster.run(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8, wal_sync, "
            "(SELECT sum(xact_commit)::bigint FROM pg_stat_database) FROM pg_stat_wal").fetchone()


def measure(setup):
    """Runs a load without perf and returns what it took, as rows of a table and as a sentence."""
    written = setup.written()
    before = {pid: accounting.usage_of(pid) for pid in setup.processes()}
    total = accounting.cpu_of_family(setup.cluster.pids()[0])
    cores = accounting.cores()
    done = setup.load(1)
    cores = accounting.cores() - cores
    setup.pair.table.settle()
    total = accounting.cpu_of_family(setup.cluster.pids()[0]) - total
    after = {pid: accounting.usage_of(pid) for pid in setup.processes() if pid in before}
    backends = setup.backends()
    written = [now - then for now, then in zip(setup.written(), written)]
    hits = setup.pair.table.audit(done)
    wal, flushes, commits = written
    sentence = (f"{done.rate:,.0f}/s of {done.bytes_received / done.acknowledged:,.0f} bytes; "
                f"{hits / max(commits, 1):.1f} hits per commit, "
                f"{hits / max(flushes, 1):.1f} per flush, {wal / hits:.0f} bytes of WAL per hit; "
                f"{os.cpu_count()} cores, {cores.idle_s / cores.all_s:.0%} idle.")
    return rows_of(setup, before, after, backends, total, done, hits), sentence


def rows_of(setup, before, after, backends, total, done, hits):
    """CPU per hit of every process, and how often it slept per hit; PostgreSQL's busiest first."""
    def row(name, usage):
        return [name, table.number(usage.cpu_s / hits * 1e6),
                table.number(usage.system_s / hits * 1e6), f"{usage.sleeps / hits:.2f}"]

    used = {pid: after[pid] - before[pid] for pid in after}
    services = [(pid, name) for pid, name in setup.processes().items() if name != "PostgreSQL"]
    yield ["CPU per hit, µs", "all", "kernel", "times it slept"]
    yield from (row(name, used.pop(pid)) for pid, name in services)
    yield ["PostgreSQL", table.number(total / hits * 1e6), "", ""]
    for pid, usage in sorted(used.items(), key=lambda one: -one[1].cpu_s):
        if usage.cpu_s / hits * 1e6 >= 0.05:
            yield row("– " + backends.get(pid, "postmaster"), usage)
    yield ["wrk", table.number(done.cpu_s / hits * 1e6), "", ""]


# --- perf


def sample(setup):
    """Runs a load under perf. Returns (process, library, function) → microseconds per hit, or None
    if perf cannot be used."""
    if shutil.which("perf") is None:
        return None
    data, names = os.path.join(setup.folder, "perf.data"), setup.processes()
    with subprocess.Popen(
            [*loads.STARTER, "perf", "record", "-q", "-a", "-e", "cpu-clock", "-F",
             str(SAMPLES_PER_S), "-o", data, "--", "sleep", str(setup.options.seconds)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as perf:
        done = setup.load(2)
        if perf.wait(60) != 0:
            print("perf: " + perf.stderr.read().decode(errors="replace").strip(), file=sys.stderr)
            return None
    names.update((pid, "PostgreSQL") for pid in setup.cluster.pids())
    setup.pair.table.settle_and_audit(done)
    said = subprocess.run(["perf", "script", "-i", data, "-F", "comm,pid,ip,sym,dso"], text=True,
                          capture_output=True, errors="replace", check=True)
    counts = collections.Counter(place_of(found, names) for line in said.stdout.splitlines()
                                 if (found := SAMPLE.match(line)))
    # with this event, idle cores are sampled, too
    us_per_sample = os.cpu_count() * 1e6 / counts.total() / done.rate
    return {place: count * us_per_sample for place, count in counts.items()}


def place_of(found, names):
    """(process, library, function) of a sample."""
    comm, pid = found["comm"], int(found["pid"])
    process = names.get(pid) or {"swapper": IDLE, "wrk": "wrk"}.get(comm, REST)
    dso = os.path.basename(found["dso"].removesuffix(" (deleted)"))
    is_kernel = dso.startswith("[") or dso.endswith(".ko")
    library = "kernel" if is_kernel else re.sub(r"[-.]?(so)?[-.0-9]*$", "", dso.split(".so")[0])
    return process, library, found["symbol"] or "?"


def library_rows(spent, least_us=0.1):
    """µs per hit of each process, by library."""
    sums = collections.Counter()
    for (process, library, _), spent_us in spent.items():
        sums[process, library] += spent_us
    order = (*OWN, REST, IDLE)
    yield ["µs per hit, sampled", "all", "of it"]
    for process in order:
        parts = {library: spent_us for (name, library), spent_us in sums.items() if name == process}
        listed = sorted(parts.items(), key=lambda one: -one[1]) if process in OWN else []
        yield [process, table.number(sum(parts.values())), ", ".join(
            f"{library} {table.number(spent_us)}" for library, spent_us in listed
            if spent_us >= least_us)]


def symbol_rows(spent, number):
    """The functions that take the most, by process."""
    yield ["process", "function", "library", "µs per hit"]
    for process in OWN:
        mine = sorted(((spent_us, library, symbol) for (name, library, symbol), spent_us in
                       spent.items() if name == process), reverse=True)
        yield from ([process, f"`{symbol}`", library, table.number(spent_us)]
                    for spent_us, library, symbol in mine[:number])


def main():
    options = arguments()
    with contextlib.ExitStack() as stack:
        setup = Setup(stack, options)
        rows, sentence = measure(setup)
        kind = "JSON without rows" if options.json else "page"
        kind += ", gzip" if options.gzip else ""
        print(f"{kind}, {options.connections:,} connections, {options.paths:,} paths: {sentence}\n")
        print("\n".join(table.markdown(list(rows))))
        spent = sample(setup)
        if spent is None:
            print("\nThere is no profile by function: install linux-perf and run this as root.")
            return
        print("\n" + "\n".join(table.markdown(list(library_rows(spent)))))
        print("\n" + "\n".join(table.markdown(list(symbol_rows(spent, options.symbols)))))


if __name__ == "__main__":
    main()
