#!/usr/bin/python3
"""Records when a service of the stack was reachable by its name, from a task's network.

    reach.py NAME PORT

Asks Swarm's name server, 127.0.0.11, for NAME and connects to each address, several times a second, until
standard input ends. Then it prints one JSON array, [[when, reachable]…], with an entry for each change, in
seconds of the wall clock. Runs in a task's network namespace.
"""
import json
import select
import socket
import struct
import sys
import time

TIMEOUT_S = 1.0
PAUSE_S = 0.2


def addresses(name):
    """The A records of a name (RFC 1035, 4). Empty if no answer arrives in time."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + question + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(TIMEOUT_S)
        try:
            asked.sendto(query, ("127.0.0.11", 53))
            answer = asked.recv(4096)
        except OSError:
            return []
    found, at = [], len(query)
    for _ in range(struct.unpack_from(">H", answer, 6)[0]):
        while answer[at] and answer[at] < 0xc0:  # skip the labels, up to the root or a pointer
            at += 1 + answer[at]
        at += 2 if answer[at] else 1
        kind, _, _, size = struct.unpack_from(">HHIH", answer, at)
        if kind == 1:
            found.append(socket.inet_ntoa(answer[at + 10:at + 14]))
        at += 10 + size
    return found


def accepts(address, port):
    try:
        socket.create_connection((address, port), TIMEOUT_S).close()
        return True
    except OSError:
        return False


def main(name, port):
    changes, now = [], None
    while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
        before, now = now, any(accepts(address, port) for address in addresses(name))
        if now != before:
            changes.append([time.time(), now])
    print(json.dumps(changes))


main(sys.argv[1], int(sys.argv[2]))
