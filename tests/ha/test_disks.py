"""The disk of a database server is full, under load: of the primary, of the synchronous standby.

A small file system takes the place of the server's volume, and is filled. After each of them, for every path:
acknowledged ≤ stored ≤ sent.
"""
import contextlib
import time

from harness.lab import docker, until
from measures import FAR_ABOVE_S, TARGET_S, audit, gap, until_whole

DISK_MIB = 2048     # with room for the WAL that PostgreSQL keeps by itself
STOPPED_S = 90


@contextlib.contextmanager
def small_disk(stack, member, folder):
    """Lets a server have a small disk for the time of the block. It copies the primary to it, and to its own
    volume afterwards."""
    host, service = stack.host_of(member), f"postgres-{member}"
    volume = docker(host, "volume", "inspect", "--format", "{{.Mountpoint}}", f"pathcount_ledger-{member}")
    image = folder / f"disk-{member}"

    def on_host(*words):
        stack.lab("exec", str(host), "--", *words)

    def swap(*commands):
        stack.swarm("service", "scale", "--detach", f"pathcount_{service}=0")
        until(lambda: not stack.tasks(service), f"{service} to stop", STOPPED_S)
        for command in commands:
            on_host(*command)
        stack.swarm("service", "scale", "--detach", f"pathcount_{service}=1")
        stack.until_well()

    swap(("truncate", f"--size={DISK_MIB}M", str(image)), ("mkfs.ext4", "-q", str(image)),
         ("mount", "-o", "loop", str(image), volume), ("chown", "999:999", volume))
    fill = f"{volume}/fill"
    try:
        yield (lambda: on_host("sh", "-c", f"fallocate --length $(($(stat -f -c '%a*%S' {volume}))) {fill};"
                                           f" cat /dev/zero >>{fill} || true"),
               lambda: on_host("rm", "-f", fill))
    finally:
        on_host("rm", "-f", fill)
        swap(("umount", volume), ("rm", str(image)))


def synchronous_standby(stack):
    return next((member for member, (role, _) in stack.roles().items() if role == "sync_standby"), None)


def make_primary(stack, member):
    """A switchover goes to the synchronous standby, which may be the other one first."""
    for _ in range(4):
        if stack.primary() == member:
            return
        stack.command("failover")
        stack.until_well()
    assert stack.primary() == member


def make_synchronous(stack, member):
    """A new primary takes the last one for its synchronous standby, or the other one."""
    for _ in range(4):
        if synchronous_standby(stack) == member:
            return
        stack.command("failover")
        stack.until_well()
    assert synchronous_standby(stack) == member


def test_disk_of_the_primary_full(stack, prefix, under_load, note, tmp_path):
    """The primary hands over to the synchronous standby (swarm/ha/halib/disk.py)."""
    member = synchronous_standby(stack)
    with small_disk(stack, member, tmp_path) as (fill, empty):
        make_primary(stack, member)
        with under_load(stack.hosts) as (load, watches):
            began = time.time()
            fill()
            until(lambda: stack.primary() not in (None, member), "another primary", FAR_ABOVE_S)
            until_whole(watches, began)
            longest, new = gap(watches, began), stack.primary()
            empty()
            stack.until_well()
            figures = audit(stack, prefix, load, watches)
    note(f"the primary's disk full: {longest:.1f} s without a 200 (target {TARGET_S} s), {new} for {member}; "
         f"{figures}")
    assert longest <= FAR_ABOVE_S


def test_disk_of_the_standby_full(stack, prefix, under_load, note, tmp_path):
    """The other standby becomes the synchronous one, and the primary stays."""
    member = synchronous_standby(stack)
    with small_disk(stack, member, tmp_path) as (fill, empty):
        make_synchronous(stack, member)
        primary = stack.primary()
        with under_load(stack.hosts) as (load, watches):
            began = time.time()
            fill()
            until(lambda: synchronous_standby(stack) not in (None, member),
                  "another synchronous standby", FAR_ABOVE_S)
            until_whole(watches, began)
            longest, then = gap(watches, began), stack.primary()
            empty()
            stack.until_well()
            figures = audit(stack, prefix, load, watches)
    note(f"the synchronous standby's disk full: {longest:.1f} s without a 200 (target {TARGET_S} s); {figures}")
    assert then == primary and longest <= FAR_ABOVE_S
