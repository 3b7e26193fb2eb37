"""What tests preload into a process (tests/faultlib): calls that fail, a name with several addresses, and
a wall clock that is set."""

import os
import shutil
import struct
import tempfile
import time

from .services import BUILD_DIR, environment


def preloading(library, **variables):
    """The environment in which a process has a library loaded before all others."""
    asan = environment().get("ASAN_OPTIONS", "")  # which wants to be the first library itself
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0".lstrip(":"),
            **variables}


def _built(name):
    path = os.path.join(BUILD_DIR, name)
    assert os.path.exists(path), f"{path} is not built"
    return path


def failing(*calls):
    """The environment in which calls fail: of each (function, first, last, number), or with a fifth
    every so many of them."""
    return preloading(_built("faultlib.so"), PATHCOUNT_FAILING=" ".join(
        f"{function}:{first}-{last}:{number}" + "".join(f"/{n}" for n in step)
        for function, first, last, number, *step in calls))


class Name:
    """A name whose addresses may change at any time, known to services with its `env`."""

    name = "counters.test"

    def __init__(self, folder):
        self._file = os.path.join(folder, f"hosts-{id(self):x}")
        self.set()
        self.env = preloading(_built("faultlib.so"), PATHCOUNT_HOSTS=self._file)

    def set(self, *hosts):
        """Gives it these addresses, in this order, instead of those that it has."""
        with open(self._file + ".new", "w", encoding="ascii") as file:
            file.write("\n".join(hosts))
        os.rename(self._file + ".new", self._file)


class Clock:
    """The wall clock of every process that is started in its `environment`, under any user. The
    monotonic clock is the machine's."""

    def __init__(self, step_s=0):
        self._folder = tempfile.mkdtemp(prefix="pathcount-clock-")
        os.chmod(self._folder, 0o755)  # PostgreSQL runs as a user of its own
        library = shutil.copy(_built("clock.so"), self._folder)
        self._path = os.path.join(self._folder, "step")
        with open(self._path, "wb"):
            pass
        self.step(step_s)
        self.environment = preloading(library, PATHCOUNT_CLOCK=self._path)

    def step(self, seconds):
        """Lets the clock be so many seconds ahead of the machine's from now on."""
        with open(self._path, "r+b") as file:  # which is mapped
            file.write(struct.pack("q", seconds))

    def set(self, at):
        """Sets the clock to a datetime that has a time zone; it goes on from there."""
        self.step(round(at.timestamp() - time.time()))

    def remove(self):
        """For when the processes have ended."""
        shutil.rmtree(self._folder, ignore_errors=True)
