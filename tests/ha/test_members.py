"""A host with a database server is lost for good: an empty one takes its place, and gives it back.

After each of them, for every path: acknowledged ≤ stored ≤ sent.
"""
import time

from harness.lab import docker, until, world
from lablib import cluster
from measures import FAR_ABOVE_S, audit, gap, others, until_whole

SPARE = 4           # a worker without a database server; it stays a manager afterwards (docs/ha.md)
READY_S = 120       # until a host that joins is ready
WELL_S = 300        # until the server that was moved has copied the ledger


def node(host):
    return f"{world.STACK}-h{host}"


def give(stack, member, host):
    """As docs/ha.md says."""
    stack.swarm("node", "update", "--label-rm", "pathcount.ha", node(stack.host_of(member)))
    place(stack, member, host)


def place(stack, member, host):
    stack.command("label", member, node(host))
    stack.places[member] = host
    stack.until_well(WELL_S)


def join_again(stack, host):
    """The Swarm has forgotten this host. Its disk is as it was."""
    docker(host, "swarm", "leave", "--force")
    cluster.join_one(stack.manager, host, stack.swarm("swarm", "join-token", "--quiet", "manager"))
    until(lambda: stack.swarm(
        "node", "ls", "--filter", f"name={node(host)}", "--format", "{{.Status}}") == "Ready",
        "the host to be ready", READY_S)


def test_lost_host_replaced_and_its_member_moved_back(stack, prefix, under_load, note):
    member = next(name for name, (role, _) in stack.roles().items() if role == "replica")
    lost, primary = stack.host_of(member), stack.primary()
    stack.away(lost)
    with under_load(others(stack, lost)) as (load, watches):
        began = time.time()
        stack.lab("kill", lost)
        stack.swarm("node", "demote", node(lost))
        stack.function("wait_until", 60, "the host to be demoted", "", world.DOCKER, "node", "rm", "--force",
                       node(lost))
        stack.swarm("node", "promote", node(SPARE))
        place(stack, member, SPARE)
        replaced, longest = time.time() - began, gap(watches, began)

        stack.lab("revive", lost)
        join_again(stack, lost)
        began = time.time()
        give(stack, member, lost)
        until_whole(watches, began)
        moved, later = time.time() - began, gap(watches, began)
        figures = audit(stack, prefix, load, watches)
    note(f"the host of {member} lost, an empty one in its place after {replaced:.1f} s, {longest:.1f} s without a "
         f"200; moved back in {moved:.1f} s, {later:.1f} s without a 200; {figures}")
    assert stack.primary() == primary and max(longest, later) <= FAR_ABOVE_S
