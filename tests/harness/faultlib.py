"""Libraries that tests preload into a process (tests/faultlib): failing calls, a name with several addresses,
and a wall clock that tests set."""

import os
import shutil
import struct
import tempfile
import time

from .services import BUILD_DIR, environment


def preloading(library, **variables):
    """An environment that preloads a library."""
    asan = environment().get("ASAN_OPTIONS", "")  # its runtime must be the first library
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0".lstrip(":"),
            **variables}


def _built(name):
    path = os.path.join(BUILD_DIR, name)
    assert os.path.exists(path), f"{path} is not built"
    return path


def failing(*calls):
    """An environment in which calls fail. Each failure is (function, first call, last call, error number),
    with an optional fifth value n: every n-th call fails."""
    return preloading(_built("faultlib.so"), PATHCOUNT_FAILING=" ".join(
        f"{function}:{first}-{last}:{number}" + "".join(f"/{n}" for n in step)
        for function, first, last, number, *step in calls))


class Name:
    """A host name whose addresses a test can change at any time. Services that run with its `env` resolve it."""

    name = "counters.test"

    def __init__(self, folder):
        self._file = os.path.join(folder, f"hosts-{id(self):x}")
        self.set()
        self.env = preloading(_built("faultlib.so"), PATHCOUNT_HOSTS=self._file)

    def set(self, *hosts):
        """Replaces its addresses by these, in this order."""
        with open(self._file + ".new", "w", encoding="ascii") as file:
            file.write("\n".join(hosts))
        os.rename(self._file + ".new", self._file)


class Clock:
    """The wall clock of every process that runs in its `environment`, under any user. The monotonic clock
    stays the machine's."""

    def __init__(self, step_s=0):
        self._folder = tempfile.mkdtemp(prefix="pathcount-clock-")
        os.chmod(self._folder, 0o755)  # PostgreSQL runs as another user
        library = shutil.copy(_built("clock.so"), self._folder)
        self._path = os.path.join(self._folder, "step")
        with open(self._path, "wb"):
            pass
        self.step(step_s)
        self.environment = preloading(library, PATHCOUNT_CLOCK=self._path)

    def step(self, seconds):
        """Sets the clock this many seconds ahead of the machine's."""
        with open(self._path, "r+b") as file:  # which is mapped
            file.write(struct.pack("q", seconds))

    def set(self, at):
        """Sets the clock to a datetime with a time zone. It runs on from there."""
        self.step(round(at.timestamp() - time.time()))

    def remove(self):
        """Call it when the processes have ended."""
        shutil.rmtree(self._folder, ignore_errors=True)
