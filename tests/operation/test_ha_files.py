"""The properties of swarm/ha.yml and of the configurations of its members."""
import base64
import hashlib
import os
import pathlib
import re
import signal

import pytest
import yaml

from ha_members import load
from harness.services import ROOT
from harness.wait import until

NAMES = ("a", "b", "c")


def load_yaml(name):
    with open(os.path.join(ROOT, "swarm", name), encoding="utf-8") as file:
        return yaml.safe_load(file)


HA = load_yaml("ha.yml")
MEMBERS = {name: one for name, one in HA["services"].items() if name[-2:] in ("-a", "-b", "-c")}
every_member = pytest.mark.parametrize("name", MEMBERS)


@pytest.fixture(name="program")
def fixture_program(tmp_path, monkeypatch):
    """The members' program as a module, with secrets of the test."""
    module = load("ha")
    for name in ("postgres_pw", "replication_pw", "patroni_pw"):
        (tmp_path / name).write_text(f"value-of-{name}\n")
    monkeypatch.setattr(module.here, "SECRETS", tmp_path)
    monkeypatch.setattr(module.here, "member", lambda: "b")
    monkeypatch.setattr(module.postgres.shutil, "which", lambda name: f"/usr/lib/postgresql/15/bin/{name}")
    return module


def test_there_are_three_members_of_each_kind():
    assert set(MEMBERS) == {f"{kind}-{name}" for kind in ("postgres", "etcd") for name in NAMES}
    url = HA["services"]["counter-svc"]["environment"]["POSTGRES_URL"]
    assert url == ",".join(f"tasks.postgres-{name}:5432" for name in NAMES)


@pytest.mark.parametrize("kind", ["postgres", "etcd"])
def test_the_three_members_differ_only_in_their_name(kind):
    def without_name(name):
        text = yaml.safe_dump(MEMBERS[f"{kind}-{name}"])
        return re.sub(rf"(postgres|etcd|ledger|ha ==|HA_IMAGE)([-_ ]){name}\b", r"\1\2X",
                      text.replace(f"HA_IMAGE_{name.upper()}", "HA_IMAGE_X"))

    assert without_name("a") == without_name("b") == without_name("c")


