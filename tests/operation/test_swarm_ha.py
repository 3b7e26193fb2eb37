"""The commands for three database servers: their calls of Swarm and of the containers, and the order of these
calls."""
import pytest

from swarm_helpers import Swarm, one

WELL = "a leader running 3 -\nb sync_standby streaming 3 0\nc replica streaming 3 0"
PASSWORDS = ("postgres_pw", "replication_pw", "patroni_pw", "backup_tls")


@pytest.fixture
def swarm(tmp_path):
    """Three healthy servers. Server a is the primary and on this host, where the repository is, too."""
    swarm = Swarm(tmp_path)
    swarm.service("postgres").update(replicas=0, tasks=[])
    members = {"pathcount_repository": one("repository", "h1", secrets={
        "backup_tls": "pathcount_backup_tls_v1"})}
    for name in "abc":
        members[f"pathcount_postgres-{name}"] = one(f"postgres-{name}", "h1", secrets={
            "ledger_pw": "pathcount_ledger_pw_v1", **{file: f"pathcount_{file}_v1" for file in PASSWORDS}})
        members[f"pathcount_etcd-{name}"] = one(f"etcd-{name}", "h1")
    swarm.state["services"].update(members)
    swarm.state["secrets"] += [f"pathcount_{file}_v1" for file in PASSWORDS[1:]]
    swarm.state["containers"] = {f"pathcount_{name}": f"{name}-container"
                                 for name in ("repository", "postgres-a", "etcd-a")}
    swarm.state["answers"] = [["ha primary", "a"], ["ha status", WELL], ["ha switchover", "b"]]
    swarm.state["nodes"] = [["h1", "Ready", "Active", ["pathcount.ha=a", "pathcount.repository=true"]],
                            ["h2", "Ready", "Active", ["pathcount.ha=b"]],
                            ["h3", "Ready", "Active", ["pathcount.ha=c"]]]
    return swarm


def order(swarm, *words):
    """The commands with one of these words, in their order, each as the index of the word."""
    lines = ["update " + line.split()[-1].removeprefix("pathcount_") if line.startswith("service update")
             else line for line in swarm.state["log"]]
    return [number for line in lines for number, word in enumerate(words) if word in line]


def updated(swarm):
    """The services that were updated, in their order."""
    return [line.split()[-1].removeprefix("pathcount_") for line in swarm.asked("service update")]


# --- rotation

@pytest.mark.parametrize("what, secret, roles", [
    ("postgres-pw", "postgres_pw", ["postgres"]),
    ("replication-pw", "replication_pw", ["replicator", "rewind"]),
    ("patroni-pw", "patroni_pw", []), ("backup-tls", "backup_tls", [])])
def test_the_primary_gets_the_new_secret_last(swarm, what, secret, roles):
    done = swarm.run("rotate", what)
    assert done.returncode == 0, done.stderr
    extra = {"postgres_pw": ["postgres"], "backup_tls": ["repository"]}.get(secret, [])
    assert updated(swarm) == [*extra, "postgres-b", "postgres-c", "postgres-a"]
    for line in swarm.asked("service update"):
        assert f"--secret-rm pathcount_{secret}_v1" in line
        assert f"source=pathcount_{secret}_v2,target={secret},uid=999,gid=999,mode=0400" in line
    # The roles get the password before the first server, and the primary hands over before its update.
    steps = ["secret create", *(f"\\password {role}" for role in roles), "update postgres-b", "ha switchover",
             "update postgres-a", "secret rm"]
    assert order(swarm, *steps) == list(range(len(steps)))
    assert f"pathcount_{secret}_v1" not in swarm.state["secrets"]


def test_no_password_is_in_a_command_line(swarm):
    swarm.run("rotate", "replication-pw")
    value, replicator, rewind = swarm.state["stdin"]
    assert len(value) == 64 and replicator == rewind == f"{value}\n{value}\n"
    assert not any(value in line for line in swarm.state["log"])


