"""The system under faults: a whole pathcount on loopback, with a proxy on each connection.

    clients ── Wire ──▶ 2 × render-svc ── HttpProxy ──▶ 2 × counter-svc ── Wire ──▶ PostgreSQL
                                                                               └──▶ its standby

Each render-svc resolves its own name to two addresses, its own proxies of both counter-svc. So both use the
same counter-svc, as with replicas of a service. If the proxies of one are swapped, each uses another counter-
svc, and both append. Both counter-svc have a list of both servers. The standby is synchronous, so no commit
is confirmed before the standby has it.
"""

import contextlib
import pathlib
import subprocess
import tempfile
import time
from dataclasses import dataclass

from harness.faultlib import Clock
from harness.http import MINIMAL, Connection, ask
from harness.ports import free_port
from harness.services import ADMIN_TOKEN
from harness.stage import Stage
from harness.wait import until

from memory import MemoryGroup
from nodes import Database, private_mounts_and_ports

# one name for each render-svc, and the addresses behind it
COUNTER_NAMES = {"counter-svc-1.faults": ("127.1.0.1", "127.1.0.2"),
                 "counter-svc-2.faults": ("127.1.1.1", "127.1.1.2")}

# The documented target is recovery within 5 s. The limit is higher, for a busy machine.
BACK_S = 15.0
RUN_OF_SUCCESS = 10


@dataclass
class Times:
    """How long faults last, in seconds, and the services' deadlines that go with it."""

    hold_s: float  # a short fault, which ends while requests still wait
    away_s: float
    frozen_s: float  # longer than every timeout of a hit
    render: dict
    counter: dict


# lock_timeout_ms is longer than by default, so that a batch waits for a lock in PostgreSQL when the fault
# strikes. Folds are frequent, so that faults strike them, too.
SHORT = Times(0.6, 2.0, 2.5,
              {"request_deadline_ms": 1500, "call_deadline_ms": 500},
              {"batch_deadline_ms": 1200, "read_deadline_ms": 1200, "statement_timeout_ms": 1200,
               "lock_timeout_ms": 600, "connect_timeout_ms": 1500, "fold_interval_ms": 100})
LONG = Times(2.0, 20.0, 12.0, {}, {"lock_timeout_ms": 1000, "fold_interval_ms": 100})


def name_the_counters():
    """Adds the names of the counters' proxies to this process's own /etc/hosts."""
    hosts = pathlib.Path("/etc/hosts").read_text(encoding="utf-8")
    if all(name in hosts for name in COUNTER_NAMES):
        return
    private_mounts_and_ports()
    file = pathlib.Path(tempfile.mkdtemp(prefix="pathcount-hosts-"), "hosts")
    file.write_text(hosts + "".join(f"\n{host} {name}" for name in COUNTER_NAMES
                                    for host in COUNTER_NAMES[name]) + "\n", encoding="utf-8")
    file.parent.chmod(0o755)
    subprocess.run(["mount", "--bind", file, "/etc/hosts"], check=True)
    subprocess.run(["rm", "-r", file.parent], check=False)  # the mount keeps the file


