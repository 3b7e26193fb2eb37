"""How the commands in swarm/ ask Swarm and wait for it, with a Docker that answers as a Swarm in trouble
does. What a real Swarm does, tests/overlay sees."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.services import ROOT

FAKE_DOCKER = pathlib.Path(__file__).parent / "docker_swarm"
OUT_OF_SEQUENCE = "Error response from daemon: rpc error: code = Unknown desc = update out of sequence"
NO_LEADER = ("Error response from daemon: rpc error: code = Unknown desc = The swarm does not have a leader. "
             "It's possible that too few managers are online. Make sure more than half of the managers are "
             "online.")
STALE_NODES = '"no suitable node (2 nodes not available for new tasks; host-mode port already in use on 1 node)"'
STALE_PORTS = '"no suitable node (host-mode port already in use on 3 nodes)"'


def running(service, *hosts):
    return [[f"pathcount_{service}.{n}", host, "Running", "Running 1 minute ago", "", True]
            for n, host in enumerate(hosts, start=1)]


def one(service, *hosts, **more):
    return {"replicas": len(hosts), "image": f"pathcount/{service}:1", "previous_image": "", "secrets": {},
            "update": ["", ""], "tasks": running(service, *hosts), **more}


def pending(service, number, error):
    return [f"pathcount_{service}.{number}", "", "Running", "Pending 12 seconds ago", error, True]


class Swarm:
    """A Swarm of three nodes, all well, until a test changes `state`."""

    def __init__(self, folder):
        self.file, self.path = folder / "swarm.json", folder / "bin"
        self.path.mkdir()
        (self.path / "docker").symlink_to(FAKE_DOCKER)
        token, password = "pathcount_counter_token_v", "pathcount_ledger_pw_v"
        self.state = {
            "nodes": [[f"h{n}", "Ready", "Active", n == 1] for n in (1, 2, 3)],
            "secrets": [f"{token}3", "pathcount_admin_token_v1", f"{password}2", f"{password}1",
                        "pathcount_postgres_pw_v1"],
            "services": {
                "pathcount_render-svc": one("render-svc", "h1", "h2", "h3",
                                            secrets={"counter_token": f"{token}3"}),
                "pathcount_counter-svc": one("counter-svc", "h1", "h2", secrets={
                    "counter_token": f"{token}3", "counter_token_previous": f"{token}3",
                    "admin_token": "pathcount_admin_token_v1",
                    "ledger_pw": f"{password}2", "ledger_pw_previous": f"{password}2"}),
                "pathcount_postgres": one("postgres", "h1", secrets={
                    "ledger_pw": f"{password}1", "postgres_pw": "pathcount_postgres_pw_v1"})},
            "container": "", "failures": [], "changes": [], "log": []}

    def service(self, name):
        return self.state["services"][f"pathcount_{name}"]

    def run(self, command, *words, **environ):
        """Runs swarm/COMMAND; `state` is what it has left."""
        self.file.write_text(json.dumps(self.state))
        done = subprocess.run(
            [os.path.join(ROOT, "swarm", command), *words], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=120, env={
                "PATH": f"{self.path}:/usr/bin:/bin", "SWARM": str(self.file), "POLL_S": "0.01",
                "REPORT_S": "0", "STUCK_S": "0", "WAIT_S": "60", **environ})
        self.state = json.loads(self.file.read_text())
        assert "does not know" not in done.stderr, done.stderr
        return done

    def asked(self, words):
        """The commands that Docker was given with these words in them."""
        return [line for line in self.state["log"] if words in line]


@pytest.fixture
def swarm(tmp_path):
    return Swarm(tmp_path)


# --- what Swarm asks to retry

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
def test_a_change_is_tried_again(swarm, change, error):
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


def test_a_rotation_is_not_disturbed(swarm):
    """Each step is asked for as often as Swarm wants it to be."""
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
    """Runs swarm/rotate ledger-pw; these are the tasks of the job that changes the role."""
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
    """Swarm sometimes runs two."""
    done = rotation_of_the_password(swarm, *tasks)
    assert done.returncode == 0, done.stderr
    assert "pathcount_ledger_pw_v2" not in swarm.state["secrets"]


@pytest.mark.parametrize("tasks, said", [
    ([FAILED], "the password of the role was not changed"), ([FAILED, FAILED], "the password of the role was not changed"),
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


def test_trying_again_ends(swarm):
    swarm.state["failures"] = [["stack deploy", OUT_OF_SEQUENCE, 1_000_000]]
    done = swarm.run("deploy", RETRY_S="1")
    assert done.returncode == 1
    assert OUT_OF_SEQUENCE in done.stderr and "not accepted it within 1 s" in done.stderr


def test_a_question_without_an_answer_changes_nothing(swarm):
    """What runs cannot be known: version 1 of everything would undo a rotation."""
    swarm.state["failures"] = [["service inspect", NO_LEADER, 1_000_000]]
    done = swarm.run("deploy", RETRY_S="0")
    assert done.returncode == 1 and "cannot inspect" in done.stderr
    assert not swarm.asked("stack deploy")


def test_a_question_is_asked_again(swarm):
    swarm.state["failures"] = [["node ls", NO_LEADER, 2], ["service inspect", NO_LEADER, 2],
                               ["secret ls", NO_LEADER, 2]]
    done = swarm.run("deploy", "--wait")
    assert done.returncode == 0, done.stderr
    assert len(swarm.asked("stack deploy")) == 1


# --- what is waited for

def test_nothing_is_said_when_nothing_is_waited_for(swarm):
    done = swarm.run("wait")
    assert (done.returncode, done.stdout, done.stderr) == (0, "every replica runs\n", "")


def test_it_says_what_it_waits_for(swarm):
    """The service, and each task with its host, its state and Swarm's reason."""
    well = swarm.service("render-svc")["tasks"]
    failed = ["pathcount_render-svc.2", "h2", "Shutdown", "Failed 3 seconds ago",
              '"task: non-zero exit (1)"', True]
    starting = ["pathcount_render-svc.2", "h2", "Running", "Starting 1 second ago", "", True]
    swarm.service("render-svc")["tasks"] = [
        well[0], starting, failed, pending("render-svc", 3, '"no suitable node (insufficient resources)"')]
    swarm.state["changes"] = [["--no-trunc", 3, {"services": {"pathcount_render-svc": {"tasks": well}}}]]
    done = swarm.run("deploy", "--wait")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    # Twice the same; the third time the tasks run.
    assert len(lines) == 4 + 4 + 1, lines
    assert [line.partition(" s: ")[2] for line in lines[::4]] == ["render-svc: 1 of 3 run"] * 3
    assert lines[1:4] == lines[5:8] == [
        "deploy:     render-svc.2 on h2: Starting 1 second ago, desired running",
        "deploy:     render-svc.2 on h2: Failed 3 seconds ago, desired shutdown: task: non-zero exit (1)",
        "deploy:     render-svc.3 on no node: Pending 12 seconds ago, desired running: no suitable node "
        "(insufficient resources)"]
    assert not swarm.asked("--force")


