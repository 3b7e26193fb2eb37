"""Patroni's lock in etcd as corrected by swarm/ha/ha-patroni, with a real etcd."""
import pytest

from ha_members import Etcd, load

LEADER = "/service/pathcount/leader"


class LockedEtcd(Etcd):
    def leader(self):
        return self.run("get", "--print-value-only", LEADER)


@pytest.fixture
def etcd(tmp_path):
    etcd = LockedEtcd(tmp_path)
    yield etcd
    etcd.close()


@pytest.fixture
def dcs(etcd):
    """Patroni's view of etcd on server c, which is the leader."""
    program = load("ha-patroni")
    program.correct()
    dcs = program.Etcd3({"hosts": [etcd.client.removeprefix("http://")], "scope": "pathcount", "name": "c",
                         "namespace": "service", "ttl": 15, "loop_wait": 3, "retry_timeout": 6})
    dcs.get_cluster()
    assert dcs.attempt_to_acquire_leader()
    assert dcs.get_cluster().leader.name == "c" and etcd.leader() == "c"
    return dcs


def lose_lease(etcd, dcs):
    """Ends the lease, as after an interruption longer than the lease. The view of the cluster stays the old one."""
    assert etcd.run("lease", "revoke", f"{int(dcs._lease):x}")
    assert etcd.leader() == ""


def test_a_leader_keeps_its_lock(etcd, dcs):
    assert dcs._update_leader() is True
    assert etcd.leader() == "c"


def test_the_lock_of_another_server_is_not_taken(etcd, dcs):
    lose_lease(etcd, dcs)
    etcd.run("put", LEADER, "a")
    assert dcs._update_leader() is False
    assert etcd.leader() == "a"


def test_a_lock_without_an_owner_is_taken_again(etcd, dcs):
    lose_lease(etcd, dcs)
    assert dcs._update_leader() is True
    assert etcd.leader() == "c"


def test_its_own_lock_of_an_earlier_lease_is_kept(etcd, dcs):
    dcs._lease = None  # as after a restart of the process
    assert dcs._update_leader() is True
    assert etcd.leader() == "c"
    assert dcs.get_cluster().leader.session == dcs._lease