def test_an_interrupted_rotation_continues(swarm):
    """One server has the new version, so the roles already have the new password."""
    swarm.service("postgres-b")["secrets"]["replication_pw"] = "pathcount_replication_pw_v2"
    swarm.state["secrets"].append("pathcount_replication_pw_v2")
    done = swarm.run("rotate", "replication-pw")
    assert done.returncode == 0, done.stderr
    assert updated(swarm) == ["postgres-c", "postgres-a"]
    assert not swarm.asked("secret create") and not swarm.asked("\\password")
    assert "pathcount_replication_pw_v2" in swarm.state["secrets"]


def test_a_server_that_lacks_the_new_password_gets_it_first(swarm):
    """A rotation was interrupted, and this server has lost its connection."""
    swarm.service("postgres-a")["secrets"]["replication_pw"] = "pathcount_replication_pw_v2"
    swarm.state["secrets"].append("pathcount_replication_pw_v2")
    swarm.state["answers"][1][1] = WELL.replace("c replica streaming", "c replica starting")
    swarm.state["changes"] = [["service update", 1, {"answers": [
        ["ha primary", "a"], ["ha status", WELL], ["ha switchover", "b"]]}]]
    done = swarm.run("rotate", "replication-pw")
    assert done.returncode == 0, done.stderr
    assert updated(swarm) == ["postgres-c", "postgres-b"]


def test_a_rotation_waits_until_three_servers_are_ready(swarm):
    swarm.state["answers"][1][1] = WELL.replace("c replica streaming", "c replica stopped")
    done = swarm.run("rotate", "patroni-pw", WAIT_S="1")
    assert done.returncode == 1 and "three database servers and a synchronous standby" in done.stderr
    assert not swarm.asked("secret create") and not swarm.asked("service update")


def test_the_passwords_of_three_servers_need_three_servers(swarm):
    swarm.service("postgres-a")["replicas"] = 0
    done = swarm.run("rotate", "replication-pw")
    assert done.returncode == 1 and "three database servers" in done.stderr
    assert not swarm.asked("secret create")


def test_a_deployment_keeps_the_newest_secret_of_a_server(swarm):
    swarm.service("postgres-c")["secrets"]["postgres_pw"] = "pathcount_postgres_pw_v4"
    done = swarm.run("deploy", "--ha", "--archive")
    assert done.returncode == 1 and "no secret pathcount_postgres_pw_v4" in done.stderr


def test_a_single_server_after_three_starts_with_the_present_password(swarm):
    """counter-svc's password was rotated; the servers still have the first one."""
    for name in "abc":
        swarm.service(f"postgres-{name}")["replicas"] = 0
    del swarm.state["services"]["pathcount_repository"]
    swarm.state["secrets"].remove("pathcount_ledger_pw_v1")
    swarm.state["nodes"][0][3] = ["pathcount.ledger=true"]
    done = swarm.run("deploy")
    assert done.returncode == 0, done.stderr


# --- the repository

def test_the_repository_is_deployed_with_its_files(swarm):
    done = swarm.run("deploy", "--ha", "--archive", "--monitoring")
    assert done.returncode == 1 and "no secret pathcount_grafana_pw_v1" in done.stderr
    swarm.run("secrets")
    done = swarm.run("deploy", "--ha", "--archive", "--monitoring")
    assert done.returncode == 0, done.stderr
    files = [word.rpartition("/swarm/")[2] for word in swarm.asked("stack deploy")[-1].split()
             if word.endswith(".yml")][1:]
    assert files == ["ha.yml", "monitoring.yml", "ha/archive.yml", "ha/archive-monitoring.yml",
                     "ha/monitoring.yml"]


@pytest.mark.parametrize("words, said", [
    (["--ha"], "the stack has a backup repository: add --archive"),
    (["--archive"], "--archive requires --ha")])