def test_it_says_which_node_is_not_ready(swarm):
    swarm.state["nodes"][2][1] = "Down"
    swarm.state["changes"] = [["node ls --format", 4, {"nodes": [["h1", "Ready", "Active", True]]}]]
    done = swarm.run("wait", "--nodes")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^wait: waiting for every node, \d+ s: h3 Down Active$", done.stderr, re.MULTILINE)


def test_it_waits_for_a_manager_that_the_others_do_not_reach(swarm):
    """Such a node may be ready for tasks already, but does not know the Swarm's leader."""
    ready = [["h1", "Ready", "Active", True, "Leader"], ["h2", "Ready", "Active", True, "Reachable"],
             ["h3", "Ready", "Active", True]]
    swarm.state["nodes"] = [ready[0], [*ready[1][:4], "Unreachable"], ready[2]]
    swarm.state["changes"] = [["node ls --format", 4, {"nodes": ready}]]
    done = swarm.run("wait", "--nodes")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^wait: waiting for every node, \d+ s: h2 Ready Active Unreachable$", done.stderr, re.MULTILINE)


def test_it_ends_with_the_reason(swarm):
    swarm.service("postgres")["tasks"] = [
        ["pathcount_postgres.1", "h1", "Running", "Preparing 9 seconds ago", "", True]]
    done = swarm.run("deploy", "--wait", WAIT_S="0", REPORT_S="60")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "deploy:     postgres.1 on h1: Preparing 9 seconds ago, desired running",
        "deploy: every replica: not within 0 s: postgres: 0 of 1 run"]


def test_old_tasks_do_not_count(swarm):
    """Right after a change all replicas run: the old ones."""
    tasks = swarm.service("render-svc")["tasks"]
    swarm.service("render-svc")["tasks"] = [task[:5] + [False] for task in tasks]
    swarm.state["changes"] = [["_up-to-date", 3, {"services": {"pathcount_render-svc": {"tasks": tasks}}}]]
    done = swarm.run("deploy", "--wait")
    assert done.returncode == 0 and "render-svc: 0 of 3 run" in done.stderr


