"""Shared by the tests on a lab: the lab, the stack on it, loads and their audit.

They control the lab with the commands in swarm/, inspect it by its engines' sockets, and send HTTP requests
to each host's published port.
"""
import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading
import time

import pytest
from lablib import images, net, world

from . import wait

REPO = pathlib.Path(__file__).resolve().parents[2]
CLIENT = REPO / "tests" / "overlay" / "client" / "client.py"
REACH = CLIENT.with_name("reach.py")
CLIENT_IMAGE = f"{world.REGISTRY}/test-client:1"
DEADLINE_S = 5.0       # of a request, REQUEST_DEADLINE_MS in stack.yml
# for the way there and back on a busy machine; without a deadline, a request would take 15 s
MARGIN_S = 3.0


def traces():
    """The state of the machine that a lab could change."""
    saved = world.run("iptables-save", check=False).stdout
    mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return {
        "rules": [line for line in saved.splitlines() if line[:1] == "-"],
        "policies": re.findall(r"^:\S+ \S+", saved, re.MULTILINE),
        "links": [link["ifname"] for link in json.loads(world.run("ip", "-json", "link").stdout)],
        "routes": world.run("ip", "route").stdout,
        "mounts": sorted(line.split()[1] for line in mounts),
        "forwarding": pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="utf-8"),
    }


@contextlib.contextmanager
def made_lab(*words):
    """The lab of `swarm/lab up WORDS`. Uses a running one, extends it if it is smaller, and leaves it up. Takes a new
    one down at the end, and checks that nothing is left."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    settle_with_earlier_labs()
    was_up, before = world.recall() is not None, traces()
    try:
        made = lab("up", *words, timeout=1200)
        if made.returncode == 3:
            pytest.skip(made.stderr.strip())
        if made.returncode != 0:
            # Without a lab no test can run, so end the session instead of failing each test.
            pytest.exit(f"no lab: {made.stdout}{made.stderr}{logs()}", returncode=1)
        yield
    finally:
        if not was_up:
            ended = lab("down", timeout=300)
    if not was_up:
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert traces() == before


def is_own_lab():
    """Whether this process has made the running lab."""
    return (world.recall() or {}).get("owner") == [os.getpid(), world.began(os.getpid())]


def settle_with_earlier_labs():
    """Takes down the lab of a killed test run, waits for the end of that of a running one (there is one lab at a
    time), and in CI takes down any other lab."""
    deadline = time.monotonic() + 1500
    while (known := world.recall()) and not is_own_lab():
        owner = known.get("owner")
        if owner and world.began(owner[0]) == owner[1]:
            assert time.monotonic() < deadline, f"process {owner[0]} still uses the lab"
            time.sleep(1)
        elif owner or os.environ.get("CI") == "true":
            ended = lab("down", timeout=300)
            assert ended.returncode == 0, ended.stderr
        else:
            return


def lab(*words, timeout):
    return subprocess.run([REPO / "swarm" / "lab", *map(str, words)], check=False, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout,
                          env=os.environ | {"LAB_OWNER": str(os.getpid())})


def logs(lines=12):
    """The last lines of the lab's logs."""
    found = ""
    for log in sorted((world.KEEP / "log").glob("*")):
        told = log.read_text(errors="replace").splitlines()[-lines:]
        found += "".join(f"{log.name}: {line[:300]}\n" for line in told)
    return found


def until(condition, what, seconds, pause=0.2):
    """wait.until() with a longer pause, because most conditions here start a process."""
    return wait.until(condition, what, seconds, pause)


def docker(host, *arguments, **options):
    """Standard output of Docker's client on a host, without the newline at its end."""
    return world.docker(host, *arguments, **options).stdout.strip()


def remove_volume(host, volume):
    """Removes a volume with the containers that used it."""
    for container in docker(host, "ps", "--all", "--quiet", "--filter", f"volume={volume}").split():
        docker(host, "rm", "--force", container)
    docker(host, "volume", "rm", volume)


