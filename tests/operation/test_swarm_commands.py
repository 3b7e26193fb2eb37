"""How the commands in swarm/ call and wait for Swarm, with a fake Docker that answers like a Swarm with
problems. tests/overlay tests a real Swarm."""

import shutil

import pytest

from swarm_helpers import one, swarm  # noqa: F401 (fixtures)

OUT_OF_SEQUENCE = "Error response from daemon: rpc error: code = Unknown desc = update out of sequence"

NO_LEADER = ("Error response from daemon: rpc error: code = Unknown desc = The swarm does not have a leader. "
             "It's possible that too few managers are online. Make sure more than half of the managers are "
             "online.")


# --- transient errors


CHANGES = {
    "stack deploy": ["deploy"],
    "service scale": ["scale", "2"],
    "node update": ["label", "h1"],
    "secret create": ["secrets"],
    "secret rm": ["remove", "--secrets"],
    "stack rm": ["remove"],
    "service update": ["roll", "render-svc", "2"],
}


@pytest.mark.parametrize("change, error", [
    *((change, OUT_OF_SEQUENCE) for change in CHANGES), ("stack deploy", NO_LEADER)])
def test_a_change_is_repeated_after_a_transient_error(swarm, change, error):
    swarm.state["secrets"].remove("pathcount_postgres_pw_v1")
    if change == "stack deploy":
        swarm.state["secrets"].append("pathcount_postgres_pw_v1")
    swarm.state["failures"] = [[change, error, 3]]
    swarm.state["changes"] = [
        ["service scale", 1, {"services": {"pathcount_render-svc": one("render-svc", "h1", "h2")}}],
        ["service update", 1, {"services": {"pathcount_render-svc": {"image": "pathcount/render-svc:2"}}}]]
    done = swarm.run(*CHANGES[change])
    assert done.returncode == 0, done.stderr
    tried = swarm.asked(change)
    assert len(tried) >= 4 and len(set(tried[:4])) == 1
    assert f"retrying; Swarm reports: {error}" in done.stderr


def test_a_rotation_survives_transient_errors(swarm):
    """Each step is repeated as often as Swarm requires."""
    new, old = "pathcount_counter_token_v4", "pathcount_counter_token_v3"
    counter = swarm.service("counter-svc")["secrets"]
    swarm.state["failures"] = [["service update", OUT_OF_SEQUENCE, 2]]
    swarm.state["changes"] = [
        ["service update", 1, {"services": {"pathcount_counter-svc": {
            "secrets": counter | {"counter_token": new}}}}],
        ["service update", 2, {"services": {"pathcount_render-svc": {"secrets": {"counter_token": new}}}}],
        ["service update", 3, {"services": {"pathcount_counter-svc": {
            "secrets": counter | {"counter_token": new, "counter_token_previous": new}}}}]]
    done = swarm.run("rotate", "token")
    assert done.returncode == 0, done.stderr
    assert len(swarm.asked("service update")) == 5
    assert new in swarm.state["secrets"] and old not in swarm.state["secrets"]


def rotation_of_the_password(swarm, *tasks):
    """Runs swarm/rotate ledger-pw. `tasks` are the tasks of the job that changes the role."""
    new, old = "pathcount_ledger_pw_v3", "pathcount_ledger_pw_v2"
    counter = swarm.service("counter-svc")["secrets"]
    swarm.state["services"]["pathcount_rotate"] = one("rotate") | {"tasks": [
        ["pathcount_rotate.1", "h1", "Complete", f"{state} 1 second ago", error, True] for state, error in tasks]}
    swarm.state["changes"] = [
        ["service update", 1, {"services": {"pathcount_counter-svc": {
            "secrets": counter | {"ledger_pw": new, "ledger_pw_previous": old}}}}],
        ["service update", 2, {"services": {"pathcount_counter-svc": {
            "secrets": counter | {"ledger_pw": new, "ledger_pw_previous": new}}}}]]
    return swarm.run("rotate", "ledger-pw", WAIT_S="2")


FAILED, COMPLETE, RUNS = ("Failed", "task: non-zero exit (2)"), ("Complete", ""), ("Running", "")


@pytest.mark.parametrize("tasks", [[COMPLETE], [FAILED, COMPLETE], [COMPLETE, FAILED]], ids=str)
def test_one_completed_task_of_a_job_is_enough(swarm, tasks):
    """Swarm sometimes runs two tasks of a job."""
    done = rotation_of_the_password(swarm, *tasks)
    assert done.returncode == 0, done.stderr
    assert "pathcount_ledger_pw_v2" not in swarm.state["secrets"]


@pytest.mark.parametrize("tasks, said", [
    ([FAILED], "the password of the role was not changed"),
    ([FAILED, FAILED], "the password of the role was not changed"),
    ([FAILED, RUNS], "the job pathcount_rotate")], ids=str)
def test_a_job_that_failed_ends_the_rotation(swarm, tasks, said):
    done = rotation_of_the_password(swarm, *tasks)
    assert done.returncode == 1 and said in done.stderr
    assert "pathcount_ledger_pw_v2" in swarm.state["secrets"]


