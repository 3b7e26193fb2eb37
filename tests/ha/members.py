"""The stack with three database servers, and faults of their processes."""
import collections
import json
import os
import pathlib
import signal

from harness.lab import Stack, Task, docker, until, world

MEMBERS = ("a", "b", "c")
REPOSITORY_HOST = 4
LOAD_HOST = 5           # a worker, which no test stops
WELL_S = 180            # limit until three servers and a synchronous standby run again


class HaStack(Stack):
    """Server a is on host 1, b on 2, c on 3, unless a test has moved it. The repository is on host 4."""

    def __init__(self, hosts):
        super().__init__(hosts)
        self.places = {member: number for number, member in enumerate(MEMBERS, start=1)}

    def host_of(self, member):
        return self.places[member]

    def away(self, host):
        """Sends commands to another manager from now on."""
        self.manager = next(h for h in (1, 2, 3) if h != host)

    def servers(self):
        """{member: task} of the servers that run on hosts that answer."""
        found = {}
        for member in MEMBERS:
            for task in self.tasks(f"postgres-{member}"):
                found[member] = task
        return found

    def ask(self, *words):
        """The answer of the first member that gives one, as lines of words; empty if none does."""
        for task in self.servers().values():
            if task.host in self.unreachable:
                continue
            said = docker(task.host, "exec", task.container, "ha", *words, check=False, timeout=20)
            if said:
                return [line.split() for line in said.splitlines()]
        return []

    unreachable = frozenset()   # hosts that are cut off: their engines answer with old state

    def primary(self):
        """The member that holds the lock, or None."""
        said = self.ask("primary")
        return said[0][0] if said else None

    def roles(self):
        """{member: (role, state)}"""
        return {words[0]: (words[1], words[2]) for words in self.ask("status") if len(words) >= 3}

    def is_well(self):
        """Three servers and a synchronous standby run. An AssertionError with the roles if not."""
        roles = self.roles()
        assert sorted(role for role, _ in roles.values()) == ["leader", "replica", "sync_standby"] and all(
            state in ("running", "streaming") for _, state in roles.values()), f"{self.places}: {roles}"
        return True

    def until_well(self, seconds=WELL_S):
        try:
            until(self.is_well, "three servers and a synchronous standby", seconds, pause=1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.troubles()}") from error

    def troubles(self):
        """The state of every host and of the servers' tasks, and the last lines of their logs."""
        said = docker(self.manager, "node", "ls", check=False, timeout=20)
        for member in MEMBERS:
            for service in (f"etcd-{member}", f"postgres-{member}"):
                said += "\n" + docker(self.manager, "service", "ps", "--no-trunc", "--format",
                                      "{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}",
                                      f"{world.STACK}_{service}", check=False, timeout=20)
                for task in self.tasks(service):
                    logs = world.docker(task.host, "logs", "--tail", "12", task.container, check=False, timeout=20)
                    said += "\n" + logs.stdout + logs.stderr
        return said

    def recover(self):
        self.unreachable = frozenset()
        super().recover()
        self.until_well()

    def etcd_status(self, member):
        """The state of a member of etcd: `header.member_id` and the leader."""
        task, = self.tasks(f"etcd-{member}")
        return json.loads(self._etcdctl(task, "endpoint", "status", "--write-out=json"))[0]["Status"]

    @staticmethod
    def _etcdctl(task, *words):
        return docker(task.host, "exec", "--env", "ETCDCTL_API=3", task.container, "etcdctl", *words)

    def etcd_leader(self):
        """The member whose etcd leads the others."""
        known = {member: self.etcd_status(member) for member in MEMBERS if
                 self.host_of(member) not in self.unreachable}
        leaders = {status["leader"] for status in known.values()}
        return next((member for member, status in known.items()
                     if leaders == {status["header"]["member_id"]}), None)

    def lead_etcd(self, member):
        """Makes this member the leader."""
        leader = self.etcd_leader()
        if leader != member:
            task, = self.tasks(f"etcd-{leader}")
            self._etcdctl(task, "move-leader", f"{self.etcd_status(member)['header']['member_id']:x}")

    def tasks(self, service):
        """Like Stack.tasks. Looks for a member on its own host; `postgres` is the primary."""
        if service == "postgres":
            if not self.servers():
                return super().tasks(service)   # between two forms of the stack there is one
            primary = self.primary()
            return self.tasks(f"postgres-{primary}") if primary else []
        if service[-2:-1] != "-" or service[-1] not in MEMBERS:
            return super().tasks(service)
        host = self.host_of(service[-1])
        listed = docker(host, "ps", "--quiet", "--filter", "label=com.docker.swarm.service."
                        f"name={world.STACK}_{service}", check=False, timeout=60)
        return [Task(service, host, container) for container in listed.split()]

    def stored(self, prefix):
        rows = self.sql("SELECT path, count FROM pathcount_now "
                        f"WHERE starts_with(path, '{prefix}')")
        return collections.Counter({path: int(count) for path, count in rows})

    def processes(self, service):
        """{process id: its command} of the service's containers, as this machine numbers them."""
        found = {}
        for task in self.tasks(service):
            inside = os.readlink(f"/proc/{task.pid}/ns/pid")
            for folder in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    if os.readlink(folder / "ns/pid") == inside:
                        found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(
                            b"\0", b" ").decode(errors="replace")
                except OSError:
                    pass  # the process has ended
        return found

    def pids_of(self, program, member):
        """The processes of `program` (postgres, patroni or etcd) at a member."""
        service = f"etcd-{member}" if program == "etcd" else f"postgres-{member}"
        return [pid for pid, command in self.processes(service).items()
                if is_program(program, command)]


def is_program(program, command):
    if program == "patroni":
        return "/ha-patroni " in command
    if program == "postgres":
        return command.startswith("postgres:") or "/bin/postgres " in command
    return command.startswith("etcd ")


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def kill(pids):
    send(pids, signal.SIGKILL)
