"""Patroni's lock in etcd as swarm/ha/ha-patroni corrects it, with a real etcd."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys

import pytest

from harness.ports import free_port
from harness.services import ROOT
from harness.wait import until

sys.dont_write_bytecode = True

LEADER = "/service/pathcount/leader"


class Etcd:
    def __init__(self, folder):
        self.client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        with open(folder / "etcd.log", "wb") as log:
            self.process = subprocess.Popen(
                ["etcd", "--name=one", f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={self.client}",
                 f"--advertise-client-urls={self.client}", f"--listen-peer-urls={peer}",
                 f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=one={peer}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self.run("endpoint", "health") is not None, "etcd")

    def run(self, *words):
        done = subprocess.run(["etcdctl", f"--endpoints={self.client}", *words], check=False, text=True,
                              capture_output=True, env={**os.environ, "ETCDCTL_API": "3"}, timeout=20)
        return done.stdout.strip() if done.returncode == 0 else None

    def leader(self):
        return self.run("get", "--print-value-only", LEADER)


@pytest.fixture
def etcd(tmp_path):
    etcd = Etcd(tmp_path)
    yield etcd
    etcd.process.kill()
    etcd.process.wait()


@pytest.fixture
def dcs(etcd):
    """What Patroni calls its view of etcd, as server c has it, which is the leader."""
    loader = importlib.machinery.SourceFileLoader("ha_patroni", os.path.join(ROOT, "swarm", "ha", "ha-patroni"))
    program = importlib.util.module_from_spec(importlib.util.spec_from_loader("ha_patroni", loader))
    loader.exec_module(program)
    program.correct()
    dcs = program.Etcd3({"hosts": [etcd.client.removeprefix("http://")], "scope": "pathcount", "name": "c",
                         "namespace": "service", "ttl": 15, "loop_wait": 3, "retry_timeout": 6})
    dcs.get_cluster()
    assert dcs.attempt_to_acquire_leader()
    assert dcs.get_cluster().leader.name == "c" and etcd.leader() == "c"
    return dcs


def lose_lease(etcd, dcs):
    """As after a cut that was longer than it; the view of the cluster stays the old one."""
    assert etcd.run("lease", "revoke", f"{int(dcs._lease):x}")
    assert etcd.leader() == ""


def test_a_leader_keeps_its_lock(etcd, dcs):
    assert dcs._update_leader() is True
    assert etcd.leader() == "c"


def test_a_lock_that_another_server_has_is_not_taken(etcd, dcs):
    lose_lease(etcd, dcs)
    etcd.run("put", LEADER, "a")
    assert dcs._update_leader() is False
    assert etcd.leader() == "a"


def test_a_lock_that_nobody_has_is_taken_again(etcd, dcs):
    lose_lease(etcd, dcs)
    assert dcs._update_leader() is True
    assert etcd.leader() == "c"


def test_a_lock_of_an_earlier_lease_of_its_own_is_kept(etcd, dcs):
    dcs._lease = None  # as a process that was started anew
    assert dcs._update_leader() is True
    assert etcd.leader() == "c"
    assert dcs.get_cluster().leader.session == dcs._lease
