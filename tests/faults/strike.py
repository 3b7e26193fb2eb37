"""Strikes one fault under load and checks the outcome: no hit lost or counted twice, the time to recovery,
and the memory afterwards."""

import contextlib
import random
import time
from dataclasses import asdict, dataclass, field

import psycopg

from harness.load import Load, Tally, audit
from harness.proxy import Gate
from harness.wait import Later, until

import changes  # noqa: F401 (each of them fills the table)
import database  # noqa: F401
import journal  # noqa: F401
import machine  # noqa: F401
import network  # noqa: F401
import processes  # noqa: F401
import writers  # noqa: F401
from table import FAULTS
from world import BACK_S

CLIENTS = 6
PAUSE_S = 0.03
PATHS = 12
FEW = 30  # acknowledged hits before and after the fault
CLIENT_TIMEOUT_S = 8

# The memory that an allocator may keep after a burst. A leak at each fault would show in the sum over many
# faults, which has a limit, too.
MEMORY_ALLOWANCE_KB = 8 * 1024

IN_FLIGHT = ("", "at PostgreSQL", "answered")
"""The state of a batch when the fault strikes: unknown, in an append that waits for the journal's next
position, or committed and not yet answered."""


@dataclass
class Outcome:
    number: int
    fault: str
    in_flight: str
    sent: int = 0
    acknowledged: int = 0
    stored: int = 0
    statuses: dict = field(default_factory=dict)
    connections_lost: int = 0
    recovered_s: float = 0.0
    seconds: float = 0.0
    memory_kb: dict = field(default_factory=dict)  # afterwards
    restarted: int = 0

    def as_dict(self):
        return asdict(self)