@pytest.mark.parametrize("state", ["updating", "rollback_started"])
def test_an_update_in_progress_is_waited_for(swarm, state):
    swarm.service("render-svc")["update"] = [state, "in progress"]
    swarm.state["changes"] = [["_up-to-date", 3, {"services": {"pathcount_render-svc": {
        "update": ["completed", "update completed"]}}}]]
    done = swarm.run("scale", "3")
    assert done.returncode == 0 and "render-svc: 3 of 3 run, " in done.stderr


def test_scaling_to_none_waits_until_the_last_task_has_drained(swarm):
    """It counts until then: what reads the ledger afterwards must not miss a hit."""
    service = swarm.service("counter-svc")
    service["replicas"] = 0
    service["tasks"] = [["pathcount_counter-svc.1", "h1", "Remove", "Running 1 minute ago", "", True]]
    swarm.state["changes"] = [["{{.DesiredState}}", 3, {"services": {"pathcount_counter-svc": {"tasks": []}}}]]
    done = swarm.run("scale", "counter-svc", "0")
    assert done.returncode == 0, done.stderr
    assert len(swarm.asked("{{.DesiredState}}")) == 3


def test_a_paused_update_is_an_error_at_once(swarm):
    swarm.service("postgres")["update"] = ["paused", "update paused due to failure of task x"]
    done = swarm.run("deploy", "--wait")
    assert done.returncode == 1
    assert "Swarm has paused the update: postgres: update paused due to failure of task x" in done.stderr


def test_a_deployment_that_was_rolled_back_is_an_error(swarm):
    swarm.state["changes"] = [["stack deploy", 1, {"services": {"pathcount_render-svc": {
        "update": ["rollback_completed", "rollback completed"]}}}]]
    done = swarm.run("deploy", "--wait")
    assert done.returncode == 1 and "render-svc was rolled back" in done.stderr


# --- what Swarm does not repair

@pytest.mark.parametrize("command", [["wait"], ["deploy", "--wait"], ["scale", "3"]], ids=" ".join)
@pytest.mark.parametrize("reason", [STALE_NODES, STALE_PORTS], ids=["nodes", "ports"])
def test_a_task_that_swarm_forgot_is_placed_by_force(swarm, command, reason):
    well = swarm.service("render-svc")["tasks"]
    swarm.service("render-svc")["tasks"] = well[:2] + [pending("render-svc", 3, reason)]
    swarm.state["changes"] = [["--force", 1, {"services": {"pathcount_render-svc": {"tasks": well}}}]]
    done = swarm.run(*command)
    assert done.returncode == 0, done.stderr
    assert len(swarm.asked("--force")) == 1 and swarm.asked("--force")[0].endswith(" pathcount_render-svc")
    assert "render-svc: forcing an update, as Swarm does not place a task" in done.stderr


def test_force_is_for_what_lasts(swarm):
    well = swarm.service("render-svc")["tasks"]
    swarm.service("render-svc")["tasks"] = well[:2] + [pending("render-svc", 3, STALE_PORTS)]
    swarm.state["changes"] = [["--no-trunc", 5, {"services": {"pathcount_render-svc": {"tasks": well}}}]]
    done = swarm.run("wait", STUCK_S="60")
    assert done.returncode == 0 and not swarm.asked("--force")


def ends(swarm, looks=6):
    """After so many looks at the tasks, render-svc is well."""
    swarm.state["changes"].append(["--no-trunc", looks, {"services": {
        "pathcount_render-svc": one("render-svc", "h1", "h2", "h3")}}])


def test_force_is_used_three_times_at_most(swarm):
    ends(swarm)
    swarm.service("render-svc")["tasks"][2] = pending("render-svc", 3, STALE_PORTS)
    done = swarm.run("wait")
    assert done.returncode == 0 and len(swarm.asked("--force")) == 3


@pytest.mark.parametrize("reason, nodes", [
    ('"no suitable node (2 nodes not available for new tasks)"', ["Ready", "Down", "Down"]),
    (STALE_PORTS, ["Ready", "Ready", "Down"]),
    ('"no suitable node (insufficient resources on 3 nodes)"', ["Ready"] * 3),
    ('"no suitable node (scheduling constraints not satisfied on 3 nodes)"', ["Ready"] * 3),
    ('"no suitable node (max replicas per node limit exceed)"', ["Ready"] * 3)])
