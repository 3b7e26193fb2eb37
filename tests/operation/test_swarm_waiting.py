"""How the commands in swarm/ wait for Swarm, and repair problems that Swarm leaves. See test_swarm_commands.py."""

import re

import pytest

from swarm_helpers import one, swarm  # noqa: F401 (fixtures)

STALE_NODES = '"no suitable node (2 nodes not available for new tasks; host-mode port already in use on 1 node)"'

STALE_PORTS = '"no suitable node (host-mode port already in use on 3 nodes)"'


def pending(service, number, error):
    return [f"pathcount_{service}.{number}", "", "Running", "Pending 12 seconds ago", error, True]


# --- waiting


def test_a_command_that_need_not_wait_prints_nothing(swarm):
    done = swarm.run("wait")
    assert (done.returncode, done.stdout, done.stderr) == (0, "every replica runs\n", "")


def test_a_waiting_command_prints_its_reason(swarm):
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
    # The same line twice; the third time the tasks run.
    assert len(lines) == 4 + 4 + 1, lines
    assert [line.partition(" s: ")[2] for line in lines[::4]] == ["render-svc: 1 of 3 run"] * 3
    assert lines[1:4] == lines[5:8] == [
        "deploy:     render-svc.2 on h2: Starting 1 second ago, desired running",
        "deploy:     render-svc.2 on h2: Failed 3 seconds ago, desired shutdown: task: non-zero exit (1)",
        "deploy:     render-svc.3 on no node: Pending 12 seconds ago, desired running: no suitable node "
        "(insufficient resources)"]
    assert not swarm.asked("--force")


def test_it_names_the_node_that_is_not_ready(swarm):
    swarm.state["nodes"][2][1] = "Down"
    swarm.state["changes"] = [["node ls --format", 4, {"nodes": [["h1", "Ready", "Active", True]]}]]
    done = swarm.run("wait", "--nodes")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^wait: waiting for every node, \d+ s: h3 Down Active$", done.stderr, re.MULTILINE)


def test_it_waits_for_an_unreachable_manager(swarm):
    """Such a node may be ready for tasks although it does not know the Swarm's leader."""
    ready = [["h1", "Ready", "Active", True, "Leader"], ["h2", "Ready", "Active", True, "Reachable"],
             ["h3", "Ready", "Active", True]]
    swarm.state["nodes"] = [ready[0], [*ready[1][:4], "Unreachable"], ready[2]]
    swarm.state["changes"] = [["node ls --format", 4, {"nodes": ready}]]
    done = swarm.run("wait", "--nodes")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^wait: waiting for every node, \d+ s: h2 Ready Active Unreachable$", done.stderr, re.MULTILINE)


def test_it_prints_the_reason_at_the_deadline(swarm):
    swarm.service("postgres")["tasks"] = [
        ["pathcount_postgres.1", "h1", "Running", "Preparing 9 seconds ago", "", True]]
    done = swarm.run("deploy", "--wait", WAIT_S="0", REPORT_S="60")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "deploy:     postgres.1 on h1: Preparing 9 seconds ago, desired running",
        "deploy: every replica: not within 0 s: postgres: 0 of 1 run"]


def test_tasks_of_the_previous_version_do_not_count(swarm):
    """Right after a change all replicas run, but with the previous version."""
    tasks = swarm.service("render-svc")["tasks"]
    swarm.service("render-svc")["tasks"] = [task[:5] + [False] for task in tasks]
    swarm.state["changes"] = [["_up-to-date", 3, {"services": {"pathcount_render-svc": {"tasks": tasks}}}]]
    done = swarm.run("deploy", "--wait")
    assert done.returncode == 0 and "render-svc: 0 of 3 run" in done.stderr


@pytest.mark.parametrize("state", ["updating", "rollback_started"])
def test_it_waits_for_an_update_in_progress(swarm, state):
    swarm.service("render-svc")["update"] = [state, "in progress"]
    swarm.state["changes"] = [["_up-to-date", 3, {"services": {"pathcount_render-svc": {
        "update": ["completed", "update completed"]}}}]]
    done = swarm.run("scale", "3")
    assert done.returncode == 0 and "render-svc: 3 of 3 run, " in done.stderr


