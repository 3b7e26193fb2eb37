"""Everything that is measured, started on loopback and ended together; and one measurement."""

import contextlib
import dataclasses
import os
from dataclasses import dataclass, field


import accounting
from audit import Mismatch
from loads import LoadFailed
from subjects import Flask, Pair, Upserts, workplace

# What must not be relaxed, and what else tells how PostgreSQL was set up.
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
TOLD = (*DURABLE, "wal_sync_method", "shared_buffers", "max_wal_size", "autovacuum")

IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass
class Figure:
    """One measurement: hits a second, microseconds of CPU for each by process, latencies."""

    rate: float
    hits: int
    seconds: float
    errors: int
    cpu_us: dict
    latency_us: dict
    memory: dict = field(default_factory=dict)


@dataclass
class Check:
    """Whether the hits of one measurement were all in the table, once."""

    name: str
    ok: bool
    detail: str = ""


class World:
    """The cluster, two pairs on a small and a large ledger, and the peers that stay."""

    def __init__(self, plan):
        self._stack = contextlib.ExitStack()
        self.figures = {}  # name of the measurement → figures, None for one without
        self.checks = []
        self.after_load = {}  # what the small pair's services hold after all rounds
        self.sizes = {}  # measurement of plain libh2o → bytes of its body
        try:
            self._start(plan)
        except BaseException:
            self.close()
            raise

    def _start(self, plan):
        folder, self.cluster = workplace(self._stack)
        self.file_system = file_system_of(self.cluster.folder)
        if self.file_system in IN_MEMORY:
            raise SystemExit(f"bench: {self.cluster.folder} is in memory: nothing would be on disk")
        self.small = Pair(self._stack, self.cluster, folder, plan.few_paths)
        self.settings = self._settings()
        self.at_rest = self.small.memory()
        self.flask = Flask(self._stack, self.cluster, plan.few_paths)
        self.upserts = Upserts(self.cluster, plan.few_paths)
        self.large = Pair(self._stack, self.cluster, folder, plan.many_paths)
        self.cluster.run("CHECKPOINT")

    def _settings(self):
        """PostgreSQL's settings as counter-svc's own role has them."""
        with self.small.ledger.connect_as_owner() as connection:
            settings = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in TOLD}
        relaxed = [name for name in DURABLE if settings[name] != "on"]
        if relaxed:
            raise SystemExit(f"bench: PostgreSQL is relaxed: {', '.join(relaxed)}")
        return settings

    def close(self):
        self._stack.close()

    # --- measuring

    def measure(self, name, subject, load):
        """Runs `load()` against a subject and audits it. Keeps and returns the figure; None, and a
        check that failed, when hits were lost or doubled."""
        figure = None
        try:
            before = self._cpu(subject)
            done = load()
            # what ended meanwhile is told in clock ticks, which may round to less than nothing
            used = {process: max(seconds - before[process], 0)
                    for process, seconds in self._cpu(subject).items()}
            used["load"] = done.cpu_s
            if done.acknowledged == 0:
                raise LoadFailed("nothing was answered")
            if self.check(name, subject, done):
                figure = Figure(
                    done.rate, done.acknowledged, done.seconds, done.errors,
                    {process: seconds / done.acknowledged * 1e6
                     for process, seconds in used.items()}, done.latency_us)
        except LoadFailed as error:
            self.skip(name, str(error))
            return None
        self.figures.setdefault(name, []).append(figure)
        return figure

    def skip(self, name, why):
        """A measurement that cannot be made: no figure, and the benchmark fails."""
        self.checks.append(Check(name, False, why))
        self.figures.setdefault(name, []).append(None)

    def check(self, name, subject, done):
        """Audits what a load has left behind; those that store nothing pass."""
        if subject.table is None:
            return True
        try:
            stored = subject.table.audit(done)
        except Mismatch as error:
            self.checks.append(Check(name, False, str(error)))
            return False
        self.checks.append(Check(name, True, f"{done.acknowledged} acknowledged, {stored} stored"))
        return True

    def _cpu(self, subject):
        return {**subject.cpu(), "PostgreSQL": accounting.cpu_of_family(self.cluster.pids()[0])}

    def as_json(self):
        return {"settings": self.settings, "file_system": self.file_system, "at_rest": self.at_rest,
                "after_load": self.after_load,
                "body_bytes": self.sizes,
                "checks": [dataclasses.asdict(check) for check in self.checks],
                "figures": {name: [figure and dataclasses.asdict(figure) for figure in figures]
                            for name, figures in self.figures.items()}}


def file_system_of(folder):
    """The kind of file system that a folder lies on."""
    device = os.stat(folder).st_dev
    with open("/proc/self/mountinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            fields = line.split()
            if fields[2] == f"{os.major(device)}:{os.minor(device)}":
                return fields[fields.index("-") + 1]
    return "unknown"
