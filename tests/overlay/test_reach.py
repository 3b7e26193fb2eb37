"""Reachability: a page at every host, every replica by its name, and no access to anything else."""
import concurrent.futures
import itertools

import pytest

from harness.lab import docker, get, get_count, net, until, vxlan_packets, world


@pytest.fixture
def spread(stack):
    """A renderer on every host, counter-svc and PostgreSQL together on one host."""
    stack.shape("--host-ports", renderers=3, counters=2, apart=True)
    return stack


def test_any_host_counts_and_shows(spread, prefix):
    path = f"{prefix}page"
    others = [host for host in spread.hosts if host != spread.database_host()]
    crossed = {host: vxlan_packets(host) for host in others}
    for number, host in enumerate(spread.hosts * 4, start=1):
        assert get_count(host, path) == number
    for host in others:
        # At least the answers to its hits arrived through a tunnel.
        assert vxlan_packets(host) >= crossed[host] + 4
    status, headers, page = get(others[0], path, Accept="text/html")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert b"<title>Path Count</title>" in page and path.encode() in page and b"13" in page
    assert spread.stored(prefix) == {path: 13}


def test_client_inside_reaches_every_replica(spread, prefix):
    spread.client_knows("tasks.render-svc", 3)
    report = spread.load_inside(prefix, requests=300, think_ms=5).stop()
    renderers = {task.addresses()["public"] for task in spread.tasks("render-svc")}
    assert len(renderers) == 3 and set(report.by_address) == renderers
    assert spread.audit(prefix, report.sent, report.acked, exact=True) == 300


def test_a_large_page_crosses_hosts_unchanged(spread, prefix, note):
    """More than 60 KB between hosts, twice: rows from counter-svc to a renderer, and the page from there to a
    client on a third host. A wrong MTU would let small answers through and stall this one."""
    load = spread.load_inside(prefix + "long" * 450 + "/", paths=60, think_ms=5)
    try:
        far = next(h for h in spread.hosts if h != spread.database_host())
        # more than asserted below, because other rows change until the load has ended
        until(lambda: len((get(far, "/", Accept="text/html") or (0, 0, b""))[2]) > 80_000,
              "a page of more than 80 KB", 120)
    finally:
        report = load.stop()
    assert not report.failed
    client = spread.start_client()
    fetch = ("import sys, urllib.request as u; "
             "p = u.urlopen(u.Request(sys.argv[1], headers={'Accept': 'text/html'}), timeout=10)"
             ".read(); print(len(p), p.rstrip().endswith(b'</html>'))")
    for task in spread.tasks("render-svc"):
        if task.host == client.host:
            continue
        url = f"http://{task.addresses()['public']}:8080/"
        size, whole = docker(client.host, "exec", client.container, "python3", "-c", fetch,
                             url).split()
        note(f"page of {size} bytes from h{task.host} to h{client.host}")
        assert int(size) > 60_000 and whole == "True"


def test_without_the_token_401(spread):
    client = spread.start_client(network="internal", host=3)
    ask = ("import sys, urllib.request as u, urllib.error as e\n"
           "request = u.Request('http://tasks.counter-svc:8081/v1/paths?limit=1')\n"
           "[request.add_header('Authorization', word) for word in sys.argv[1:]]\n"
           "try: print(u.urlopen(request, timeout=5).status)\n"
           "except e.HTTPError as error: print(error.code)")
    for headers in ([], ["Bearer wrong"]):
        assert docker(client.host, "exec", client.container, "python3", "-c", ask,
                      *headers) == "401"


def test_renderer_cannot_reach_postgres(spread):
    database = spread.tasks("postgres")[0].addresses()["ledger"]
    renderers = spread.tasks("render-svc")
    until(lambda: each(resolves, renderers, ["tasks.counter-svc"]) == {True},
          "renderers to know counter-svc", 30)
    assert each(resolves, renderers, ["tasks.postgres"]) == {False}
    assert each(connects, renderers, [database], [5432]) == {False}
    counter = spread.tasks("counter-svc")[0]
    until(lambda: resolves(counter, "tasks.postgres")
          and connects(counter, database, 5432), "counter-svc to reach it", 30)


def test_nothing_outside_reaches_the_inner_services(spread):
    """Not by a host's ports, not from a neighbour on the switch that knows their addresses and routes them to a
    host, and not from the ingress network."""
    tasks = {5432: spread.tasks("postgres")[0], 8081: spread.tasks("counter-svc")[0]}
    switch = net.within(world.SWITCH)
    assert each(dials, [switch], map(world.host_address, spread.hosts), tasks) == {False}
    for port, task in tasks.items():
        for address in task.addresses().values():
            via = world.host_address(task.host)
            world.run(*switch, "ip", "route", "replace", address, "via", via)
            try:
                assert not dials(switch, address, port)
            finally:
                world.run(*switch, "ip", "route", "del", address)
        # No outgoing traffic either: an internal network has no gateway.
        assert "default" not in task.in_network("ip", "route").stdout
    client = spread.start_client()
    until(lambda: resolves(client, "tasks.render-svc"), "the client to know the renderers", 30)
    assert each(resolves, [client], [
        "tasks.counter-svc", "tasks.postgres", "counter-svc", "postgres"]) == {False}
    for port, task in tasks.items():
        assert each(connects, [client], task.addresses().values(), [port]) == {False}


def each(question, *choices):
    """The answers to a query for every combination of choices. All run at once, because a negative answer is
    mostly a deadline."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return set(pool.map(lambda chosen: question(*chosen), list(itertools.product(*choices))))


DIAL = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).close()
except OSError:
    sys.exit(1)
"""


def dials(within, address, port):
    return world.run(*within, "/usr/bin/python3", "-c", DIAL, address, port,
                     check=False).returncode == 0


def connects(task, address, port):
    """Whether a program in the task's network can open a connection."""
    return dials(["nsenter", f"--net=/proc/{task.pid}/ns/net"], address, port)


def resolves(task, name):
    """Whether Docker's resolver has an address of the name for the task."""
    return task.addresses_of(name) > 0
