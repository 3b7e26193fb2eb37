"""Two PostgreSQL servers, one of them a synchronous standby of the other, each on a small disk.

The disk is a file system in memory, in a mount namespace of the process. So its mounts always end with the
process.
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import socket
import struct
import subprocess
import threading

from harness.postgres import SETTINGS, Cluster, Ledger
from harness.wait import until

DISK_MB = 160
STATEMENT_S = 30
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

NODE_SETTINGS = {
    **SETTINGS,
    "max_connections": "30",
    "shared_buffers": "16MB",
    "min_wal_size": "2MB",
    "max_wal_size": "24MB",
    "wal_keep_size": "24MB",
    "hot_standby": "on",
    "wal_retrieve_retry_interval": "100ms",
    "wal_receiver_timeout": "5s",
    "wal_sender_timeout": "5s",
}


def private_mounts_and_ports():
    """Moves this process into its own mount and network namespaces: its mounts and its loopback's ports are
    private. (os.unshare comes with Python 3.12.) Call it once, before threads start."""
    assert threading.current_thread() is threading.main_thread()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    _loopback_up()


def _loopback_up():
    with socket.socket() as sock:
        request = struct.pack("16sh14x", b"lo", 0)
        name, flags = struct.unpack("16sh14x", fcntl.ioctl(sock, SIOCGIFFLAGS, request))
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | IFF_UP))


class Node(Cluster):
    """A server on its own disk. With `copy_of` it is a standby of that server."""

    def __init__(self, name, copy_of=None):
        self.name = name
        self._copy_of = copy_of
        super().__init__(usual=NODE_SETTINGS)

    def _make_data(self):
        status = os.stat(self.folder)
        options = f"size={DISK_MB}m,mode=700,uid={status.st_uid},gid={status.st_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "pathcount-disk", self.folder],
                       check=True)
        if self._copy_of is None:
            self._run_program(
                "initdb", "--pgdata", self.data, "--username", "postgres", "--encoding", "UTF8",
                "--locale", "C.UTF-8", "--auth-local", "trust", "--auth-host", "scram-sha-256",
                "--no-sync", "--no-instructions", "--wal-segsize", "1")
        else:
            self._run_program(
                "pg_basebackup", "--pgdata", self.data, "--write-recovery-conf", "--no-sync",
                "--checkpoint", "fast", "--dbname", f"host={self._copy_of.folder} "
                f"port={self._copy_of.port} user=postgres application_name={self.name}")

    @property
    def runs(self):
        return self._postmaster is not None and self._postmaster.poll() is None

    def revive(self):
        """Starts it if it has ended, as a supervisor would."""
        if not self.runs:
            if self._postmaster is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.data, "postmaster.pid"))
            self._postmaster = None
            self.start()

    def pids(self):
        return super().pids() if self.runs else []

    def remove(self):
        if self.runs:
            self.kill()
        self._postmaster = None
        subprocess.run(["umount", "--lazy", self.folder], check=False, stderr=subprocess.DEVNULL)
        super().remove()

    @contextlib.contextmanager
    def full_disk(self):
        """Fills its disk for the time of the block."""
        balloon = pathlib.Path(self.folder, "balloon")
        with contextlib.suppress(OSError), balloon.open("wb") as file:  # while there is space for it
            while True:
                file.write(bytes(65536))
                file.flush()
        try:
            yield
        finally:
            balloon.unlink(missing_ok=True)


class Database:
    """The primary, and its synchronous standby, if there is one now."""

    def __init__(self):
        self.primary = Node("a")
        self.standby = None
        # statements of tests must end, so that a fault that blocks itself fails
        self.primary.run(f"ALTER ROLE postgres SET statement_timeout = '{STATEMENT_S}s'")
        made = self.primary.ledger()
        self._role = (made.role, made.password, made.database)

    @property
    def ledger(self):
        return Ledger(self.primary, *self._role)

    def protect(self):
        """Creates a missing standby, and makes every commit wait for it."""
        if self.standby is None:
            name = "b" if self.primary.name == "a" else "a"
            self.standby = Node(name, copy_of=self.primary)
        self._until_streaming("'streaming', 'catchup'")
        self.primary.run(f"ALTER SYSTEM SET synchronous_standby_names = '{self.standby.name}'")
        self.primary.run("SELECT pg_reload_conf()")
        self.until_protected()

    def until_protected(self):
        self._until_streaming("'streaming'", "sync")

    def _until_streaming(self, states, kind="%"):
        until(lambda: self._streams(states, kind), "the standby to stream", 30)

    def _streams(self, states, kind):
        with self.primary.connect() as connection:
            return connection.execute(
                f"SELECT 1 FROM pg_stat_replication WHERE state IN ({states}) "
                "AND sync_state LIKE %s", (kind,)).fetchone()

    def fail_over(self):
        """Promotes the standby. The old primary must have ended, so that nothing is written there."""
        assert not self.primary.runs
        gone, self.primary, self.standby = self.primary, self.standby, None
        # the setting was copied with the data; without a standby no commit would end
        self.primary.run("ALTER SYSTEM RESET synchronous_standby_names")
        self.primary.run("SELECT pg_reload_conf()")
        self.primary.run("SELECT pg_promote()")
        gone.remove()

    def close(self):
        for node in (self.primary, self.standby):
            if node is not None:
                node.remove()