def test_scaling_to_none_waits_until_the_last_task_has_drained(swarm):
    """A draining task still counts. A command that reads the ledger afterwards must not miss a hit."""
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


# --- problems that Swarm does not repair


@pytest.mark.parametrize("command", [["wait"], ["deploy", "--wait"], ["scale", "3"]], ids=" ".join)
@pytest.mark.parametrize("reason", [STALE_NODES, STALE_PORTS], ids=["nodes", "ports"])
def test_a_forced_update_places_a_forgotten_task(swarm, command, reason):
    well = swarm.service("render-svc")["tasks"]
    swarm.service("render-svc")["tasks"] = well[:2] + [pending("render-svc", 3, reason)]
    swarm.state["changes"] = [["--force", 1, {"services": {"pathcount_render-svc": {"tasks": well}}}]]
    done = swarm.run(*command)
    assert done.returncode == 0, done.stderr
    assert len(swarm.asked("--force")) == 1 and swarm.asked("--force")[0].endswith(" pathcount_render-svc")
    assert "render-svc: forcing an update, as Swarm does not place a task" in done.stderr


def test_a_short_problem_causes_no_forced_update(swarm):
    well = swarm.service("render-svc")["tasks"]
    swarm.service("render-svc")["tasks"] = well[:2] + [pending("render-svc", 3, STALE_PORTS)]
    swarm.state["changes"] = [["--no-trunc", 5, {"services": {"pathcount_render-svc": {"tasks": well}}}]]
    done = swarm.run("wait", STUCK_S="60")
    assert done.returncode == 0 and not swarm.asked("--force")


def ends(swarm, looks=6):
    """Makes render-svc healthy after this number of looks at the tasks."""
    swarm.state["changes"].append(["--no-trunc", looks, {"services": {
        "pathcount_render-svc": one("render-svc", "h1", "h2", "h3")}}])


def test_there_are_at_most_three_forced_updates(swarm):
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
def test_a_permanent_problem_causes_no_forced_update(swarm, reason, nodes):
    for node, status in zip(swarm.state["nodes"], nodes):
        node[1] = status
    ends(swarm)
    swarm.service("render-svc")["tasks"][2] = pending("render-svc", 3, reason)
    done = swarm.run("wait")
    assert done.returncode == 0 and not swarm.asked("--force")
    assert reason.strip('"') in done.stderr


@pytest.mark.parametrize("previous, forced", [("pathcount/render-svc:0", 0), ("pathcount/render-svc:1", 1)])
def test_a_forced_update_keeps_the_rollback_of_an_update(swarm, previous, forced):
    """Otherwise Swarm would roll back to the new version."""
    well = swarm.service("render-svc")["tasks"]
    swarm.service("render-svc").update(update=["updating", "update in progress"], previous_image=previous,
                                       tasks=well[:2] + [pending("render-svc", 3, STALE_PORTS)])
    swarm.state["changes"] = [["--force", 1, {"services": {"pathcount_render-svc": {
        "tasks": well, "update": ["completed", ""]}}}]]
    ends(swarm)
    done = swarm.run("wait")
    assert len(swarm.asked("--force")) == forced and done.returncode == 0
    assert ("could no longer be rolled back" in done.stderr) == (not forced)


# --- after a host has come back


def forced(swarm):
    return [line.rpartition("_")[2] for line in swarm.asked("--force")]


def test_replicas_are_spread_again(swarm):
    done = swarm.run("rebalance")
    assert done.returncode == 0, done.stderr
    assert forced(swarm) == ["counter-svc", "render-svc"]


def test_renderers_on_host_ports_are_not_spread(swarm):
    swarm.service("render-svc")["order"] = "stop-first"
    done = swarm.run("rebalance")
    assert done.returncode == 0 and "render-svc: skipped, every host has one" in done.stdout
    assert forced(swarm) == ["counter-svc"]


def test_an_update_in_progress_causes_no_forced_update(swarm):
    swarm.service("counter-svc").update(update=["updating", ""], previous_image="pathcount/counter-svc:0")
    done = swarm.run("rebalance")
    assert done.returncode == 1 and "counter-svc is being updated" in done.stderr
    assert not forced(swarm)