def test_a_deployment_without_archive_does_not_remove_the_repository(swarm, words, said):
    done = swarm.run("deploy", *words)
    assert done.returncode == 1 and said in done.stderr
    assert not swarm.asked("stack deploy")


def test_the_repository_needs_a_host(swarm):
    swarm.state["nodes"][0][3] = ["pathcount.ha=a"]
    done = swarm.run("deploy", "--ha", "--archive")
    assert done.returncode == 1 and "run swarm/label repository NODE" in done.stderr


def test_the_certificate_is_made_once_and_its_key_stays_out_of_command_lines(swarm):
    swarm.state["secrets"].remove("pathcount_backup_tls_v1")
    swarm.run("secrets")
    made = swarm.state["stdin"][-1]
    assert "BEGIN CERTIFICATE" in made and "PRIVATE KEY" in made
    swarm.run("secrets")
    assert len(swarm.asked("secret create pathcount_backup_tls_v1")) == 1
    assert not any("PRIVATE KEY" in line for line in swarm.state["log"])


def test_a_base_backup_is_made_where_the_repository_is(swarm):
    swarm.state["answers"].append(["ha base-backup", "full backup: 20260131-235900F"])
    done = swarm.run("base-backup")
    assert done.returncode == 0 and "20260131-235900F" in done.stdout
    assert swarm.asked("exec repository-container ha base-backup")
    del swarm.state["containers"]["pathcount_repository"]
    done = swarm.run("base-backup")
    assert done.returncode == 1 and "but on h1" in done.stderr


# --- point-in-time recovery

AT = ("--replace", "--at", "2026-01-31 23:59 UTC")


@pytest.fixture(name="silent")
def fixture_silent(swarm):
    """A Swarm on which no hit is counted."""
    swarm.service("counter-svc").update(replicas=0, tasks=[])
    return swarm


def test_all_servers_are_stopped_before_one_is_restored(silent):
    done = silent.run("restore", *AT)
    assert done.returncode == 0, done.stderr
    assert [line.split(maxsplit=3)[3] for line in silent.asked("service scale")] == [
        "pathcount_postgres-a=0 pathcount_postgres-b=0 pathcount_postgres-c=0", "pathcount_postgres-a=1",
        "pathcount_postgres-b=1 pathcount_postgres-c=1"]
    assert silent.asked("exec etcd-a-container ha restore a 2026-01-31 23:59:00.000000+00")
    assert order(silent, "postgres-c=0", "ha restore", "--detach pathcount_postgres-a=1", "postgres-c=1") == [
        0, 1, 2, 3]


def test_a_restore_waits_for_the_lock_to_end(silent):
    silent.state["failures"] = [["ha restore", "ha: a database server still has the lock", 3]]
    done = silent.run("restore", *AT)
    assert done.returncode == 0, done.stderr
    assert len(silent.asked("ha restore")) == 4 and "still has the lock" in done.stderr


@pytest.mark.parametrize("words, said", [
    (["--replace", "--at", "2999-01-01"], "in the future"), (["--replace", "--at", "soon"], "is not a time"),
    (["--at", "latest"], "use --replace")])
def test_an_impossible_restore_stops_no_server(silent, words, said):
    done = silent.run("restore", *words)
    assert done.returncode == 1 and said in done.stderr
    assert not silent.asked("service scale") and not silent.asked("ha restore")


def test_a_restore_is_refused_while_hits_are_counted(swarm):
    done = swarm.run("restore", *AT)
    assert done.returncode == 1 and "swarm/scale counter-svc 0" in done.stderr
    assert not swarm.asked("service scale")


def test_a_restore_to_a_time_needs_a_repository_and_a_server_here(silent):
    silent.state["nodes"][0][3] = []
    done = silent.run("restore", *AT)
    assert done.returncode == 1 and "h1 has no database server" in done.stderr
    del silent.state["services"]["pathcount_repository"]
    done = silent.run("restore", *AT)
    assert done.returncode == 1 and "there is no repository" in done.stderr
    assert not silent.asked("service scale")
