"""What swarm/ha.yml and the configurations of its members promise, held against the files themselves."""
import hashlib
import os
import re

import pytest
import yaml

from ha_members import load
from harness.services import ROOT

NAMES = ("a", "b", "c")


def load_yaml(name):
    with open(os.path.join(ROOT, "swarm", name), encoding="utf-8") as file:
        return yaml.safe_load(file)


HA = load_yaml("ha.yml")
MEMBERS = {name: one for name, one in HA["services"].items() if name[-2:] in ("-a", "-b", "-c")}
every_member = pytest.mark.parametrize("name", MEMBERS)


@pytest.fixture(name="program")
def fixture_program(tmp_path, monkeypatch):
    """The members' program as a module, with secrets of the test's."""
    module = load("ha")
    for name in ("postgres_pw", "replication_pw", "patroni_pw"):
        (tmp_path / name).write_text(f"value-of-{name}\n")
    monkeypatch.setattr(module, "SECRETS", tmp_path)
    monkeypatch.setattr(module, "member", lambda: "b")
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/lib/postgresql/15/bin/{name}")
    return module


def test_there_are_three_of_each():
    assert set(MEMBERS) == {f"{kind}-{name}" for kind in ("postgres", "etcd") for name in NAMES}
    url = HA["services"]["counter-svc"]["environment"]["POSTGRES_URL"]
    assert url == ",".join(f"tasks.postgres-{name}:5432" for name in NAMES)


@pytest.mark.parametrize("kind", ["postgres", "etcd"])
def test_the_three_differ_in_nothing_but_their_name(kind):
    def without_name(name):
        text = yaml.safe_dump(MEMBERS[f"{kind}-{name}"])
        return re.sub(rf"(postgres|etcd|ledger|ha ==|HA_IMAGE)([-_ ]){name}\b", r"\1\2X",
                      text.replace(f"HA_IMAGE_{name.upper()}", "HA_IMAGE_X"))

    assert without_name("a") == without_name("b") == without_name("c")


