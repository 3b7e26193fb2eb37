"""The table of faults: each has a name, says how long it lasts, and begins and ends.

A fault is a generator of one yield. What stands before the yield begins it, what stands behind ends
it; it is given the world and a chance (random.Random) of its own, so that a seed replays it.
"""

import contextlib
from dataclasses import dataclass
from typing import Callable

FAULTS = {}  # name → Fault, in the order in which they are defined


@dataclass
class Fault:
    name: str
    lasts: str  # "moment", or which of the world's Times: "hold", "away", "frozen"
    strikes: Callable  # a context manager

    def seconds(self, times):
        return 0.0 if self.lasts == "moment" else getattr(times, f"{self.lasts}_s")


def fault(name, lasts="hold"):
    """Puts a generator into the table."""
    def put(generator):
        assert name not in FAULTS, name
        FAULTS[name] = Fault(name, lasts, contextlib.contextmanager(generator))
        return generator
    return put
