"""Repeated synchronous commits at each of the three servers, and the record of confirmed ones.

Each uses its own connection to one server, inside that server's network, so that it also reaches a server
that is cut off.
"""
import json
import os
import pathlib
import subprocess
import threading

from harness.lab import docker
from members import MEMBERS

ASK = pathlib.Path(__file__).with_name("ask.py")
LOOK_S = 2      # interval of the search for a server's container


class Commits:
    def __init__(self, stack):
        self.stack = stack
        self.seen = []      # (cluster, timeline, member, start, end)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._follow, args=(member,)) for member in MEMBERS]
        for thread in self._threads:
            thread.start()

    def _follow(self, member):
        while not self._stopping.is_set():
            tasks = self._tasks(member)
            if tasks:
                self._ask(member, tasks[0])
            self._stopping.wait(LOOK_S)

    def _tasks(self, member):
        try:
            return self.stack.tasks(f"postgres-{member}")
        except Exception:  # pylint: disable=broad-except
            return []       # the engine is being killed

    def _ask(self, member, task):
        try:
            pid = task.pid
            password = docker(task.host, "exec", task.container, "cat", "/run/secrets/ledger_pw")
        except Exception:  # pylint: disable=broad-except
            return
        with subprocess.Popen(
                ["nsenter", f"--net=/proc/{pid}/ns/net", "/usr/bin/python3", ASK],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.stdin.write(password + "\n")
            process.stdin.flush()
            reader = threading.Thread(target=self._read, args=(member, process))
            reader.start()
            while not self._stopping.wait(LOOK_S) and process.poll() is None and \
                    os.path.exists(f"/proc/{pid}"):
                pass
            process.stdin.close()
            process.kill()
            reader.join()

    def _read(self, member, process):
        for line in process.stdout:
            cluster, timeline, start, end = json.loads(line)
            self.seen.append((cluster, timeline, member, start, end))

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def of(self, member, since):
        """The commits that began after this moment (wall clock) and that this server confirmed."""
        return [one for one in list(self.seen) if one[2] == member and one[3] > since]

    def check(self):
        """Checks that a timeline belongs to one server, and that after a confirmed commit on a later timeline
        no commit that began afterwards was confirmed on an earlier one."""
        assert self.seen, "no commit was confirmed at all"
        for cluster in {one[0] for one in self.seen}:
            self._check([one[1:] for one in self.seen if one[0] == cluster])

    @staticmethod
    def _check(seen):
        owners = {}
        for timeline, member, *_ in seen:
            owners.setdefault(timeline, set()).add(member)
        assert all(len(members) == 1 for members in owners.values()), owners
        latest, since = 0, 0
        for timeline, member, start, end in sorted(seen, key=lambda one: one[3]):
            if timeline > latest:
                latest, since = timeline, end
            assert timeline == latest or start < since, \
                f"server {member} confirmed a commit on timeline {timeline} after one on {latest}"