def test_a_reason_that_is_true_is_left_alone(swarm, reason, nodes):
    for node, status in zip(swarm.state["nodes"], nodes):
        node[1] = status
    ends(swarm)
    swarm.service("render-svc")["tasks"][2] = pending("render-svc", 3, reason)
    done = swarm.run("wait")
    assert done.returncode == 0 and not swarm.asked("--force")
    assert reason.strip('"') in done.stderr


@pytest.mark.parametrize("previous, forced", [("pathcount/render-svc:0", 0), ("pathcount/render-svc:1", 1)])
def test_the_way_back_of_an_update_is_kept(swarm, previous, forced):
    """A forced update would make the new version the one that Swarm rolls back to."""
    well = swarm.service("render-svc")["tasks"]
    swarm.service("render-svc").update(update=["updating", "update in progress"], previous_image=previous,
                                       tasks=well[:2] + [pending("render-svc", 3, STALE_PORTS)])
    swarm.state["changes"] = [["--force", 1, {"services": {"pathcount_render-svc": {
        "tasks": well, "update": ["completed", ""]}}}]]
    ends(swarm)
    done = swarm.run("wait")
    assert len(swarm.asked("--force")) == forced and done.returncode == 0
    assert ("could no longer be rolled back" in done.stderr) == (not forced)


# --- the verdict on an update

def roll(swarm, state, image):
    swarm.state["changes"] = [
        ["service update", 1, {"services": {"pathcount_render-svc": {
            "image": "pathcount/render-svc:2", "previous_image": "pathcount/render-svc:1",
            "update": ["updating", "update in progress"]}}}],
        ["_up-to-date", 3, {"services": {"pathcount_render-svc": {
            "image": image, "update": [state, "the reason"]}}}]]
    return swarm.run("roll", "render-svc", "2")


def test_a_roll_that_is_completed(swarm):
    done = roll(swarm, "completed", "pathcount/render-svc:2@sha256:0")
    assert done.returncode == 0 and "render-svc runs 2" in done.stdout


def test_a_roll_that_is_rolled_back(swarm):
    done = roll(swarm, "rollback_completed", "pathcount/render-svc:1")
    assert done.returncode == 1
    assert "render-svc was rolled back to pathcount/render-svc:1" in done.stderr
    assert "render-svc: the reason" in done.stderr


# --- the database's container

@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_database_elsewhere_is_named(swarm, command, tmp_path):
    (tmp_path / "dump").touch()
    swarm.service("postgres")["tasks"][0][1] = "h2"
    done = swarm.run(command, str(tmp_path / "dump"))
    assert done.returncode == 1 and "but on h2" in done.stderr


def test_a_database_that_starts_here_is_waited_for(swarm, tmp_path):
    swarm.service("postgres")["tasks"][0][3] = "Starting 2 seconds ago"
    swarm.state["changes"] = [["--no-trunc", 2, {"services": {"pathcount_postgres": one("postgres", "h1")},
                                                 "container": "the-container"}]]
    done = swarm.run("backup", str(tmp_path / "dump"))
    assert "postgres: 0 of 1 run" in done.stderr
    assert "postgres.1 on h1: Starting 2 seconds ago" in done.stderr
    assert swarm.asked("exec the-container pg_dump")


def test_the_fake_is_what_is_asked(swarm):
    """The tests above would pass with nothing if another Docker were found first."""
    assert shutil.which("docker", path=f"{swarm.path}:/usr/bin:/bin") == str(swarm.path / "docker")


# --- after a host has come back

def forced(swarm):
    return [line.rpartition("_")[2] for line in swarm.asked("--force")]


def test_replicas_are_spread_again(swarm):
    done = swarm.run("rebalance")
    assert done.returncode == 0, done.stderr
    assert forced(swarm) == ["counter-svc", "render-svc"]


def test_renderers_on_their_hosts_ports_stay(swarm):
    swarm.service("render-svc")["order"] = "stop-first"
    done = swarm.run("rebalance")
    assert done.returncode == 0 and "render-svc: skipped, every host has one" in done.stdout
    assert forced(swarm) == ["counter-svc"]


def test_an_update_in_progress_is_not_forced(swarm):
    swarm.service("counter-svc").update(update=["updating", ""], previous_image="pathcount/counter-svc:0")
    done = swarm.run("rebalance")
    assert done.returncode == 1 and "counter-svc is being updated" in done.stderr
    assert not forced(swarm)


# --- three database servers

def test_three_servers_are_not_replaced_by_an_empty_one(swarm):
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
