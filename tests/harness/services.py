"""counter-svc and render-svc as processes.

Every service that a test starts must keep the same promises until its end: it listens within a deadline, logs
only key=value lines without secrets, ends with status 0 after a signal, and has no report of a sanitizer.
"""

import json
import os
import re
import signal
import subprocess

import yaml

from .http import get
from .ports import free_port
from .wait import PATIENCE_S, until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD_DIR = os.path.join(ROOT, os.environ.get("BUILD_DIR", "build"))
SANITIZED = bool(re.search("address|undefined|thread|coverage", os.path.basename(BUILD_DIR)))

TOKEN = "token-5f1d0c6be2a94d5f8f53"  # the same in every process of a run, because test names contain it

ADMIN_TOKEN = "admin-token-0b7de2f5c1a8463e"

SECRET_KEYS = ("counter_token", "counter_token_previous", "admin_token", "postgres_pw", "postgres_pw_previous",
               "postgres_url")

SANITIZER = re.compile(
    r"ERROR: (Address|Leak|Memory|UndefinedBehavior)Sanitizer|WARNING: ThreadSanitizer"
    r"|runtime error:|AddressSanitizer:DEADLYSIGNAL")

PAIR = re.compile(r'([a-z][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^\s"=]+)(?: |$)')


def parse_log_line(line):
    """The pairs of a log line, or None if it is neither a sequence of pairs nor one JSON object."""
    if line.startswith("{"):
        pairs = json.loads(line, object_pairs_hook=list)
        return dict(pairs) if len(dict(pairs)) == len(pairs) else None
    pairs, position = {}, 0
    while position < len(line):
        match = PAIR.match(line, position)
        if not match or match[1] in pairs:
            return None
        pairs[match[1]] = match[2]
        position = match.end()
    return pairs


def program(name, folder=BUILD_DIR):
    path = os.path.join(folder, name)
    assert os.access(path, os.X_OK), f"{path} is not built"
    return path


def environment(**variables):
    """The environment of a service: only PATH and the options of sanitizers are inherited."""
    kept = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **kept, **variables}


def run(name, *arguments, env=None, timeout=PATIENCE_S):
    """Runs a program to its end and returns its status, stdout and stderr."""
    return subprocess.run(
        [program(name), *arguments], env=environment(**(env or {})), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=timeout, check=False)


class Service:
    """A running service. `keys` are its configuration keys, which it gets in a file. Without keys, only its
    environment configures it."""

    starter = ()  # a command that becomes the service, such as `setpriv`
    build_dir = BUILD_DIR  # where its program is

    def __init__(self, name, folder, keys, env=None):
        self.name = name
        self.keys = keys and {
            "listen": f"127.0.0.1:{free_port()}", "admin_listen": f"127.0.0.1:{free_port()}",
            "counter_token": TOKEN, **keys}
        self.env = env or {}
        self.folder = folder
        self.process = None
        self.starts = 0
        self._killed = False
        self._status = 0
        self.log_path = None

    # --- life

    def start(self):
        """Starts it and waits until the log names both listeners. A restarted service keeps its ports."""
        self.launch()
        return self.attach()

    def attach(self):
        """Waits until a launched service has logged its addresses."""
        self.address = until(lambda: self._listening("main"), f"{self.name} to listen")
        self.admin = until(lambda: self._listening("admin"), f"{self.name}'s admin listener")
        if self.keys:
            self.keys["listen"], self.keys["admin_listen"] = (
                ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)
                for host, port in (self.address, self.admin))
        return self

    def launch(self):
        """Starts it without waiting for anything."""
        command = [*self.starter, program(self.name, self.build_dir)]
        self.starts += 1
        base = os.path.join(self.folder, f"{self.name}-{id(self):x}-{self.starts}")
        self.log_path = base + ".log"
        if self.keys:
            command += ["--config", base + ".yml"]
            with open(base + ".yml", "w", encoding="utf-8") as file:
                yaml.safe_dump(self.keys, file, allow_unicode=True)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, env=environment(**self.env), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._killed = False

    def _listening(self, listener):
        if self.process.poll() is not None:  # no assertion, which would mean "not yet"
            raise RuntimeError(
                f"{self.name} ended with {self.process.returncode}: {self.log()[-2000:]}")
        for event in self.events("listening"):
            if event.get("listener") == listener:
                host, _, port = event["address"].rpartition(":")
                return (host.strip("[]"), int(port))
        return None

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """Ends it by SIGKILL, as part of the test."""
        self._killed = True
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def restart(self):
        """Starts it again after its end, on the same ports."""
        assert not self.is_running
        return self.start()

    def freeze(self):
        self.signal(signal.SIGSTOP)
        until(lambda: self._state() == "T", f"{self.name} to stop")

    def thaw(self):
        self.signal(signal.SIGCONT)

    def memory_bytes(self):
        """Its resident memory."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            return int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.MULTILINE)[1]) * 1024

    def cpu_seconds(self):
        """The CPU time that it has used."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            ticks = file.read().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def metric(self, name):
        """The value of one of its metrics."""
        text = get(self.admin, "/metrics").text
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])

    def _state(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0]

    def expect_status(self, status):
        """Expects another exit status than 0."""
        self._status = status

    def ended(self, seconds=PATIENCE_S):
        """Waits for its end after a signal from the test, and returns the exit status."""
        return self.process.wait(seconds)

    def stop(self):
        """Ends it without drain time."""
        if self.process is None:
            return
        if self.is_running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._killed = True
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"{self.name} did not end within {PATIENCE_S} s: {self.log()[-2000:]}") from None

    def assert_kept_its_promises(self):
        """Checks the promises that every service must keep."""
        log = self.log()
        assert not SANITIZER.search(log), log[-6000:]
        for key, value in {"counter_token": TOKEN, **(self.keys or {})}.items():
            assert key not in SECRET_KEYS or value not in log, f"{self.name} has logged its {key}"
        if self._killed:
            return
        assert self.process.returncode == self._status, \
            f"{self.name} ended with {self.process.returncode}: {log[-3000:]}"
        for line in log.splitlines():
            pairs = parse_log_line(line)
            assert pairs and {"ts", "level", "service", "event"} <= set(pairs), \
                f"not a line of key=value: {line!r}"
            assert pairs["service"] == self.name, line
            assert line.startswith("{") == ((self.keys or {}).get("log_format") == "json"), line

    # --- its log and readiness

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def events(self, name=None):
        """The log's lines as dicts, those of one event or all."""
        lines = self.log().split("\n")[:-1]  # the text after the last newline is an incomplete line
        parsed = [pairs for line in lines if (pairs := parse_log_line(line))]
        return [pairs for pairs in parsed if name in (None, pairs.get("event"))]

    def ready(self):
        """The admin listener's answer to GET /ready."""
        return get(self.admin, "/ready")

    def is_ready(self):
        return self.ready().status == 200

    def until_ready(self, seconds=PATIENCE_S):
        until(self.is_ready, f"{self.name} to be ready", seconds)
        return self