def get(host, path="/", timeout=10, port=None, **headers):
    """Requests a page at a host's published port. Returns (status, headers, body), or None without an answer."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port or world.LOCAL_PORT + host, timeout=timeout)
    try:
        connection.request("GET", path, headers={k.replace("_", "-"): v
                                                 for k, v in headers.items()})
        got = connection.getresponse()
        return got.status, dict(got.getheaders()), got.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def get_count(host, path, timeout=10):
    """The count in the answer to a GET of `path`, or None if the status is not 200."""
    got = get(host, path, timeout, Accept="application/json", Prefer="return=minimal")
    return json.loads(got[2])["count"] if got and got[0] == 200 else None


class Task:
    """A running task: its host, container and process."""

    def __init__(self, service, host, container):
        self.service, self.host, self.container = service, host, container

    @property
    def pid(self):
        return int(self.inspect("{{.State.Pid}}"))

    def inspect(self, form):
        return docker(self.host, "inspect", "--format", form, self.container)

    def addresses(self):
        """{network: address}, by the networks' names without the stack's."""
        networks = json.loads(self.inspect("{{json .NetworkSettings.Networks}}"))
        return {name.removeprefix(f"{world.STACK}_"): entry["IPAddress"]
                for name, entry in networks.items()}

    def addresses_of(self, name):
        """The number of addresses that Docker's resolver gives the task for a name."""
        question = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0)
        question += b"".join(bytes([len(word)]) + word.encode() for word in name.split("."))
        question += struct.pack(">BHH", 0, 1, socket.AF_INET - 1)
        done = self.in_network("/usr/bin/python3", "-c", ASK, question.hex(), check=False)
        return struct.unpack(">6H", bytes.fromhex(done.stdout)[:12])[3] if done.returncode == 0 else 0

    def in_network(self, *command, check=True, **options):
        """Runs a program of this machine in the task's network (netns labs only)."""
        return world.run("nsenter", f"--net=/proc/{self.pid}/ns/net", *command, check=check,
                         **options)


ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(bytes.fromhex(sys.argv[1]), ("127.0.0.11", 53))
print(s.recv(4096).hex())
"""


class Load:
    """A running client.py. `stop` ends it and returns its report."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def stop(self, seconds=60):
        """Ends it, or waits for its end if it has a fixed number of requests."""
        out, err = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, err
        return Report(json.loads(out))

    def end(self):
        """Ends it without a report, if it still runs because the test has failed."""
        if self.process.poll() is None:
            self.process.communicate(timeout=60)


class Report:
    def __init__(self, seen):
        self.sent = collections.Counter(seen["sent"])
        self.acked = collections.Counter(seen["acked"])
        self.unavailable, self.failed = seen["unavailable"], seen["failed"]
        self.refused, self.unreached = seen["refused"], seen["unreached"]
        self.times, self.by_address = sorted(seen["times"]), seen["by_address"]

    def __str__(self):
        text = (f"sent {self.sent.total()}, acknowledged {self.acked.total()}, "
                f"unavailable {self.unavailable}, failed {len(self.failed)}, "
                f"refused {self.refused}, unreached {self.unreached}")
        bad = [(start, end) for start, end, kind in self.times if kind != "acked"]
        if bad:
            text += f", these from {clock(bad[0][0])} to {clock(max(end for _, end in bad))} UTC"
        return text

    def whole_since(self):
        """The begin of the last uninterrupted run of acknowledged requests (wall clock)."""
        since = self.times[0][0]
        for _, end, kind in self.times:
            if kind != "acked":
                since = max(since, end)
        return since

    def slowest(self, kind):
        return max((end - start for start, end, k in self.times if k == kind), default=0)


def clock(moment):
    return time.strftime("%H:%M:%S", time.gmtime(moment))


