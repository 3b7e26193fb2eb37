"""Control groups: every process of the lab is in one, so that the lab can find and end it.

pathcount-lab/HOST/engine holds what the lab starts itself (an engine and its children), and
pathcount-lab/HOST/containers what the engine starts (daemon.json's cgroup-parent). Both versions of control
groups work. With version 1, the lab uses the `pids` controller.
"""
import os
import pathlib
import signal
import time

from .world import Unable, wait_for

ROOT = pathlib.Path("/sys/fs/cgroup")
TOP = "pathcount-lab"
SHARES_OF_A_HOST = 4096     # a process outside has 1024


def hierarchy():
    """The mount that lists the processes of a group."""
    for place in (ROOT, ROOT / "pids"):
        if (place / "cgroup.procs").exists():
            return place
    raise Unable("there are no control groups at /sys/fs/cgroup; Docker's engines need them")


def containers_parent(host):
    return f"/{TOP}/{host}/containers"


def engine_group(host):
    """Makes the group of the lab's own processes for `host`. Returns the file to which a process writes its
    id to enter the group."""
    group = hierarchy() / TOP / host / "engine"
    group.mkdir(parents=True, exist_ok=True)
    return group / "cgroup.procs"


def weigh(hosts):
    """Gives the lab's tasks the CPU shares of this number of hosts. With version 1, they would share the
    weight of one process."""
    group = ROOT / "cpu" / TOP
    if group.parent.exists():
        group.mkdir(exist_ok=True)
        (group / "cpu.shares").write_text(str(SHARES_OF_A_HOST * hosts))


def processes(host=""):
    """The ids of all processes of one host, or of the whole lab."""
    found = set()
    for folder, _, files in os.walk(hierarchy() / TOP / host):
        if "cgroup.procs" in files:
            try:
                found.update(map(int, pathlib.Path(folder, "cgroup.procs").read_text().split()))
            except OSError:
                pass  # the group ended meanwhile
    return found


def kill(host=""):
    """Kills every process of a host, or of the lab, until none is left. An engine that is starting a task may
    add one meanwhile."""
    def all_dead():
        alive = processes(host)
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not alive
    wait_for(f"the processes of {host or 'the lab'} to end", all_dead, 20, interval=0.05)
    _remove_groups(host)


def _remove_groups(host):
    """Removes the empty groups, in every hierarchy that has them."""
    deadline = time.monotonic() + 5
    tops = [ROOT / TOP / host] + [place / TOP / host for place in ROOT.iterdir() if place.is_dir()]
    for top in tops:
        while top.exists() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    time.sleep(0.02)  # a process that has just ended may still hold it
