"""Ports that stay reserved for a process until something listens there."""

import collections
import itertools
import random
import socket

FIRST = 20000  # none begins like the port 1, where no process listens
BLOCK = 100    # a process reserves ports in blocks
KEPT = 10      # blocks that a process keeps; older services listen by now


def _end():
    """The first port that the kernel assigns by itself. It may give such a port to another process before a
    service listens there, or while the service is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        return max(int(file.read().split()[0]), FIRST + 10000)


_BLOCKS = (_end() - FIRST) // BLOCK
_candidates = itertools.count(random.randrange(_BLOCKS))
_kept = collections.deque(maxlen=KEPT)  # sockets, each of which reserves a block


def _reserve_block():
    """The first port of a free block. An abstract socket with the block's name reserves it. Like ports, the
    socket belongs to the network namespace; it ends with the process."""
    for _ in range(_BLOCKS):
        block = next(_candidates) % _BLOCKS
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reservation.bind(f"\0pathcount-test-ports-{block}")
        except OSError:
            reservation.close()
            continue
        _kept.append(reservation)  # the oldest one is closed when it leaves
        return FIRST + BLOCK * block
    raise AssertionError(f"all blocks of ports from {FIRST} are in use")


def _ports():
    while True:
        first = _reserve_block()
        yield from range(first, first + BLOCK)


_next = _ports()


def free_port(hosts=("127.0.0.1",)):
    """A port without a listener on any of the hosts. It stays reserved until the process has taken a thousand
    others."""
    for port in itertools.islice(_next, BLOCK * _BLOCKS):
        if all(_is_free(host, port) for host in hosts):
            return port
    raise AssertionError(f"no free port behind {FIRST}")


def _is_free(host, port):
    with socket.socket() as sock:
        try:
            sock.bind((host, port))
            return True
        except OSError:
            return False  # in use
