"""swarm/move between two real PostgreSQL servers. tests/overlay/test_backup.py tests it on a Swarm."""

import os
import pathlib
import subprocess

import pytest

from harness.postgres import Cluster, Ledger, programs
from harness.services import ROOT

FAKE_DOCKER = pathlib.Path(__file__).parent / "docker_hosts"


@pytest.fixture(scope="module")
def other():
    """A second PostgreSQL."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def hosts(cluster, other, tmp_path):
    """Two hosts. The ledger is on h1. h2 has a new database with the first password of the role."""
    folder = tmp_path / "hosts"
    folder.mkdir()
    made = []
    for name, each in (("h1", cluster), ("h2", other)):
        each.run("DROP DATABASE IF EXISTS pathcount WITH (FORCE)")
        each.run("DROP ROLE IF EXISTS pathcount")
        made.append(each.new_ledger(role="pathcount", database="pathcount"))
        (folder / name).write_text(f"export PGHOST={each.folder} PGPORT={each.port}\n")
    yield folder, *made
    cluster.run("DROP DATABASE pathcount WITH (FORCE)")
    cluster.run("DROP ROLE pathcount")


def move(folder, *words):
    return subprocess.run(
        [os.path.join(ROOT, "swarm", "move"), *words], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=90, cwd=folder.parent, env={
            "PATH": f"{programs()}:/usr/bin:/bin", "DOCKER": str(FAKE_DOCKER), "HOSTS": str(folder),
            "DOCKER_HOST": "fake://manager", "POLL_S": "0.1", "WAIT_S": "20"})


def test_the_ledger_and_its_password_move(stage, hosts):
    folder, old, new = hosts
    counter = stage.counter(old)
    counter.api.count({"/a": 3, "/b": 4})
    counter.stop()  # Swarm does this for swarm/move
    done = move(folder, "fake://h1", "fake://h2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert new.counts() == {"/a": 3, "/b": 4}
    asked = (folder / "log").read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in asked] == [
        "pathcount_counter-svc=0", "h1", "h2", "pathcount_counter-svc=2"]
    assert "--label-rm" in asked[1] and "--label-add" in asked[2]
    there = Ledger(new.cluster, old.role, old.password, new.database)  # with h1's password
    assert stage.counter(there).api.count({"/a": 1}) == {"/a": 4}


def test_a_ledger_is_not_moved_to_a_host_with_a_volume(hosts):
    folder, _, _ = hosts
    (folder / "log-volume-h2").touch()
    done = move(folder, "fake://h1", "fake://h2")
    assert done.returncode == 1 and "already" in done.stderr
    assert not (folder / "log").exists()


def test_a_failure_before_the_label_has_moved_is_undone(hosts, tmp_path):
    folder, _, _ = hosts
    done = move(folder, "fake://h1", "fake://h2", str(tmp_path / "no" / "such" / "folder"))
    assert done.returncode == 1 and "the database still runs at" in done.stderr, done.stderr
    asked = (folder / "log").read_text()
    assert "label" not in asked and asked.endswith("counter-svc=2\n")
