"""Control groups that limit memory, of version 1 or 2."""

import contextlib
import errno
import itertools
import os
import pathlib

from harness.wait import until

ROOT = pathlib.Path("/sys/fs/cgroup")
PAGE = 4096

_numbers = itertools.count()


class MemoryGroup:
    """A new control group, without a limit at first."""

    def __init__(self):
        self._old = (ROOT / "memory" / "memory.limit_in_bytes").exists()
        top = ROOT / "memory" if self._old else ROOT
        if not self._old:
            (top / "cgroup.subtree_control").write_text("+memory")
        self.folder = top / f"pathcount-faults-{os.getpid()}-{next(_numbers)}"
        self.folder.mkdir()

    @property
    def starter(self):
        """The prefix of a command that runs it in the group, and ends it with its parent."""
        return ["setpriv", "--pdeathsig", "KILL", "sh", "-c", 'echo $$ > "$0" && exec "$@"',
                str(self.folder / "cgroup.procs")]

    @property
    def used(self):
        name = "memory.usage_in_bytes" if self._old else "memory.current"
        return int((self.folder / name).read_text())

    @contextlib.contextmanager
    def limited(self, size):
        """Limits memory to `size` bytes for the time of the block. The kernel kills a process that needs
        more."""
        limit = self.folder / ("memory.limit_in_bytes" if self._old else "memory.max")
        limit.write_text(str(size // PAGE * PAGE))
        try:
            yield
        finally:
            limit.write_text("-1" if self._old else "max")

    def remove(self):
        """Removes the group. A killed process stays in it until its parent has reaped it."""
        until(self._removed, f"{self.folder} is removed")

    def _removed(self):
        try:
            self.folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True
