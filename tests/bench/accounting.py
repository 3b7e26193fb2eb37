"""What the kernel says that processes used: seconds of CPU, and memory."""

import os

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """Seconds on a CPU of a process that ends no thread while it is watched: the sum over its
    threads, in nanoseconds precisely."""
    total_ns = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total_ns += int(file.read().split()[0])
    return total_ns / 1e9


def cpu_of_ended_children(pid):
    """Seconds of all children that a process has waited for, to a clock tick."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS_A_SECOND


def cpu_of_family(pid):
    """Seconds of a process and all its children, those that have ended with the rest."""
    while True:
        ended = cpu_of_ended_children(pid)
        total = cpu_of(pid) + ended
        try:
            for child in children(pid):
                total += cpu_of(child)
        except (FileNotFoundError, ProcessLookupError):
            continue  # one ended meanwhile: it is counted in another place now
        if cpu_of_ended_children(pid) == ended:
            return total


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def memory_of(pid, field="VmRSS"):
    """Bytes that a process holds in memory."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def most_memory_of(pid):
    """The most that it has held since its start."""
    return memory_of(pid, "VmHWM")