@every_member
def test_every_member_has_little_power_and_bounds(name):
    member = MEMBERS[name]
    assert re.fullmatch(r"\d+:\d+", member["user"]) and member["read_only"] is True
    assert member["cap_drop"] == ["ALL"] and "cap_add" not in member and "ports" not in member
    assert set(member["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert set(member["logging"]["options"]) == {"max-size", "max-file"}


@every_member
def test_every_member_stays_on_its_host_and_is_updated_with_care(name):
    member, letter = MEMBERS[name], name[-1]
    deploy = member["deploy"]
    assert deploy["placement"] == {"constraints": [f"node.labels.pathcount.ha == {letter}"]}
    assert (deploy["replicas"], deploy["endpoint_mode"]) == (1, "dnsrr")
    for which in ("update_config", "rollback_config"):
        assert (deploy[which]["order"], deploy[which]["failure_action"]) == ("stop-first", "pause")
    kept, = [one["source"] for one in member["volumes"] if one["type"] == "volume"]
    assert kept in HA["volumes"] and kept.endswith(f"-{letter}")
    assert member["hostname"] == name and member["image"].startswith(f"${{HA_IMAGE_{letter.upper()}:-")


@every_member
def test_secrets_are_files_for_the_member_alone(name):
    for secret in MEMBERS[name].get("secrets", []):
        assert (secret["uid"], secret["gid"], secret["mode"]) == ("999", "999", 0o400)
    assert not any(re.search("PW|PASS|SECRET", key) for key in MEMBERS[name].get("environment", {}))
    for secret in HA["secrets"].values():
        assert secret["external"] and re.search(r"_v\$\{\w+_VERSION:-1\}$", secret["name"])


def test_etcd_is_on_no_other_network():
    for name, member in MEMBERS.items():
        assert member["networks"] == (["ha"] if name.startswith("etcd") else ["ledger", "ha"])
    assert HA["networks"] == {"ha": {"driver": "overlay", "internal": True}}
    assert load_yaml("ha/encrypted.yml")["networks"] == {
        "ha": HA["networks"]["ha"] | {"driver_opts": {"encrypted": "true"}}}


def test_prometheus_asks_every_member_where_it_answers():
    """On the network ha, and only with --ha: the file with the members' names comes with the override."""
    override = load_yaml("ha/monitoring.yml")
    prometheus = override["services"]["prometheus"]
    assert prometheus["networks"] == [*load_yaml("monitoring.yml")["services"]["prometheus"]["networks"], "ha"]
    jobs = {job["job_name"]: job for job in load_yaml("monitoring/prometheus.yml")["scrape_configs"]}
    for kind, job, port in (("postgres", "patroni", 8008), ("etcd", "etcd", 2379)):
        file, = jobs[job]["file_sd_configs"][0]["files"]
        config, = (one for one in prometheus["configs"] if one["target"] == file)
        config = override["configs"][config["source"]]
        with open(os.path.join(ROOT, config["file"]), "rb") as targets:
            text = targets.read()
        assert config["name"].endswith("_" + hashlib.sha256(text).hexdigest()[:8]), "the file changed"
        assert yaml.safe_load(text) == [{"targets": [f"{kind}-{name}:{port}" for name in NAMES]}]


def test_patroni_keeps_a_synchronous_standby_and_its_own_times(program):
    found = program.patroni_configuration("10.0.0.7")
    dcs = found["bootstrap"]["dcs"]
    # Otherwise Patroni refuses the times, or a primary might still run when another one begins.
    assert dcs["ttl"] >= dcs["loop_wait"] + 2 * dcs["retry_timeout"]
    assert dcs["synchronous_mode"] is True and dcs["synchronous_mode_strict"] is False
    assert found["etcd3"]["hosts"] == [f"etcd-{name}:2379" for name in NAMES]
    assert "etcd" not in found
    assert found["restapi"]["listen"] == "10.0.0.7:8008", "on the network ha alone"


@pytest.mark.parametrize("value, strict", [("yes", False), ("no", True)])
def test_one_server_alone_goes_on_unless_it_is_told_not_to(program, monkeypatch, value, strict):
    monkeypatch.setenv("SINGLE_COPY", value)
    dcs = program.patroni_configuration("10.0.0.7")["bootstrap"]["dcs"]
    assert dcs["synchronous_mode_strict"] is strict


def test_a_setting_with_another_value_is_refused(program, monkeypatch):
    monkeypatch.setenv("SINGLE_COPY", "maybe")
    with pytest.raises(SystemExit, match="SINGLE_COPY is 'maybe'"):
        program.patroni_configuration("10.0.0.7")


# --- how a member of etcd's begins when its disk is empty

def known_to(program, monkeypatch, *members):
    """Lets the other members know these: (name, has begun). Returns what they were asked to change."""
    asked = []

    def etcdctl(_other, *words):
        if words == ("member", "list"):
            return {"members": [{"ID": 2**63 + ord(name), "name": name, "peerURLs": [program.peer_url(name)],
                                 "clientURLs": ["http://x"] if begun else []}
                                for name, begun in members]} if members else None
        asked.append(words)
        return {}

    monkeypatch.setattr(program, "etcdctl", etcdctl)
    return asked


def test_a_cluster_is_made_when_no_other_answers(program, monkeypatch):
    asked = known_to(program, monkeypatch)
    assert program.join() == ("new", NAMES) and not asked


def test_a_member_that_has_not_begun_is_not_replaced(program, monkeypatch):
    asked = known_to(program, monkeypatch, ("a", True), ("b", False), ("c", True))
    assert program.join() == ("new", NAMES) and not asked


def test_a_member_that_lost_its_disk_is_replaced(program, monkeypatch):
    asked = known_to(program, monkeypatch, ("a", True), ("b", True), ("c", True))
    assert program.join() == ("existing", ["a", "b", "c"])
    assert asked == [("member", "remove", f"{2**63 + ord('b'):x}"),
                     ("member", "add", "b", "--peer-urls=http://etcd-b:2380")]


def test_a_member_that_was_removed_is_added(program, monkeypatch):
    asked = known_to(program, monkeypatch, ("a", True), ("c", True))
    assert program.join() == ("existing", ["a", "b", "c"])
    assert asked == [("member", "add", "b", "--peer-urls=http://etcd-b:2380")]
