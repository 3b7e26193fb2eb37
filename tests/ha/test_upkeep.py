"""What an operator does to three database servers that run: a backup and its restore, other images, other
passwords, a rebalance. Most of it under load; after each, for every path: acknowledged ≤ stored ≤ sent.
"""
import json
import time

import pytest

from harness.lab import docker, get_count, images, query, until, world
from measures import FAR_ABOVE_S, audit, gap, until_whole
from members import MEMBERS

SECRETS = {"postgres-pw": "postgres_pw", "replication-pw": "replication_pw", "patroni-pw": "patroni_pw",
           "backup-tls": "backup_tls", "token": "counter_token", "ledger-pw": "ledger_pw"}
OF_MEMBERS = ("postgres-pw", "replication-pw", "patroni-pw", "backup-tls")
ROLES = {"postgres-pw": ("postgres",), "replication-pw": ("replicator", "rewind"), "ledger-pw": ("pathcount",)}
SEEN_S = 90
SERVERS = [f"postgres-{member}" for member in MEMBERS]


def under(stack, prefix, under_load, change):
    """Makes a change under load. Returns how long it took, the longest time without a 200, and the figures of
    the audit."""
    with under_load(stack.hosts) as (load, watches):
        began = time.time()
        change()
        took = time.time() - began
        until_whole(watches, time.time())
        stack.until_well()
        longest = gap(watches, began)
        return took, longest, audit(stack, prefix, load, watches)


def spec(stack, service, field):
    return json.loads(stack.swarm("service", "inspect", "--format",
                                  f"{{{{json .Spec.TaskTemplate.ContainerSpec.{field}}}}}",
                                  f"{world.STACK}_{service}"))


def test_all_members_rolled_to_a_new_image(stack, prefix, under_load, note):
    old = f"{world.REGISTRY}/postgres-ha:{stack.tag}"
    tag = f"again-{time.time_ns()}"
    new = f"{world.REGISTRY}/postgres-ha:{tag}"
    docker(0, "tag", old, new)
    images.command("push", "--ha", number=0, TAG=tag)
    took, longest, figures = under(stack, prefix, under_load,
                                   lambda: stack.command("roll", "postgres-ha", tag))
    note(f"all members rolled in {took:.0f} s: {longest:.1f} s without a 200; {figures}")
    for service in (*SERVERS, *(f"etcd-{member}" for member in MEMBERS), "repository"):
        assert spec(stack, service, "Image").partition("@")[0] == new
    assert longest <= FAR_ABOVE_S


def test_backup_and_restore(stack, prefix, tmp_path):
    """On the primary's host; on another one the commands name that host, and change nothing."""
    host, file = stack.host_of(stack.primary()), str(tmp_path / "dump")
    elsewhere = next(h for h in (1, 2, 3) if h != host)
    before = stack.load_inside(prefix, requests=100).stop()
    refused = stack.command("backup", file, host=elsewhere, check=False)
    assert refused.returncode == 1 and f"but on pathcount-h{host}" in refused.stderr
    stack.command("backup", file, host=host)
    stack.load_inside(f"{prefix}later/", requests=100).stop()
    assert stack.command("restore", "--replace", file, host=elsewhere, check=False).returncode == 1
    assert stack.stored(f"{prefix}later/").total() == 100
    stack.command("restore", "--replace", file, host=host)
    assert stack.stored(prefix) == before.acked and before.acked.total() == 100
    until(lambda: all(get_count(h, f"{prefix}back") for h in stack.hosts), "pages that count", 60)


def versions(stack, service):
    """{file: version} of a service's secrets."""
    return {one["File"]["Name"]: int(one["SecretName"].rpartition("_v")[2])
            for one in spec(stack, service, "Secrets") or []}


def verifiers(stack):
    return dict(stack.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"))


@pytest.mark.parametrize("what", SECRETS)
def test_secret_rotated(stack, prefix, under_load, note, what):
    file, before, roles = SECRETS[what], versions(stack, "postgres-a"), verifiers(stack)
    counter = versions(stack, "counter-svc")
    host = stack.host_of(stack.primary())
    took, longest, figures = under(stack, prefix, under_load,
                                   lambda: stack.command("rotate", what, host=host))
    note(f"rotated {what} in {took:.0f} s: {longest:.1f} s without a 200; {figures}")
    if what in OF_MEMBERS:
        assert {versions(stack, server)[file] for server in SERVERS} == {before[file] + 1}
    else:
        assert versions(stack, "counter-svc")[file] == counter[file] + 1
    after = verifiers(stack)
    assert {role for role in after if after[role] != roles[role]} == set(ROLES.get(what, ()))
    until(lambda: stack.swarm(
        "secret", "ls", "--quiet", "--filter",
        f"name={world.STACK}_{file}_v{before.get(file, counter.get(file))}") == "" or what == "ledger-pw",
        "no secret of another version", 60)
    assert longest <= FAR_ABOVE_S


def test_prometheus_asks_every_member(stack):
    images.build_prometheus()
    form = ("--ha", "--archive", "--host-ports", "--wait")
    stack.command("deploy", *form, "--monitoring")
    try:
        wanted = {("repository", "repository:9854"), *(
            (job, f"{kind}-{member}:{port}") for member in MEMBERS for job, kind, port in (
                ("patroni", "postgres", 8008), ("etcd", "etcd", 2379)))}
        until(lambda: wanted <= {
            (one["metric"]["job"], one["metric"]["instance"]) for one in query(stack, "up == 1")},
            "every member to be asked", SEEN_S)
        primary = f"postgres-{stack.primary()}:8008"
        until(lambda: [
            one["metric"]["instance"] for one in query(stack, "patroni_primary == 1")] == [primary],
            "the primary to be seen",
            SEEN_S)
    finally:
        stack.command("deploy", *form)


def crowd(stack, host):
    """Both of counter-svc go to one host, as after the others were away, and Swarm leaves them there."""
    nodes = [f"{world.STACK}-h{other}" for other in stack.hosts if other != host]
    try:
        for node in nodes:
            stack.swarm("node", "update", "--availability", "pause", node)
        stack.function("update_service", "counter-svc", "--force")
    finally:
        for node in nodes:
            stack.swarm("node", "update", "--availability", "active", node)
    stack.only("counter-svc", 2)
    assert {task.host for task in stack.tasks("counter-svc")} == {host}


def test_replicas_are_rebalanced_without_a_failed_request(stack, prefix, note):
    crowd(stack, stack.hosts[-1])
    load = stack.load_inside(prefix)
    stack.running_under_load(prefix)
    stack.command("rebalance")
    stack.only("counter-svc", 2)
    stack.running_under_load(prefix)
    report = load.stop()
    note(f"rebalanced: {report}")
    stack.audit(prefix, report.sent, report.acked, exact=True)
    assert not report.failed and not report.unavailable and not report.unreached
    assert len({task.host for task in stack.tasks("counter-svc")}) == 2