def test_another_error_is_final(swarm):
    swarm.state["failures"] = [["stack deploy", "network pathcount_public is declared as external", 9]]
    done = swarm.run("deploy")
    assert done.returncode == 1 and "declared as external" in done.stderr
    assert len(swarm.asked("stack deploy")) == 1


def test_repeating_has_an_end(swarm):
    swarm.state["failures"] = [["stack deploy", OUT_OF_SEQUENCE, 1_000_000]]
    done = swarm.run("deploy", RETRY_S="1")
    assert done.returncode == 1
    assert OUT_OF_SEQUENCE in done.stderr and "not accepted it within 1 s" in done.stderr


def test_a_failed_query_changes_nothing(swarm):
    """The present state is unknown. Version 1 of every secret would undo a rotation."""
    swarm.state["failures"] = [["service inspect", NO_LEADER, 1_000_000]]
    done = swarm.run("deploy", RETRY_S="0")
    assert done.returncode == 1 and "cannot inspect" in done.stderr
    assert not swarm.asked("stack deploy")


def test_a_failed_query_is_repeated(swarm):
    swarm.state["failures"] = [["node ls", NO_LEADER, 2], ["service inspect", NO_LEADER, 2],
                               ["secret ls", NO_LEADER, 2]]
    done = swarm.run("deploy", "--wait")
    assert done.returncode == 0, done.stderr
    assert len(swarm.asked("stack deploy")) == 1


# --- the result of an update


def roll(swarm, state, image):
    swarm.state["changes"] = [
        ["service update", 1, {"services": {"pathcount_render-svc": {
            "image": "pathcount/render-svc:2", "previous_image": "pathcount/render-svc:1",
            "update": ["updating", "update in progress"]}}}],
        ["_up-to-date", 3, {"services": {"pathcount_render-svc": {
            "image": image, "update": [state, "the reason"]}}}]]
    return swarm.run("roll", "render-svc", "2")


def test_a_completed_roll(swarm):
    done = roll(swarm, "completed", "pathcount/render-svc:2@sha256:0")
    assert done.returncode == 0 and "render-svc runs 2" in done.stdout


def test_a_roll_that_swarm_rolls_back(swarm):
    done = roll(swarm, "rollback_completed", "pathcount/render-svc:1")
    assert done.returncode == 1
    assert "render-svc was rolled back to pathcount/render-svc:1" in done.stderr
    assert "render-svc: the reason" in done.stderr


# --- the database's container


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_commands_name_the_host_of_the_database(swarm, command, tmp_path):
    (tmp_path / "dump").touch()
    swarm.service("postgres")["tasks"][0][1] = "h2"
    done = swarm.run(command, str(tmp_path / "dump"))
    assert done.returncode == 1 and "but on h2" in done.stderr


def test_commands_wait_for_a_database_that_starts_here(swarm, tmp_path):
    swarm.service("postgres")["tasks"][0][3] = "Starting 2 seconds ago"
    swarm.state["changes"] = [["--no-trunc", 2, {"services": {"pathcount_postgres": one("postgres", "h1")},
                                                 "container": "the-container"}]]
    done = swarm.run("backup", str(tmp_path / "dump"))
    assert "postgres: 0 of 1 run" in done.stderr
    assert "postgres.1 on h1: Starting 2 seconds ago" in done.stderr
    assert swarm.asked("exec the-container pg_dump")


def test_commands_use_the_fake_docker(swarm):
    """The tests above would also pass with another Docker that does nothing."""
    assert shutil.which("docker", path=f"{swarm.path}:/usr/bin:/bin") == str(swarm.path / "docker")


# --- three database servers


def test_three_servers_are_not_replaced_by_an_empty_server(swarm):
    for name in "abc":
        swarm.state["services"][f"pathcount_postgres-{name}"] = one(f"postgres-{name}", "h1")
    swarm.service("postgres")["replicas"] = 0
    done = swarm.run("deploy")
    assert done.returncode == 1 and "three database servers: add --ha" in done.stderr
    assert not swarm.asked("stack deploy")


def test_one_server_is_not_replaced_by_three_empty_ones(swarm):
    done = swarm.run("deploy", "--ha")
    assert done.returncode == 1 and "docs/ha.md" in done.stderr
    assert not swarm.asked("stack deploy")


def test_three_servers_need_their_secrets(swarm):
    swarm.service("postgres")["replicas"] = 0
    done = swarm.run("deploy", "--ha")
    assert done.returncode == 1 and "no secret pathcount_replication_pw_v1: run swarm/secrets" in done.stderr
    swarm.run("secrets")
    done = swarm.run("deploy", "--ha", "--encrypted")
    assert done.returncode == 0, done.stderr
    deployed, = swarm.asked("stack deploy")
    files = [word.rpartition("/swarm/")[2] for word in deployed.split() if word.endswith(".yml")][1:]
    assert files == ["ha.yml", "encrypted.yml", "ha/encrypted.yml"]
    swarm.run("deploy", "--monitoring", "--ha")
    files = [word.rpartition("/swarm/")[2] for word in swarm.asked("stack deploy")[-1].split()
             if word.endswith(".yml")][1:]
    assert files == ["monitoring.yml", "ha.yml", "ha/monitoring.yml"]
