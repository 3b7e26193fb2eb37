"""A primary whose disk is nearly full hands over to the synchronous standby. Otherwise PostgreSQL would
keep running while it can write WAL, and refuse every append."""
import os
import pathlib
import time

from . import cluster, etcd, here

# A server hands over below this free space, in bytes. It needs some space to stop.
LEAST_FREE = 128 << 20
LOOK_S = 3
# In etcd: the servers with a full disk. They are no candidates.
FULL_KEYS = "/pathcount/full/"


def is_full():
    known = os.statvfs(pathlib.Path(here.PGDATA).parent)
    return known.f_bavail * known.f_frsize < LEAST_FREE


def hand_over():
    """Makes the synchronous standby the primary, if this server is the primary and the standby has free
    space."""
    known = cluster.servers()
    standby = next((one["name"] for one in known if one["role"] == "sync_standby"), None)
    if cluster.leader(known) != here.member() or standby is None:
        return
    full = etcd.etcdctl(here.member(), "get", FULL_KEYS + standby)
    if full is None or full.get("kvs"):
        return
    here.say(f"the disk is nearly full: {standby} becomes the primary")
    cluster.switchover(standby)


def watch():
    """Runs beside Patroni, without end."""
    if os.fork() != 0:
        return
    noted = None
    while True:
        time.sleep(LOOK_S)
        try:
            full = is_full()
            if full is not noted:
                command = ("put", FULL_KEYS + here.member(), "full") if full else \
                    ("del", FULL_KEYS + here.member())
                noted = full if etcd.etcdctl(here.member(), *command) is not None else None
            if full:
                hand_over()
        except (Exception, SystemExit) as error:  # pylint: disable=broad-except
            # Patroni or etcd does not answer now. Nothing would start an ended watch again.
            here.say(f"checking the disk again in {LOOK_S} s: {error}")
