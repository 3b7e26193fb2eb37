"""From hosts to one Swarm with the stack on it."""
from . import images, world
from .world import STACK, Refusal, docker, wait_for


def node_state(number):
    return docker(number, "info", "--format", "{{.Swarm.LocalNodeState}}",
                  check=False).stdout.strip()


def join(numbers, patience=1, managers=None):
    """Joins all hosts into one Swarm, except those that are in it already. The first `managers` are managers,
    by default all. Of two hosts only the first is one: two managers lose their majority with either host.
    `patience`: the factor by which everything is slower than on a real machine, so that Swarm does not take a
    busy host for a dead one."""
    first, *others = numbers
    if node_state(first) != "active":
        docker(first, "swarm", "init", "--advertise-addr", world.host_address(first),
               "--task-history-limit", "2", "--dispatcher-heartbeat", f"{5 * patience}s")
    managers = managers or (1 if len(numbers) == 2 else len(numbers))
    for index, number in enumerate(others, start=1):
        if node_state(number) != "active":
            role = "manager" if index < managers else "worker"
            join_one(first, number, docker(first, "swarm", "join-token", "--quiet", role).stdout.strip())
    wait_for("all hosts ready", lambda: ready_nodes(first) == len(numbers),
             120 * patience)


def join_one(manager, number, token):
    """Joins a host into the Swarm of host `manager`. It may become ready later."""
    joined = docker(number, "swarm", "join", "--advertise-addr", world.host_address(number),
                    "--token", token, f"{world.host_address(manager)}:2377", check=False)
    # The client gives up after 20 s; the engine continues.
    if joined.returncode != 0 and "continue in the background" not in joined.stderr:
        raise Refusal(f"{world.host_name(number)} cannot join: {joined.stderr.strip()}")


def ready_nodes(number):
    listed = docker(number, "node", "ls", "--format", "{{.Status}}", check=False, timeout=30)
    return listed.stdout.split().count("Ready")


def deploy(number, labels, *overrides, tag, **environ):
    """Deploys the stack with the commands of the README. `labels`: the arguments of swarm/label, once for
    each database server."""
    images.command("secrets", number=number)
    for words in labels:
        images.command("label", *words, number=number)
    images.command("deploy", *overrides, "--wait", number=number, TAG=tag, **environ)


def services(number):
    """Name and running/wanted replicas of each service, as a manager reports them."""
    listed = docker(number, "stack", "services", STACK, "--format", "{{.Name}} {{.Replicas}}",
                    check=False, timeout=60)
    return dict(line.split(maxsplit=1) for line in listed.stdout.splitlines())
