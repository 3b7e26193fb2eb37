"""The table of faults. Each has a name, a duration, a begin and an end.

A fault is a generator with one yield. The code before the yield begins it, the code after the yield ends it. Its
arguments are the world and its own random.Random, so that a seed replays it.
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
    unnoticed: bool = False  # hits are counted and answered during the fault
    two_writers: bool = False  # both counter-svc append when the fault begins
    needs_hits: bool = False  # the fault begins only while hits are counted, so no batch is held in flight

    def seconds(self, times):
        return 0.0 if self.lasts == "moment" else getattr(times, f"{self.lasts}_s")


def fault(name, lasts="hold", **traits):
    """Puts a generator into the table."""
    def put(generator):
        assert name not in FAULTS, name
        FAULTS[name] = Fault(name, lasts, contextlib.contextmanager(generator), **traits)
        return generator
    return put
