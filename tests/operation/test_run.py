"""`make run`: any signal to any of its processes ends all of them, and the remains of a SIGKILL do not disturb
the next run."""

import contextlib
import http.client
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from harness.ports import free_port
from harness.services import ROOT
from harness.wait import until

START_S = 120  # on a busy machine, including the creation of a cluster
END_S = 60


class Run:
    """A running `make run` in its own session, with its output in a file. `terminal`: the session has a
    terminal, which `close_terminal` closes."""

    def __init__(self, folder, terminal=False, **environ):
        self.port, self.folder = free_port(), folder
        self.output = folder / f"output-{self.port}"
        keep, self.terminal = pty.openpty() if terminal else (None, None)
        with open(self.output, "wb") as output:
            self.make = subprocess.Popen(
                ["make", "run", f"PORT={self.port}"], cwd=ROOT, start_new_session=True,
                stdin=self.terminal if terminal else subprocess.DEVNULL, stderr=subprocess.STDOUT,
                stdout=output, env={**os.environ, "RUN_DIR": str(folder), "MAKEFLAGS": "", **environ},
                preexec_fn=(lambda: os.close(os.open(os.ttyname(0), os.O_RDWR))) if terminal else None)
        if terminal:
            os.close(self.terminal)
        self.terminal = keep

    def said(self):
        return self.output.read_text(errors="replace")

    def get(self, path="/a"):
        """The count in the answer to a GET of the path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept": "application/json"})
            return json.loads(connection.getresponse().read())["count"]

    def until_ready(self):
        until(lambda: "Ctrl-C stops it" in self.said() or self.make.poll() is not None,
              "make run to be ready", START_S, pause=0.1)
        assert self.make.poll() is None, self.said()
        return self

    def processes(self):
        """{process id: name} of its session, and of PostgreSQL, which has its own session."""
        found = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                name, _, rest = stat.read_text().partition("(")[2].rpartition(") ")
                state, _, _, session, *_ = rest.split()
                if int(session) == self.make.pid and state != "Z":
                    found[int(stat.parent.name)] = name
        with contextlib.suppress(OSError):
            server = int((self.cluster() / "postmaster.pid").read_text().split()[0])
            os.kill(server, 0)
            found[server] = "postgres"
        return found

    def cluster(self):
        """The folder of the cluster. For root it is in a place that the user postgres may enter."""
        inside = self.folder / "postgresql"
        other = re.search(r"the cluster is in (\S+)", self.said())
        return pathlib.Path(other[1]) if other else inside

    def pid_of(self, name):
        return next(pid for pid, its in self.processes().items() if its == name)

    def until_ended(self):
        """Waits until make has ended and no process runs. Returns make's exit status."""
        status = self.make.wait(END_S)
        until(lambda: not self.processes(), f"the end of {self.processes()}", END_S, pause=0.1)
        with pytest.raises(ConnectionRefusedError):
            self.get()
        return status

    def close(self):
        """Ends everything that it has left running, by all means."""
        if self.make.poll() is None:
            self.make.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.make.wait(END_S)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.make.wait(END_S)
        until(lambda: not self.processes(), "its end", END_S, pause=0.1)


@pytest.fixture(scope="module")
def folder():
    """The folder in which `make run` keeps its files. The user postgres may enter it, too."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="pathcount-run-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def start(folder):
    """Starts a `make run` in the folder. All of them are ended after the test."""
    started = []

    def one(**how):
        started.append(Run(folder, **how))
        return started[-1]
    yield one
    for run in started:
        run.close()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL"])
def test_a_signal_to_make_only_ends_everything(start, name):
    run = start().until_ready()
    before = run.get()
    assert {"make", "counter-svc", "render-svc", "postgres"} <= set(run.processes().values())
    os.kill(run.make.pid, signal.Signals[name])
    run.until_ended()
    assert not list(run.folder.glob("processes"))
    assert start().until_ready().get() == before + 1  # the counts are kept


def test_ctrl_c_ends_everything_once(start):
    run = start().until_ready()
    os.killpg(run.make.pid, signal.SIGINT)
    os.killpg(run.make.pid, signal.SIGINT)
    run.until_ended()
    assert run.said().count("run: stopped; the counts are kept") == 1


def test_closing_the_terminal_ends_everything(start):
    run = start(terminal=True).until_ready()
    os.close(run.terminal)
    run.until_ended()


def test_a_signal_during_the_start_ends_everything(start):
    run = start()
    until(lambda: "bash" in run.processes().values() and (run.folder / "processes").exists(),
          "the first service to be started", START_S)
    os.kill(run.make.pid, signal.SIGTERM)
    run.until_ended()


def test_the_end_of_a_service_ends_everything(start):
    run = start().until_ready()
    os.kill(run.pid_of("counter-svc"), signal.SIGKILL)
    assert run.until_ended() != 0
    assert "run: counter-svc ended" in run.said()


def test_the_next_run_takes_over_after_a_sigkill(start):
    """make and tools/run are killed at once, so neither can stop anything."""
    killed = start().until_ready()
    before = killed.get()
    runner = int((killed.folder / "lock").read_text())
    os.kill(runner, signal.SIGKILL)
    left = {name for name in killed.processes().values() if name != "make"}
    assert {"counter-svc", "render-svc", "postgres"} <= left
    run = start().until_ready()
    for name in ("counter-svc", "render-svc", "PostgreSQL"):
        assert f"run: stopping {name}" in run.said()
    assert run.get() == before + 1
    os.kill(run.make.pid, signal.SIGTERM)
    run.until_ended()
    killed.until_ended()


def test_a_second_run_names_the_first(start):
    first = start().until_ready()
    second = start()
    assert second.make.wait(END_S) != 0
    pid, = re.findall(r"stop it with: kill (\d+)", second.said())
    assert first.get() > 0
    os.kill(int(pid), signal.SIGTERM)
    first.until_ended()
