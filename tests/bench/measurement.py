"""All subjects, started on loopback and stopped together; and how one measurement is made."""

import contextlib
import dataclasses
import os
import time
from dataclasses import dataclass, field

import accounting
from audit import Mismatch
from loads import LoadFailed
from subjects import Flask, Pair, Redis, Upserts, workplace

# The settings of PostgreSQL that must not be relaxed, and those that are printed.
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
PRINTED = (*DURABLE, "wal_sync_method", "shared_buffers", "max_wal_size", "autovacuum")

IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass
class Figure:
    """One measurement. `rate` is in hits per second. `cpu_us` has the CPU time per hit by process,
    from the start of the load until the table has settled: hits that reach the table later cost the
    same as hits that reach it at once. `settling_s` is how long that took after the load's end.
    `others` is the share of the cores that went to processes other than these, or to the host's
    other guests."""

    rate: float
    hits: int
    seconds: float
    errors: int
    cpu_us: dict
    latency_us: dict
    longest_gap_us: int
    settling_s: float
    others: float
    memory: dict = field(default_factory=dict)


@dataclass
class Check:
    """Whether all hits of one measurement are in the table, exactly once."""

    name: str
    ok: bool
    detail: str = ""


class World:
    """The cluster, a pair with a small ledger, a pair with a large ledger, and the peers that run
    all the time."""

    def __init__(self, plan):
        self._stack = contextlib.ExitStack()
        self.figures = {}  # name of the measurement → figures; None for one that failed
        self.checks = []
        self.after_load = {}  # memory of the small pair's services after all rounds
        self.memory_when_full = None  # of the large pair's counter-svc (endurance.full_memory)
        self.sizes_on_disk = {}  # of the journal and the table (endurance.long_run)
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
            raise SystemExit("bench: /var/tmp is in memory. Mount a disk there.")
        self.small = Pair(self._stack, self.cluster, folder, plan.few_paths)
        self.settings = self._settings()
        self.at_rest = self.small.memory()
        self.flask = Flask(self._stack, self.cluster, plan.few_paths)
        self.redis = Redis(self._stack, folder, plan.few_paths)
        self.upserts = Upserts(self.cluster, plan.few_paths)
        self.large = Pair(self._stack, self.cluster, folder, plan.many_paths)
        self.many_upserts = Upserts(self.cluster, plan.many_paths, like=self.large)
        self.cluster.run("CHECKPOINT")

    def _settings(self):
        """PostgreSQL's settings as counter-svc's own role has them."""
        with self.small.ledger.connect_as_owner() as connection:
            settings = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in PRINTED}
        relaxed = [name for name in DURABLE if settings[name] != "on"]
        if relaxed:
            raise SystemExit(f"bench: PostgreSQL is not durable: {', '.join(relaxed)} must be on.")
        return settings

    def close(self):
        self._stack.close()

    # --- measuring

    def measure(self, name, subject, load):
        """Runs `load()` against a subject and audits it. Keeps and returns the figure. If hits were
        lost or counted twice, it keeps a failed check and returns None."""
        try:
            already_open = subject.connections()
            before, cores = self._cpu(subject), accounting.cores()
            done = load()
            ended = time.monotonic()
            settled = subject.table.settle() if subject.table else ended
            subject.until_closed(already_open)
            # ended children are counted in clock ticks, so a difference may round below 0
            used = {process: max(seconds - before[process], 0)
                    for process, seconds in self._cpu(subject).items()}
            used["load"] = done.cpu_s
            cores = accounting.cores() - cores
            if done.acknowledged == 0:
                raise LoadFailed("No request was answered.")
            if subject.table:
                stored = subject.table.audit(done)
                self.note(name, True, f"{done.acknowledged} acknowledged, {stored} stored")
        except (LoadFailed, Mismatch) as error:
            self.skip(name, str(error))
            return None
        figure = Figure(
            done.rate, done.acknowledged, done.seconds, done.errors,
            {process: seconds / done.acknowledged * 1e6 for process, seconds in used.items()},
            done.latency_us, done.longest_gap_us, max(settled - ended, 0),
            max(1 - (cores.idle_s + sum(used.values())) / cores.all_s, 0))
        self.figures.setdefault(name, []).append(figure)
        return figure

    def skip(self, name, why):
        """Records that a measurement could not be made; the benchmark then fails."""
        self.note(name, False, why)
        self.figures.setdefault(name, []).append(None)

    def note(self, name, ok, detail):
        self.checks.append(Check(name, ok, detail))

    def check(self, name, subject, done):
        """Audits a load that is not measured."""
        try:
            stored = subject.table.settle_and_audit(done)
        except (LoadFailed, Mismatch) as error:
            self.note(name, False, str(error))
            return
        self.note(name, True, f"{done.acknowledged} acknowledged, {stored} stored")

    def _cpu(self, subject):
        return {**subject.cpu(), "PostgreSQL": accounting.cpu_of_family(self.cluster.pids()[0])}

    def as_json(self):
        return {"settings": self.settings, "file_system": self.file_system, "at_rest": self.at_rest,
                "after_load": self.after_load, "memory_when_full": self.memory_when_full,
                "sizes_on_disk": self.sizes_on_disk,
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
