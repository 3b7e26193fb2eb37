"""Ports that stay ours until something listens there."""

import itertools
import random
import socket

FIRST = 20000  # none begins like the port 1, where tests know nobody to listen


def _end():
    """Where the ports begin that the kernel hands out by itself: one of those may be given to
    another process in the seconds before it is listened at, or while its service is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        return max(int(file.read().split()[0]), FIRST + 10000)


_END = _end()
# from anywhere, as several runs use them at the same time, and on from there
_next = itertools.count(random.randrange(_END - FIRST))


def free_port(hosts=("127.0.0.1",)):
    """A port that nobody listens at on any of the hosts; this process is not given it again for long."""
    for _ in range(FIRST, _END):
        port = FIRST + next(_next) % (_END - FIRST)
        if all(_is_free(host, port) for host in hosts):
            return port
    raise AssertionError(f"no free port from {FIRST} to {_END}")


def _is_free(host, port):
    with socket.socket() as sock:
        try:
            sock.bind((host, port))
            return True
        except OSError:
            return False  # somebody's
