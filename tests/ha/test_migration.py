"""Three database servers become one and three again, by the steps of docs/ha.md, while visitors ask all the
time: 503 meanwhile, and for every path: acknowledged ≤ stored ≤ sent."""
import time

from harness.lab import get_count, remove_volume, until, watching, world
from measures import audit
from members import MEMBERS, REPOSITORY_HOST

PAGE_S = 90
STOPPED_S = 90
ONE = 1             # the host of the single server
SERVERS = [f"{world.STACK}_postgres-{member}" for member in MEMBERS]


def counting_again(stack, prefix):
    stack.command("scale", "counter-svc", "2")
    until(lambda: all(
        get_count(host, "/back") for host in stack.hosts), "pages that count", PAGE_S)
    stack.running_under_load(prefix)


def to_one(stack, prefix, dump):
    primary = stack.host_of(stack.primary())
    stack.command("scale", "counter-svc", "0")
    stack.command("backup", dump, host=primary)
    stack.swarm("service", "scale", "--detach", *(f"{server}=0" for server in SERVERS))
    stack.swarm("service", "rm", f"{world.STACK}_repository")
    stack.command("label", f"{world.STACK}-h{ONE}")
    stack.command("deploy", "--host-ports", "--wait", COUNTER_REPLICAS="0")
    stack.command("restore", "--replace", dump, host=ONE)
    counting_again(stack, prefix)


def remove_volumes(stack):
    """What is left of the three servers and of the repository: three new ones begin empty."""
    for host, volume in [*((stack.host_of(member), f"{kind}-{member}") for member in MEMBERS
                           for kind in ("ledger", "etcd")), (REPOSITORY_HOST, "repository")]:
        remove_volume(host, f"{world.STACK}_{volume}")


def to_three(stack, prefix, dump):
    stack.command("scale", "counter-svc", "0")
    stack.command("backup", dump, host=ONE)
    stack.swarm("service", "scale", "--detach", f"{world.STACK}_postgres=0")
    until(lambda: not stack.tasks("postgres"), "PostgreSQL's end", STOPPED_S)
    stack.command("deploy", "--ha", "--archive", "--host-ports", "--wait", COUNTER_REPLICAS="0")
    stack.until_well()
    stack.command("restore", dump, host=stack.host_of(stack.primary()))
    counting_again(stack, prefix)


def test_to_one_server_and_back_to_three(stack, prefix, commits, note, tmp_path):  # pylint: disable=unused-argument
    load = stack.load_inside(prefix)
    with watching(stack.hosts, prefix) as watches:
        stack.running_under_load(prefix)
        began = time.time()
        to_one(stack, prefix, tmp_path / "three.dump")
        one = time.time() - began
        refused = stack.command("deploy", "--ha", "--archive", "--host-ports", check=False)
        assert refused.returncode == 1 and "the stack has one database server" in refused.stderr
        remove_volumes(stack)
        began = time.time()
        to_three(stack, prefix, tmp_path / "one.dump")
        three = time.time() - began
        stack.swarm("node", "update", "--label-rm", "pathcount.ledger", f"{world.STACK}-h{ONE}")
        figures = audit(stack, prefix, load, watches)
    assert {status for watch in watches for *_, status in watch.seen} <= {200, 503}
    note(f"from three servers to one: pages again after {one:.0f} s; from one to three: {three:.0f} s; {figures}")