@every_member
def test_every_member_is_confined_and_limited(name):
    member = MEMBERS[name]
    assert re.fullmatch(r"\d+:\d+", member["user"]) and member["read_only"] is True
    assert member["cap_drop"] == ["ALL"] and "cap_add" not in member and "ports" not in member
    assert set(member["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert set(member["logging"]["options"]) == {"max-size", "max-file"}


@every_member
def test_every_member_stays_on_its_host_and_is_updated_alone(name):
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
def test_only_the_member_can_read_its_secrets(name):
    for secret in MEMBERS[name].get("secrets", []):
        assert (secret["uid"], secret["gid"], secret["mode"]) == ("999", "999", 0o400)
    assert not any(re.search("PW|PASS|SECRET", key) for key in MEMBERS[name].get("environment", {}))
    for secret in HA["secrets"].values():
        assert secret["external"] and re.search(r"_v\$\{\w+_VERSION:-1\}$", secret["name"])


def test_etcd_is_only_on_its_own_network():
    for name, member in MEMBERS.items():
        assert member["networks"] == (["ha"] if name.startswith("etcd") else ["ledger", "ha"])
    assert HA["networks"] == {"ha": {"driver": "overlay", "internal": True}}
    assert load_yaml("ha/encrypted.yml")["networks"] == {
        "ha": HA["networks"]["ha"] | {"driver_opts": {"encrypted": "true"}}}


def test_prometheus_scrapes_every_member():
    """On the network ha, and only with --ha: the override brings the file with the members' names."""
    override, archive = load_yaml("ha/monitoring.yml"), load_yaml("ha/archive-monitoring.yml")
    prometheus = override["services"]["prometheus"]
    assert prometheus["networks"] == [*load_yaml("monitoring.yml")["services"]["prometheus"]["networks"], "ha"]
    jobs = {job["job_name"]: job for job in load_yaml("monitoring/prometheus.yml")["scrape_configs"]}
    for source, job, targets in (
            (override, "patroni", [f"postgres-{name}:8008" for name in NAMES]),
            (override, "etcd", [f"etcd-{name}:2379" for name in NAMES]),
            (archive, "repository", ["repository:9854"])):
        file, = jobs[job]["file_sd_configs"][0]["files"]
        config, = (one for one in source["services"]["prometheus"]["configs"] if one["target"] == file)
        config = source["configs"][config["source"]]
        with open(os.path.join(ROOT, config["file"]), "rb") as held:
            text = held.read()
        assert config["name"].endswith("_" + hashlib.sha256(text).hexdigest()[:8]), "the file changed"
        assert yaml.safe_load(text) == [{"targets": targets}]


def test_patroni_has_a_synchronous_standby_and_consistent_times(program):
    found = program.postgres.configuration("10.0.0.7")
    dcs = found["bootstrap"]["dcs"]
    # Otherwise Patroni refuses the times, or an old primary may still run when a new one starts.
    assert dcs["ttl"] >= dcs["loop_wait"] + 2 * dcs["retry_timeout"]
    assert dcs["synchronous_mode"] is True and dcs["synchronous_mode_strict"] is False
    assert found["etcd3"]["hosts"] == [f"etcd-{name}:2379" for name in NAMES]
    assert "etcd" not in found
    assert found["restapi"]["listen"] == "10.0.0.7:8008", "only on the network ha"


@pytest.mark.parametrize("value, strict", [("yes", False), ("no", True)])
def test_a_single_server_accepts_writes_if_single_copy_allows_it(program, monkeypatch, value, strict):
    monkeypatch.setenv("SINGLE_COPY", value)
    dcs = program.postgres.configuration("10.0.0.7")["bootstrap"]["dcs"]
    assert dcs["synchronous_mode_strict"] is strict


def test_an_invalid_setting_is_refused(program, monkeypatch):
    monkeypatch.setenv("SINGLE_COPY", "maybe")
    with pytest.raises(SystemExit, match="SINGLE_COPY is 'maybe'"):
        program.postgres.configuration("10.0.0.7")


# --- the start of a member of etcd with an empty disk

def known_to(program, monkeypatch, *members):
    """Sets the members that the other members know: (name, has started). Returns the changes that they are asked
    for."""
    asked = []

    def etcdctl(_other, *words):
        if words == ("member", "list"):
            return {"members": [{"ID": 2**63 + ord(name), "name": name, "peerURLs": [program.etcd.peer_url(name)],
                                 "clientURLs": ["http://x"] if begun else []}
                                for name, begun in members]} if members else None
        asked.append(words)
        return {}

    monkeypatch.setattr(program.etcd, "etcdctl", etcdctl)
    return asked


def test_a_new_cluster_is_made_when_no_other_member_answers(program, monkeypatch):
    asked = known_to(program, monkeypatch)
    assert program.etcd.join() == ("new", NAMES) and not asked


def test_a_member_that_has_not_started_is_not_replaced(program, monkeypatch):
    asked = known_to(program, monkeypatch, ("a", True), ("b", False), ("c", True))
    assert program.etcd.join() == ("new", NAMES) and not asked


def test_a_member_that_lost_its_disk_is_replaced(program, monkeypatch):
    asked = known_to(program, monkeypatch, ("a", True), ("b", True), ("c", True))
    assert program.etcd.join() == ("existing", ["a", "b", "c"])
    assert asked == [("member", "remove", f"{2**63 + ord('b'):x}"),
                     ("member", "add", "b", "--peer-urls=http://etcd-b:2380")]


def test_a_member_that_was_removed_is_added(program, monkeypatch):
    asked = known_to(program, monkeypatch, ("a", True), ("c", True))
    assert program.etcd.join() == ("existing", ["a", "b", "c"])
    assert asked == [("member", "add", "b", "--peer-urls=http://etcd-b:2380")]


@pytest.mark.parametrize("known, noted, removed", [
    (("a", "b", "c"), "b", False), (("a", "b", "c"), "x", True), (("a", "c"), "b", True),
    ((), "x", False), (("a", "c"), None, False)])
def test_data_of_a_removed_member_is_recognised(program, monkeypatch, tmp_path, known, noted, removed):
    """`x`: another host had this member's place meanwhile. Without an answer, or without a note, etcd decides."""
    known_to(program, monkeypatch, *((name, True) for name in known))
    monkeypatch.setattr(program.etcd, "ID", tmp_path / "member-id")
    if noted:
        program.etcd.ID.write_text(f"{2**63 + ord(noted):x}")
    assert program.etcd.was_removed() is removed


# --- a full disk

def known_roles(**roles):
    return [{"name": name, "role": role} for name, role in roles.items()]


def views(program, monkeypatch, *leaders, owner):
    """Patroni names these leaders in turn, and etcd's lock has this owner."""
    answers = iter(leaders)
    monkeypatch.setattr(program.cluster, "ask", lambda _: (200, {"members": known_roles(**{next(answers): "leader"})}))
    monkeypatch.setattr(program.cluster.time, "sleep", lambda _: None)
    key = {"value": base64.b64encode(owner.encode()).decode()}
    monkeypatch.setattr(program.etcd, "etcdctl", lambda *_: {"kvs": [key]})


def test_an_old_view_of_the_cluster_is_not_reported(program, monkeypatch, capsys):
    views(program, monkeypatch, "a", "a", "b", owner="b")
    program.cluster.primary()
    assert capsys.readouterr().out == "b\n"


def test_a_view_that_stays_old_is_an_error(program, monkeypatch):
    views(program, monkeypatch, "a", owner="b")
    monkeypatch.setattr(program.cluster, "AGREED_S", -1)
    with pytest.raises(SystemExit, match="different leaders"):
        program.cluster.status()


@pytest.mark.parametrize("roles, full, handed_over", [
    ({"a": "sync_standby", "b": "leader", "c": "replica"}, "", "a"),
    ({"a": "sync_standby", "b": "leader", "c": "replica"}, "c", "a"),
    ({"a": "sync_standby", "b": "leader", "c": "replica"}, "a", None),
    ({"a": "replica", "b": "leader"}, "", None),
    ({"a": "leader", "b": "sync_standby", "c": "replica"}, "", None)])
def test_a_primary_with_a_full_disk_hands_over_to_a_standby_with_space(program, monkeypatch, roles, full, handed_over):
    done = []
    monkeypatch.setattr(program.disk.cluster, "servers", lambda: known_roles(**roles))
    monkeypatch.setattr(program.disk.cluster, "switchover", done.append)
    monkeypatch.setattr(program.etcd, "etcdctl", lambda _, verb, key: {
        "kvs": [{}]} if key == program.disk.FULL_KEYS + full else {})
    program.disk.hand_over()
    assert done == ([handed_over] if handed_over else [])


def test_a_disk_with_less_free_space_than_the_limit_is_full(program, monkeypatch, tmp_path):
    monkeypatch.setattr(program.here, "PGDATA", str(tmp_path / "pgdata"))
    monkeypatch.setattr(program.disk, "LEAST_FREE", 1)
    assert program.disk.is_full() is False
    monkeypatch.setattr(program.disk, "LEAST_FREE", 1 << 62)
    assert program.disk.is_full() is True


def start_of_one_of_three(program, volume, then):
    pid = os.fork()
    if pid == 0:
        try:
            program.here.own(volume)
            os.execvp("sh", ["sh", "-c", then])
        finally:
            os._exit(1)
    return pid


def start_of_the_single_one(_program, volume, then):
    with open(os.path.join(ROOT, "stack.yml"), encoding="utf-8") as file:
        entrypoint = yaml.safe_load(file)["services"]["postgres"]["entrypoint"]
    adapted = [word.replace("$$", "$").replace("/var/lib/postgresql", str(volume)).replace(
        "docker-entrypoint.sh", "sh") for word in entrypoint]
    return os.posix_spawnp(adapted[0], [*adapted, "-c", then], os.environ)


@pytest.mark.parametrize("start", [start_of_one_of_three, start_of_the_single_one])
def test_a_server_waits_for_the_end_of_another_container_on_its_volume(program, tmp_path, start):
    first = start(program, tmp_path, f"touch {tmp_path}/first; exec sleep 60")
    until((tmp_path / "first").exists, "the first container to own the volume")
    second = start(program, tmp_path, f"touch {tmp_path}/second")
    try:
        until(lambda: waits_for_a_lock(second), "the second container to wait")
        assert not (tmp_path / "second").exists()
    finally:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
    assert os.waitpid(second, 0)[1] == 0 and (tmp_path / "second").exists()


def waits_for_a_lock(pid):
    """Whether the kernel lists this process or a child of it as waiting: `2: -> FLOCK ADVISORY WRITE 1234 …`."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    with open("/proc/locks", encoding="ascii") as locks:
        return any(line.split()[1] == "->" and line.split()[5] in (str(pid), *children) for line in locks)


# --- the repository of --archive

ARCHIVE = load_yaml("ha/archive.yml")


def test_the_repository_is_confined_and_limited():
    repository = ARCHIVE["services"]["repository"]
    assert repository["networks"] == ["ha"] and "ports" not in repository
    assert repository["user"] == "999:999" and repository["read_only"] is True
    assert repository["cap_drop"] == ["ALL"] and "cap_add" not in repository
    assert set(repository["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert set(repository["logging"]["options"]) == {"max-size", "max-file"}
    assert repository["deploy"]["placement"] == {"constraints": ["node.labels.pathcount.repository == true"]}


def test_only_the_repository_and_the_servers_have_the_key():
    assert set(ARCHIVE["services"]) == {"repository", *(f"postgres-{name}" for name in NAMES)}
    for name, service in ARCHIVE["services"].items():
        secret, = service["secrets"]
        assert (secret["source"], secret["uid"], secret["mode"]) == ("backup_tls", "999", 0o400), name
    assert re.search(r"_v\$\{\w+_VERSION:-1\}$", ARCHIVE["secrets"]["backup_tls"]["name"])


def test_an_unreachable_repository_does_not_delay_a_standby(program):
    """Otherwise it would delay a failover."""
    config = program.postgres.configuration("10.0.0.7")
    program.backrest.archive(config, "/run/ha/pgbackrest.conf")
    assert config["postgresql"]["parameters"]["archive_mode"] == "on"
    assert "restore_command" not in config["postgresql"]["parameters"]


def test_the_servers_answer_only_on_the_network_ha(program):
    assert "\ntls-server-address=10.0.0.7\n" in program.backrest.of_server("10.0.0.7")


@pytest.mark.parametrize("name, end", [("000000010000000000000001", 0x2000000),
                                       ("0000000200000003000000FF", 0x400000000)])
def test_the_end_of_a_wal_segment_is_computed(program, name, end):
    assert program.repository.end_of_wal(name) == end


def test_the_data_before_a_restore_is_kept_once(program, monkeypatch, tmp_path):
    data = tmp_path / "pgdata"
    monkeypatch.setattr(program.here, "PGDATA", str(data))
    program.restore.set_aside(7)    # no data exists
    for number, content in ((8, "first"), (9, "second")):
        data.mkdir()
        (data / "PG_VERSION").write_text(content)
        program.restore.set_aside(number)
    data.mkdir()            # left by a failed attempt
    program.restore.set_aside(9)
    assert [one.name for one in tmp_path.glob("*before*")] == ["before-restore-9"] and not data.exists()
    assert (tmp_path / "before-restore-9" / "PG_VERSION").read_text() == "second"


@pytest.mark.parametrize("words, said", [
    (("d", "2026-01-31 23:59:00.000000+00"), "no server d"), (("a", "yesterday"), "is not a time"),
    (("a", '2026-01-31" --x="'), "is not a time")])
def test_a_restore_needs_a_server_and_a_time(program, monkeypatch, words, said):
    monkeypatch.setattr(program.etcd, "etcdctl", lambda *_: pytest.fail("etcd was asked"))
    with pytest.raises(SystemExit, match=said):
        program.restore.request(*words)
