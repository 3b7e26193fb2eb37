"""swarm/move between two real PostgreSQL servers. What Swarm does meanwhile, tests/overlay/test_backup.py
sees."""

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
    """Two hosts: the ledger is on h1; on h2 a database was just made, with the role's first password."""
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
    counter.stop()  # which swarm/move has Swarm do
    done = move(folder, "fake://h1", "fake://h2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert new.counts() == {"/a": 3, "/b": 4}
    asked = (folder / "log").read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in asked] == [
        "pathcount_counter-svc=0", "h1", "h2", "pathcount_counter-svc=2"]
    assert "--label-rm" in asked[1] and "--label-add" in asked[2]
    there = Ledger(new.cluster, old.role, old.password, new.database)  # with the password of h1
    assert stage.counter(there).api.count({"/a": 1}) == {"/a": 4}


def test_nothing_is_moved_onto_a_volume_that_is_there(hosts):
    folder, _, _ = hosts
    (folder / "log-volume-h2").touch()
    done = move(folder, "fake://h1", "fake://h2")
    assert done.returncode == 1 and "already" in done.stderr
    assert not (folder / "log").exists()


def test_what_fails_before_the_label_has_moved_is_taken_back(hosts, tmp_path):
    folder, _, _ = hosts
    done = move(folder, "fake://h1", "fake://h2", str(tmp_path / "no" / "such" / "folder"))
    assert done.returncode == 1 and "the database still runs at" in done.stderr, done.stderr
    asked = (folder / "log").read_text()
    assert "label" not in asked and asked.endswith("counter-svc=2\n")
