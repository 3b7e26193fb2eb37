"""The ledger is destroyed and restored, and moved to another host, with the commands for this."""
import time

import pytest

from harness.lab import all_hits, get_count, images, remove_volume, until, watching, world

pytestmark = pytest.mark.upkeep
VOLUME = f"{world.STACK}_ledger"


@pytest.fixture
def spread(stack):
    stack.shape("--host-ports", renderers=3, counters=2)
    yield stack
    stack.form = None


def engine(host):
    """The value of DOCKER_HOST for a host's engine."""
    return images.environment(host)["DOCKER_HOST"]


def everything(stack):
    """The counts of all paths, except those that are requested to see whether a page is there."""
    return stack.counts("path NOT IN ('/shape', '/back') AND path NOT LIKE '%/watch-h%'")


def test_destroyed_ledger_restored(spread, prefix, note, tmp_path):
    """A backup is made under load and the volume destroyed. The restored ledger has everything of the backup,
    and is counted on."""
    host, dump = spread.database_host(), tmp_path / "ledger.dump"
    load = spread.load_inside(prefix)
    spread.running_under_load(prefix)
    spread.command("backup", dump, host=host)
    report = load.stop()
    assert not report.failed and not report.unavailable
    spread.audit(prefix, report.sent, report.acked, exact=True)
    # Another backup without load, so that the restored ledger can be compared path by path.
    spread.command("backup", dump, host=host)
    before = everything(spread)
    elsewhere = next(h for h in spread.hosts if h != host)
    said = spread.command("backup", dump, host=elsewhere, check=False)
    assert said.returncode == 1 and f"pathcount-h{host}" in said.stderr

    spread.command("scale", "counter-svc", "0")
    spread.swarm("service", "scale", "--detach", f"{world.STACK}_postgres=0")
    until(lambda: not spread.tasks("postgres"), "PostgreSQL's end", 90)
    remove_volume(host, VOLUME)
    spread.swarm("service", "scale", "--detach", f"{world.STACK}_postgres=1")
    spread.command("wait")
    began = time.time()
    said = spread.command("restore", dump, host=host)
    took = time.time() - began
    assert everything(spread) == before
    spread.command("scale", "counter-svc", "2")
    until(lambda: get_count(host, "/back"), "a page", 60)
    assert get_count(host, f"{prefix}after") == 1
    refused = spread.command("restore", dump, host=host, check=False)
    assert refused.returncode == 1 and "use --replace" in refused.stderr
    note(f"destroyed and restored in {took:.1f} s: {said.stdout.strip()}")


def test_database_moved_to_another_host(spread, prefix, note, tmp_path):
    old = spread.database_host()
    new = next(host for host in spread.hosts if host != old)
    load = spread.load_inside(prefix)
    spread.running_under_load(prefix)
    with watching(spread.hosts, prefix) as watches:
        began = time.time()
        try:
            spread.command("move", engine(old), engine(new), tmp_path / "ledger.dump")
            moved = time.time()
            until(lambda: all(watch.steady(5) for watch in watches), "the page whole again", 90)
        finally:
            report = load.stop()
        whole = max(watch.whole_since() for watch in watches)
        assert spread.database_host() == new
        sent, acked = all_hits(report, watches)
        stored = spread.audit(prefix, sent, acked, exact=False)
    note(f"moved from h{old} to h{new} in {moved - began:.1f} s, 503 for at most "
         f"{whole - began:.1f} s; {report}; stored {stored}")
    assert {entry[2] for watch in watches for entry in watch.seen} <= {200, 503}
    assert all("status" not in what for *_, what in report.failed)
    again = spread.command("move", engine(new), engine(old), check=False)
    assert again.returncode == 1 and "already" in again.stderr
    # Back again, for the next tests. By now the first volume is the outdated one.
    remove_volume(old, VOLUME)
    spread.command("move", engine(new), engine(old), tmp_path / "ledger.dump")
    until(lambda: get_count(old, "/back"), "a page", 60)
    spread.audit(prefix, sent, acked, exact=False)
    remove_volume(new, VOLUME)
