"""CPU time and memory of processes, as the kernel counts them."""

import os
from dataclasses import dataclass

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    """What a process has used: CPU time in seconds, the part of it in the kernel (to a clock tick),
    and how often its threads went to sleep."""

    cpu_s: float
    system_s: float
    sleeps: int

    def __sub__(self, other):
        return Usage(self.cpu_s - other.cpu_s, self.system_s - other.system_s,
                     self.sleeps - other.sleeps)


@dataclass
class Cores:
    """How the machine's cores have spent their time since it started, in seconds of all cores
    together. `stolen_s` is time that a virtual machine's host gave to others."""

    busy_s: float
    idle_s: float
    stolen_s: float

    def __sub__(self, other):
        return Cores(self.busy_s - other.busy_s, self.idle_s - other.idle_s,
                     self.stolen_s - other.stolen_s)

    @property
    def all_s(self):
        return self.busy_s + self.idle_s + self.stolen_s


def cores():
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, idle, iowait, irq, softirq, stolen, *_ = (
            int(ticks) / TICKS_A_SECOND for ticks in file.readline().split()[1:])
    return Cores(user + nice + system + irq + softirq, idle + iowait, stolen)


def usage_of(pid):
    sleeps = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii", errors="replace") as file:
            sleeps += next(int(line.split()[1]) for line in file
                           if line.startswith("voluntary_ctxt_switches:"))
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        system_ticks = int(file.read().rpartition(")")[2].split()[12])
    return Usage(cpu_of(pid), system_ticks / TICKS_A_SECOND, sleeps)


def cpu_of(pid):
    """CPU time of a process in seconds: the sum over its threads, to a nanosecond. A process whose
    threads end while it is watched loses their time."""
    total_ns = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total_ns += int(file.read().split()[0])
    return total_ns / 1e9


def cpu_of_ended_children(pid):
    """CPU time of all children that a process has waited for, in seconds, to a clock tick."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS_A_SECOND


def cpu_of_family(pid):
    """CPU time of a process and of all its children, ended or not, in seconds."""
    while True:
        ended = cpu_of_ended_children(pid)
        total = cpu_of(pid) + ended
        try:
            for child in children(pid):
                total += cpu_of(child)
        except (FileNotFoundError, ProcessLookupError):
            continue  # a child has ended: its time is now among that of the ended
        if cpu_of_ended_children(pid) == ended:
            return total


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def memory_of(pid, field="VmRSS"):
    """Resident memory of a process, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def most_memory_of(pid):
    """The largest resident memory since the process started, in bytes."""
    return memory_of(pid, "VmHWM")