class World:
    """Starts at once. close() ends it and checks the promises of every service."""

    def __init__(self, folder, times):
        name_the_counters()
        self.times = times
        self.folder = pathlib.Path(folder)
        self._stack = contextlib.ExitStack()
        self._groups = self._stack.enter_context(contextlib.ExitStack())  # removed after the stage
        try:
            self._start()
        except BaseException:
            with contextlib.suppress(Exception):
                self.close()
            raise

    def _start(self):
        self.database = Database()
        self._stack.callback(self.database.close)
        self.clock = Clock()
        self._stack.callback(self.clock.remove)
        self.stage = Stage(self.database.primary, self.folder)
        self._stack.callback(self.stage.close)
        first = self.stage.wire(self.database.primary)
        second = self.stage.wire(("127.0.0.1", 1))
        self._wires = {"a": first, "b": second}
        self.counters = [self._service("counter-svc", {
            **self.database.ledger.keys, **self.times.counter, "max_connections": 100,
            "admin_token": ADMIN_TOKEN,
            "postgres_url": ",".join("%s:%d" % wire.address for wire in (first, second))})
            for _ in range(2)]
        self._ways = [self._proxies(hosts) for hosts in COUNTER_NAMES.values()]
        self.renders = [self._service("render-svc", {
            **self.times.render, "counter_url": f"http://{name}:{way[0].address[1]}",
            "max_connections": 100}) for name, way in zip(COUNTER_NAMES, self._ways)]
        self.doors = [self.stage.wire(render) for render in self.renders]
        for service in self.services:
            service.until_ready(120)
        self.mend()

    def _service(self, name, keys):
        group = MemoryGroup()
        self._groups.callback(group.remove)
        service = self.stage.service(name, keys, start=False, env=self.clock.environment)
        service.starter = group.starter
        service.group = group
        return service.start()

    def _proxies(self, hosts):
        """A proxy before each counter, both on one port, as replicas of a service are."""
        port = free_port(hosts)
        return [self.stage.proxy(counter, host=host, port=port)
                for counter, host in zip(self.counters, hosts)]

    def close(self):
        self._stack.close()

    # --- parts

    @property
    def services(self):
        return self.counters + self.renders

    @property
    def ledger(self):
        return self.database.ledger

    @property
    def postgres_wires(self):
        return list(self._wires.values())

    @property
    def counter_proxies(self):
        return [proxy for way in self._ways for proxy in way]

    def proxies_before(self, counter):
        return [proxy for proxy in self.counter_proxies if proxy.target == counter.address]

    @property
    def in_use(self):
        """The counter-svc that the first render-svc uses."""
        rank = self._ranks()[0]
        return next(counter for counter in self.counters
                    if counter.address == self._ways[0][rank].target)

    @property
    def idle(self):
        """The other one."""
        return next(counter for counter in self.counters if counter is not self.in_use)

    def _ranks(self):
        return [int(render.metric("pathcount_upstream_rank")) - 1 for render in self.renders]

    def let_both_write(self):
        """Makes each render-svc use a different counter-svc, until mend(). Waits until both have appended
        hits."""
        start = self.ledger.value("SELECT max(position) FROM pathcount_journal")

        def both_write():
            first, second = self._ranks()
            self._aim(self._ways[1], swapped=first == second)
            return self.ledger.value(
                "SELECT count(DISTINCT writer) FROM pathcount_journal "
                "WHERE position > %s AND writer <> 0 AND paths <> '{}'", start) == 2
        until(both_write, "both counter-svc to append", 30)

    def exchange_counters(self):
        """Makes each render-svc use the other counter-svc, until mend()."""
        for first, second in self._ways:
            first.target, second.target = second.target, first.target

    def _aim(self, way, swapped=False):
        for proxy, counter in zip(way, self.counters[::-1] if swapped else self.counters):
            proxy.target = counter.address

    def door_of(self, render):
        return self.doors[self.renders.index(render)]

    def mend(self):
        """Repairs everything after a fault. A promoted server gets a standby, too."""
        self.database.protect()
        for node in (self.database.primary, self.database.standby):
            self._wires[node.name].target = node.address
        for way in self._ways:
            self._aim(way)
        for proxy in self.counter_proxies:
            proxy.seen.clear()

    # --- state

    def memory_kb(self):
        """Resident memory of each service in kB, by name and number."""
        sizes = {}
        for number, service in enumerate(self.services):
            status = pathlib.Path(f"/proc/{service.pid}/status").read_text(encoding="ascii")
            rss = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
            sizes[f"{service.name} {number % 2 + 1}"] = int(rss.split()[1])
        return sizes

    def until_as_before(self, tally, path):
        """Waits until each render-svc answers a run of hits with 200, and both counters are ready.
        Returns the seconds until the last of the runs began."""
        start = time.monotonic()
        back = max(self._until_serving(door, tally, path, start) for door in self.doors)
        for counter in self.counters:
            counter.until_ready(BACK_S)
        return back

    def _until_serving(self, door, tally, path, start):
        successes, since = 0, start
        while successes < RUN_OF_SUCCESS:
            asked = time.monotonic()
            if successes == 0:
                since = asked
            assert since - start < BACK_S + 10, f"no run of 200s within {BACK_S + 10} s: {tally}"
            tally.sent[path] += 1
            if self.hit(door, tally, path):
                successes += 1
            else:
                successes = 0
                time.sleep(0.02)
        return since - start

    def hit(self, door, tally, path):
        """Sends one hit on a new connection. Returns whether the status was 200."""
        try:
            answer = ask(door.address, "GET", path, MINIMAL, timeout=8)
        except OSError as error:
            tally.lost.append((0, False, error))
            return False
        tally.statuses[answer.status] += 1
        if answer.status == 200:
            tally.acknowledged[path] += 1
            tally.numbers[path].append(answer.json()["count"])
        return answer.status == 200

    def crowd(self, service, number):
        """Opens silent connections to a service. The caller closes each one."""
        crowd = []
        for _ in range(number):
            with contextlib.suppress(OSError):
                crowd.append(Connection(service.address, timeout=2))
        return crowd