class Watch:
    """Requests one path at a host's published port repeatedly, to observe an outage while it happens. The
    audit includes these hits."""

    def __init__(self, host, prefix):
        self.host, self.path = host, f"{prefix}watch-h{host}"
        self.sent = self.acked = 0
        self.seen = []              # (start, end, status or None)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stopping.wait(0.1):
            start = time.time()
            got = get(self.host, self.path, timeout=15, Accept="application/json",
                      Prefer="return=minimal")
            status = got and got[0]
            self.sent += 1
            self.acked += status == 200
            self.seen.append((start, time.time(), status))

    def stop(self):
        self._stopping.set()
        self._thread.join(30)

    def since(self, moment):
        return [entry for entry in list(self.seen) if entry[0] >= moment]

    def steady(self, seconds=5):
        """Whether all answers of the last `seconds` were 200, and there were at least three."""
        now = time.time()
        last = [status for _, end, status in list(self.seen) if end >= now - seconds]
        return len(last) >= 3 and set(last) == {200} and self.seen[0][0] <= now - seconds

    def last(self, number):
        return [status for *_, status in self.seen[-number:]]

    def whole_since(self):
        """The end of the last answer with another status than 200."""
        return max((end for _, end, status in list(self.seen) if status != 200), default=0)


class Reach:
    """reach.py in a task's network: observes when PostgreSQL can be reached there by its name. The name
    server is Swarm's, so this measures Swarm and not the services."""

    def __init__(self, task):
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/proc/{task.pid}/ns/net", "/usr/bin/python3", REACH,
             "tasks.postgres", "5432"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self):
        """The time when PostgreSQL last became reachable. None if it is not, because the task has ended."""
        changes = json.loads(self.process.communicate(timeout=60)[0])
        return changes[-1][0] if changes and changes[-1][1] else None


def all_hits(report, watches):
    """Ends the watches. Returns the sent and the acknowledged hits of the load and the watches, by path."""
    sent, acked = report.sent.copy(), report.acked.copy()
    for watch in watches:
        watch.stop()
        sent[watch.path] += watch.sent
        acked[watch.path] += watch.acked
    return sent, acked


@contextlib.contextmanager
def watching(hosts, prefix):
    watches = [Watch(host, prefix) for host in hosts]
    try:
        yield watches
    finally:
        for watch in watches:
            watch.stop()


