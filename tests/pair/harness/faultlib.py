"""Calls that fail in a service, and a name with several addresses (tests/faultlib)."""

import os

from .services import BUILD_DIR, environment

LIBRARY = os.path.join(BUILD_DIR, "faultlib.so")


def _loaded(**variables):
    """The environment of a service that the library is loaded into."""
    assert os.path.exists(LIBRARY), f"{LIBRARY} is not built"
    asan = environment().get("ASAN_OPTIONS", "")  # which wants to be the first library itself
    return {"LD_PRELOAD": LIBRARY, "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0".lstrip(":"),
            **variables}


def failing(*calls):
    """The environment in which calls fail: of each (function, first, last, number), or with a fifth
    every so many of them."""
    return _loaded(PATHCOUNT_FAILING=" ".join(
        f"{function}:{first}-{last}:{number}" + "".join(f"/{n}" for n in step)
        for function, first, last, number, *step in calls))


class Name:
    """A name whose addresses may change at any time, known to services with its `env`."""

    name = "counters.test"

    def __init__(self, folder):
        self._file = os.path.join(folder, f"hosts-{id(self):x}")
        self.set()
        self.env = _loaded(PATHCOUNT_HOSTS=self._file)

    def set(self, *hosts):
        """Gives it these addresses, in this order, instead of those that it has."""
        with open(self._file + ".new", "w", encoding="ascii") as file:
            file.write("\n".join(hosts))
        os.rename(self._file + ".new", self._file)
