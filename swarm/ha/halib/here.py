"""Shared by every program in a member's container: its name, its secrets and its paths."""
import fcntl
import os
import pathlib
import socket
import subprocess
import sys
import time

MEMBERS = ("a", "b", "c")
RUN = pathlib.Path("/run/ha")
SECRETS = pathlib.Path("/run/secrets")
PGDATA = "/var/lib/postgresql/pgdata"
SOCKETS = "/var/run/postgresql"
CLIENT_PORT, PEER_PORT, METRICS_PORT, REST_PORT = 2379, 2380, 2381, 8008
# Instead of a time: everything in the repository.
LATEST = "latest"


def secret(name):
    return (SECRETS / name).read_text(encoding="utf-8").rstrip("\n")


def member():
    return socket.gethostname().rpartition("-")[2]


def write(name, text):
    """Writes a file, in memory, that only this user can read."""
    path = RUN / name
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def say(text):
    print(f"ha: {text}", file=sys.stderr, flush=True)


def own(volume):
    """Waits until no other container uses this volume, and keeps it until this container ends. When a host
    comes back that was cut off, Swarm starts the new task while the old one is still stopping, and
    PostgreSQL does not notice a server in another container. The health check limits the wait."""
    lock = os.open(pathlib.Path(volume) / "in-use", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for the end of another container that uses this volume")
        fcntl.flock(lock, fcntl.LOCK_EX)


def keep_running(command):
    """Runs a program beside this one, and restarts it when it ends."""
    if os.fork() != 0:
        return
    while True:
        ended = subprocess.run(command, check=False).returncode
        say(f"{command[0]} ended with status {ended}; starting it again")
        time.sleep(1)