class Stack:
    """The stack on the lab's Swarm, made once for a session. `shape` changes it to the form that a test
    needs."""

    def __init__(self, hosts, tag="lab", manager=2, patience=1):
        self.hosts, self.tag, self.patience = hosts, tag, patience
        self.manager = manager      # the host of commands; tests kill others
        self.form = None
        self.disturbed = True       # until a check shows that it is not

    # Commands.

    def command(self, name, *arguments, check=True, host=None, **environ):
        """Runs swarm/NAME; returns it completed."""
        number = self.manager if host is None else host
        done = subprocess.run(
            [REPO / "swarm" / name, *arguments], check=False, text=True, timeout=900,
            capture_output=True, stdin=subprocess.DEVNULL,
            env=images.environment(number, **{"TAG": self.tag} | environ))
        assert not check or done.returncode == 0, f"swarm/{name}: {done.stdout}{done.stderr}"
        return done

    def lab(self, *words, check=True):
        self.disturbed |= words[0] in ("kill", "cut")
        done = lab(*words, timeout=600)
        assert not check or done.returncode == 0, f"swarm/lab {words}: {done.stdout}{done.stderr}"
        return done

    def function(self, name, *words):
        """Calls a function of swarm/common.sh; returns its standard output."""
        done = subprocess.run(
            ["bash", "-c", 'source "$0"; "$@"', REPO / "swarm" / "common.sh", name, *map(str, words)],
            check=False, text=True, timeout=900, capture_output=True, stdin=subprocess.DEVNULL,
            env=images.environment(self.manager, WAIT_S=str(300 * self.patience)))
        assert done.returncode == 0, f"{name} {words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def swarm(self, *words):
        """Runs Docker's client on a manager, and repeats it while Swarm has no leader or requests a retry.
        Returns the standard output."""
        return self.function("retried", world.DOCKER, *words)

    def recover(self):
        """Brings killed and cut-off hosts back after a test. Waits until every node is ready and every
        replica runs."""
        if self.disturbed:
            for host in self.hosts:
                self.lab("revive", host)
                self.lab("mend", host)
            self.command("wait", "--nodes", WAIT_S=str(180 * self.patience))
            self.disturbed = False

    def shape(self, *overrides, renderers, counters, apart=False):
        """Deploys stack.yml with these overrides and numbers of replicas, and waits until all replicas run
        and a page is served. Does nothing if the stack has this form. `apart`: counter-svc runs on the
        database's host, so that all traffic of other hosts' renderers crosses the overlay."""
        form = (overrides, renderers, counters, apart)
        if form != self.form or not self.settled():
            self.form = None
            self.command("deploy", *overrides, "--wait", RENDER_REPLICAS=str(renderers),
                         COUNTER_REPLICAS=str(counters), WAIT_S=str(300 * self.patience))
            if apart:
                self._put_counters_beside_database()
            self.form = form
        if "--host-ports" in overrides:
            for host in self.hosts:
                until(lambda h=host: get_count(h, "/shape"), f"a page at host {host}", 120)

    def _put_counters_beside_database(self):
        self.function("update_service", "counter-svc", "--constraint-add",
                      "node.labels.pathcount.ledger == true")
        until(lambda: {task.host for task in self.tasks("counter-svc")}
              == {self.database_host()}, "the counters to be on the database's host", 60)

    def settled(self):
        """Whether every replica of every service runs."""
        listed = docker(self.manager, "stack", "services", world.STACK, "--format",
                        "{{.Replicas}}", check=False)
        pairs = [line.split()[0].split("/") for line in listed.splitlines()]
        return len(pairs) >= 3 and all(have == want for have, want in pairs)

    def only(self, service, number):
        """Waits until exactly this number of a service's containers is left, and the others have drained."""
        until(lambda: len(self.tasks(service)) == number and self.settled(), f"{number} of {service} alone",
              120 * self.patience, pause=0.2 * self.patience)

    def running_under_load(self, prefix, more=200):
        """Waits until `more` further hits of a running load are stored."""
        goal = self.stored(prefix).total() + more
        until(lambda: self.stored(prefix).total() >= goal, f"{more} more hits under {prefix}", 60)

    # Inspection.

    def tasks(self, service):
        """The containers of a service that run now, on the hosts that answer."""
        found = []
        for host in self.hosts:
            listed = docker(host, "ps", "--quiet", "--filter", "label=com.docker.swarm.service."
                            f"name={world.STACK}_{service}", check=False, timeout=60)
            found += [Task(service, host, container) for container in listed.split()]
        return found

    def complaints(self, since, most=25):
        """The last warnings and errors that counter-svc and render-svc have logged since then (wall clock),
        with those of ended tasks, in order of time."""
        found = []
        for host in self.hosts:
            listed = docker(host, "ps", "--all", "--format", "{{.ID}} {{.Names}}", "--filter",
                            f"label=com.docker.stack.namespace={world.STACK}", check=False, timeout=60)
            for container, name in (line.split() for line in listed.splitlines()):
                if "-svc." in name:
                    logs = world.docker(host, "logs", "--since", f"{since:.3f}", container, check=False, timeout=60)
                    lines = (line.partition(" ") for line in (logs.stdout + logs.stderr).splitlines())
                    found += [f"{at} h{host} {text[:200]}" for at, _, text in lines
                              if text.startswith(("level=warning", "level=error"))]
        return "\n".join(sorted(found)[-most:])

    def task(self, service, host):
        return next(task for task in self.tasks(service) if task.host == host)

    def database_host(self):
        return self.tasks("postgres")[0].host

    def sql(self, query):
        """Rows of a query, as lists of text, asked by the superuser on the server itself."""
        task = until(lambda: self.tasks("postgres"), "PostgreSQL's task", 60)[0]
        out = docker(task.host, "exec", task.container, "psql", "--username=postgres",
                     "--dbname=pathcount", "--no-psqlrc", "--tuples-only", "--no-align",
                     "--field-separator=\t", "--command", query)
        return [line.split("\t") for line in out.splitlines()]

    def counts(self, condition):
        """The counts of paths now, including hits that are not folded. A schema before the journal has all
        hits in its table."""
        view = self.sql("SELECT to_regclass('pathcount_now')")[0][0] or "pathcount"
        rows = self.sql(f"SELECT path, count FROM {view} WHERE {condition}")
        return collections.Counter({path: int(count) for path, count in rows})

    def stored(self, prefix):
        return self.counts(f"starts_with(path, '{prefix}')")

    def audit(self, prefix, sent, acked, exact):
        """Checks acknowledged ≤ stored ≤ sent for every path, with equality if no request had an unknown
        outcome."""
        stored = self.stored(prefix)
        wrong = [(path, acked[path], stored[path], sent[path]) for path in sent | stored
                 if not acked[path] <= stored[path] <= sent[path]
                 or (exact and stored[path] != acked[path])]
        assert not wrong, f"(path, acknowledged, stored, sent): {wrong[:10]}"
        return stored.total()

    # Loads.

    def start_client(self, network="public", host=None):
        """A task for loads, on one of the stack's networks."""
        name = f"test-client-{network}"
        known = self.swarm("service", "ls", "--quiet", "--filter", f"name={name}")
        if not known:
            self.swarm("service", "create", "--detach", "--name", name, "--init",
                        "--network", f"{world.STACK}_{network}", "--constraint",
                        f"node.hostname==pathcount-h{host or self.manager}", CLIENT_IMAGE)
        return until(lambda: self._client(name), f"{name} to run", 180 * self.patience)

    def client_knows(self, name, number):
        """Waits until the client's host resolves a name to this number of addresses. Hosts exchange them by
        gossip, which can take half a minute on a busy machine."""
        client = self.start_client()
        until(lambda: client.addresses_of(name) == number,
              f"{number} addresses for {name}", 120 * self.patience)

    def _client(self, name):
        for host in self.hosts:
            listed = docker(host, "ps", "--quiet", "--filter",
                            f"label=com.docker.swarm.service.name={name}", check=False, timeout=60)
            if listed:
                return Task(name, host, listed.split()[0])
        return None

    def stop_clients(self):
        names = self.swarm("service", "ls", "--format", "{{.Name}}").split()
        for name in names:
            if name.startswith("test-client"):
                self.swarm("service", "rm", name)

    def load_inside(self, prefix, target="tasks.render-svc:8080", **options):
        """A load from within the public network."""
        task = self.start_client()
        return Load([world.DOCKER, "-H", f"unix://{world.host_socket(task.host)}", "exec", "-i",
                     task.container, "/usr/bin/python3", "/client.py", "--target", target,
                     "--prefix", prefix, *flags(options)])

    @staticmethod
    def load_on(host, prefix, **options):
        """A load from a host itself to its own published port, also while it is cut off."""
        return Load([*net.within(world.host_netns(host)), "/usr/bin/python3", str(CLIENT),
                     "--target", f"{world.host_address(host)}:{world.PAGE_PORT}",
                     "--prefix", prefix, *flags(options)])


def query(stack, expression):
    """The samples of an instant query, asked by promtool inside Prometheus' own task."""
    task, = stack.tasks("prometheus")
    said = docker(task.host, "exec", task.container, "promtool", "query", "instant",
                  "--format=json", "http://127.0.0.1:9090", expression, check=False)
    return json.loads(said) if said.startswith("[") else []


def flags(options):
    words = []
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        words += [] if value is True else [str(value)]
    return words


def vxlan_packets(host):
    """The number of VXLAN packets that have reached the host since the first call."""
    rules = [*net.within(world.host_netns(host)), "iptables", "-w"]
    rule = ["INPUT", "-p", "udp", "--dport", "4789"]
    if world.run(*rules, "-C", *rule, check=False).returncode != 0:
        world.run(*rules, "-I", *rule)
    for line in world.run(*rules, "-vnxL", "INPUT").stdout.splitlines():
        if "dpt:4789" in line:
            return int(line.split()[0])
    raise AssertionError("the counting rule is not there")