class Strikes:
    """Strikes faults on one world, one after the other. At the end, when nothing is in flight, audits all
    hits again."""

    def __init__(self, world, seed):
        self.world = world
        self.seed = seed
        self.outcomes = []
        self.first_memory_kb = None
        self._tallies = []

    def strike(self, name, in_flight=""):
        """Strikes one fault under load. Returns its Outcome, or fails."""
        world, number, started = self.world, len(self._tallies), time.monotonic()
        fault, chance = FAULTS[name], random.Random(f"{self.seed} {number} {name}")
        in_flight = "" if fault.needs_hits else in_flight
        outcome = Outcome(number, name, in_flight)
        starts = [service.starts for service in world.services]
        memory = world.memory_kb()
        world.paths = [f"/{number}/{n}" for n in range(PATHS)]
        tally, world.extra = Tally(), []
        self._tallies.append(tally)
        world.until_as_before(tally, world.paths[0])
        for path in world.paths:  # so that every row is there
            tally.sent[path] += 1
            world.hit(world.doors[0], tally, path)
        load = Load([door.address for door in world.doors], world.paths, clients=CLIENTS,
                    timeout=CLIENT_TIMEOUT_S, tally=tally, pause_s=PAUSE_S).start()
        try:
            load.until_acknowledged(FEW)
            if fault.two_writers:
                world.let_both_write()
            with self._in_flight(in_flight) as let_go:
                with fault.strikes(world, chance):
                    let_go()
                    time.sleep(fault.seconds(world.times))
                    if fault.unnoticed:
                        load.until_acknowledged(FEW)
            probes = Tally()
            outcome.recovered_s = world.until_as_before(probes, f"/{number}/probe")
            load.until_acknowledged(FEW)
        finally:
            load.stop()
        for other in [probes, *world.extra]:
            self._merge(tally, other)
        assert outcome.recovered_s <= BACK_S, f"{name}: back after {outcome.recovered_s:.1f} s"
        world.mend()
        self._judge(outcome, tally, starts, memory)
        outcome.seconds = time.monotonic() - started
        self.outcomes.append(outcome)
        return outcome

    @staticmethod
    def _merge(tally, other):
        for path, numbers in other.numbers.items():
            tally.numbers[path] += numbers
        tally.sent += other.sent
        tally.acknowledged += other.acknowledged
        tally.statuses += other.statuses
        tally.lost += other.lost

    @contextlib.contextmanager
    def _in_flight(self, where):
        """Brings a batch into this state. Yields a function that lets it continue."""
        if where == "at PostgreSQL":
            held = self.world.ledger.held_appends()
            release, released = held.__enter__(), []
            try:
                self.world.ledger.until_waiting(1)
                yield lambda: released.append(Later(_quietly, release))
            finally:  # a `with` would fail because of a killed server
                for one in released:
                    one.result(30)
                _quietly(held.__exit__, None, None, None)
        elif where == "answered":
            gate = Gate()
            for proxy in self.world.counter_proxies:
                proxy.next(gate, "POST", "/v1/hits")
            gate.until_held()
            yield gate.open
            gate.open()
            for proxy in self.world.counter_proxies:
                proxy.forget_plans()
        else:
            yield lambda: None

    def _judge(self, outcome, tally, starts, memory):
        world = self.world
        for service, before in zip(world.services, starts):
            assert service.is_running, f"{service.name} has ended"
            outcome.restarted += service.starts - before
        outcome.stored = self._audited(tally)
        self._check_ledger()
        outcome.sent = sum(tally.sent.values())
        outcome.acknowledged = sum(tally.acknowledged.values())
        outcome.statuses = dict(tally.statuses)
        outcome.connections_lost = len(tally.lost)
        self._until_memory_is_back(starts, memory)
        outcome.memory_kb = world.memory_kb()
        self.first_memory_kb = self.first_memory_kb or outcome.memory_kb

    def _audited(self, tally):
        counts = self.world.ledger.counts()
        return audit(tally, {path: counts.get(path, 0) for path in tally.sent}, repeats=True)

    def _until_memory_is_back(self, starts, before):
        """Checks the memory of the services that were not restarted."""
        same = [service.starts == start for service, start in zip(self.world.services, starts)]

        def is_back():
            now = self.world.memory_kb()
            grown = {name: now[name] - before[name] for kept, name in zip(same, now)
                     if kept and now[name] > before[name] + MEMORY_ALLOWANCE_KB}
            assert not grown, f"memory has grown, kB: {grown}"
            return True
        until(is_back, "memory to be freed", 15)

    def audit_everything(self):
        """Audits all hits again. Hits that were in flight have arrived by now, or never will."""
        world, asked = self.world, set()
        for tally in self._tallies:
            self._audited(tally)
            asked |= set(tally.sent)
        unasked = {path for path in world.ledger.counts() if path not in asked}
        assert not unasked, f"paths without a request: {unasked}"
        until(self._everything_is_folded, "the table to have what the journal has", 30)
        self._check_ledger()

    def _everything_is_folded(self):
        """Whether the table alone has every hit, in one snapshot."""
        unfolded, differ = self.world.ledger.run(
            "SELECT (SELECT max(position) FROM pathcount_journal) - "
            "(SELECT position FROM pathcount_checkpoint), count(*) "
            "FROM pathcount_now FULL JOIN pathcount USING (path) "
            "WHERE pathcount.count IS DISTINCT FROM pathcount_now.count")[0]
        assert unfolded != 0 or differ == 0, f"{differ} rows differ after the last fold"
        return unfolded == 0

    def _check_ledger(self):
        """Checks that the journal has no gap, that the quarantine is empty, and that the totals are those of
        the rows."""
        ledger = self.world.ledger
        kept, scanned = ledger.totals_both_ways()
        assert kept == scanned, f"the totals are {kept}, the rows add up to {scanned}"
        missing = ledger.value("SELECT max(position) - min(position) + 1 - count(*) "
                               "FROM pathcount_journal")
        assert missing == 0, f"{missing} entries are missing in the journal"
        refused = ledger.run("SELECT path, count, error FROM pathcount_quarantine")
        assert not refused, f"the table has refused hits: {refused}"


def _quietly(call, *arguments):
    """Releases a lock, even if its server was killed."""
    with contextlib.suppress(psycopg.Error):
        call(*arguments)


def sequence(seed):
    """Names of faults and where a batch is in flight, without end: every kind comes once before any
    comes again, every second time with a batch in flight."""
    chance = random.Random(seed)
    turn = 0
    while True:
        names = list(FAULTS)
        chance.shuffle(names)
        for name in names:
            known = (turn + list(FAULTS).index(name)) % 2 == 1
            yield name, IN_FLIGHT[chance.randint(1, 2)] if known else ""
        turn += 1
