"""All three database servers are destroyed, disks and all, and the ledger comes back from the repository as
it was at a time."""
import time

from harness.lab import get_count, remove_volume, until, world
from members import MEMBERS, REPOSITORY_HOST

STOPPED_S = 90
ARCHIVED_S = 90
PAGE_S = 60
HITS = 200


def destroy(stack):
    """The volumes of the three servers and of etcd are gone. etcd begins anew."""
    services = [f"{kind}-{member}" for kind in ("postgres", "etcd") for member in MEMBERS]
    stack.swarm("service", "scale", "--detach", *(f"{world.STACK}_{service}=0" for service in services))
    until(lambda: not any(stack.tasks(one) for one in services), "the servers to stop", STOPPED_S)
    for member in MEMBERS:
        host = stack.host_of(member)
        for volume in (f"{world.STACK}_ledger-{member}", f"{world.STACK}_etcd-{member}"):
            remove_volume(host, volume)
    stack.swarm("service", "scale", "--detach", *(f"{world.STACK}_etcd-{member}=1" for member in MEMBERS))
    until(lambda: all(stack.tasks(f"etcd-{member}") for member in MEMBERS), "etcd", STOPPED_S)


def until_archived(stack):
    """Everything until now is in the repository."""
    segment = stack.sql("SELECT pg_walfile_name(pg_switch_wal())")[0][0]
    until(lambda: stack.sql(
        "SELECT last_archived_wal FROM pg_stat_archiver")[0][0] >= segment, "WAL to be archived", ARCHIVED_S)


def test_all_three_destroyed_and_back_to_a_time(stack, prefix, note):
    before = stack.load_inside(prefix, requests=HITS).stop()
    assert before.acked.total() == HITS
    began = time.time()
    assert "full backup" in stack.command("base-backup", host=REPOSITORY_HOST).stdout
    backup = time.time() - began
    more = stack.load_inside(f"{prefix}more/", requests=HITS).stop()
    moment = stack.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',"
                       " 'YYYY-MM-DD HH24:MI:SS.US')")[0][0] + " UTC"
    stack.load_inside(f"{prefix}later/", requests=HITS).stop()
    until_archived(stack)

    refused = stack.command("restore", "--at", moment, check=False)
    assert refused.returncode == 1 and "counter-svc is running" in refused.stderr
    stack.command("scale", "counter-svc", "0")
    refused = stack.command("restore", "--at", moment, check=False)
    assert refused.returncode == 1 and "use --replace" in refused.stderr
    destroy(stack)
    began = time.time()
    stack.command("restore", "--at", moment)
    restored = time.time() - began
    stack.until_well()
    well = time.time() - began
    assert stack.stored(prefix) == before.acked + more.acked
    stack.command("scale", "counter-svc", "2")
    until(lambda: all(
        get_count(host, f"{prefix}back") for host in stack.hosts), "pages that count", PAGE_S)
    counted = time.time() - began
    # The new timeline is archived, too.
    assert "full backup" in stack.command("base-backup", host=REPOSITORY_HOST).stdout
    note(f"base backup {backup:.1f} s; all three destroyed: restored in {restored:.1f} s, three servers after "
         f"{well:.1f} s, pages everywhere after {counted:.1f} s")
