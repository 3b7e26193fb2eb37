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
    unnoticed: bool = False  # hits are counted and answered while it lasts
    two_writers: bool = False  # both counter-svc append when it begins
    needs_hits: bool = False  # it begins only while hits are counted: no batch is held in flight

    def seconds(self, times):
        return 0.0 if self.lasts == "moment" else getattr(times, f"{self.lasts}_s")


def fault(name, lasts="hold", **traits):
    """Puts a generator into the table."""
    def put(generator):
        assert name not in FAULTS, name
        FAULTS[name] = Fault(name, lasts, contextlib.contextmanager(generator), **traits)
        return generator
    return put
