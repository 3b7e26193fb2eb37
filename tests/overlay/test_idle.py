"""A connection whose state was lost on the way, as load balancers and firewalls do with idle ones. Neither end
is notified, and the next request must still be answered within its deadline."""
import time

import pytest

from harness.lab import DEADLINE_S, MARGIN_S, get, get_count, until


@pytest.fixture
def idle(stack):
    """Counters on the database's host, renderers everywhere, nothing in flight."""
    stack.shape("--host-ports", renderers=3, counters=2, apart=True)
    return stack


def connections(task, port):
    """Local ports of the task's connections to this remote port."""
    listed = task.in_network("ss", "-Htn", "state", "established", "dport", "=", f":{port}").stdout
    return [line.split()[2].rsplit(":", 1)[1] for line in listed.splitlines()]


def next_request_is_in_time(host, path, note, what):
    start = time.monotonic()
    got = get(host, path, timeout=20, Accept="application/json")
    took = time.monotonic() - start
    note(f"{what}: the next request was answered {got and got[0]} after {took:.2f} s")
    assert got and got[0] in (200, 503) and took <= DEADLINE_S + MARGIN_S
    until(lambda: get_count(host, path), "requests to be counted again", 60)


def test_renderer_to_counter_flow_dropped(idle, prefix, note):
    host = next(h for h in idle.hosts if h != idle.database_host())
    path = f"{prefix}page"
    assert until(lambda: get_count(host, path), "a hit", 60)
    renderer = idle.task("render-svc", host)
    ports = connections(renderer, 8081)
    assert ports, "the renderer keeps no connection"
    with dropped(renderer, ports):
        next_request_is_in_time(host, path, note, "flow to counter-svc dropped")


def test_counter_to_postgres_flow_dropped(idle, prefix, note):
    host = next(h for h in idle.hosts if h != idle.database_host())
    path = f"{prefix}page"
    assert until(lambda: get_count(host, path), "a hit", 60)
    counters = idle.tasks("counter-svc")
    rules = [(counter, connections(counter, 5432)) for counter in counters]
    assert all(ports for _, ports in rules), "a counter keeps no connection"
    with dropped(*rules[0]), dropped(*rules[1]):
        next_request_is_in_time(host, path, note, "flows to PostgreSQL dropped")


def test_connection_closed_while_cut_off(idle, prefix, note):
    """The far end closes the connections while the host is cut off, so the near end does not learn of it."""
    host = next(h for h in idle.hosts if h not in (idle.database_host(), idle.manager))
    path = f"{prefix}page"
    assert until(lambda: get_count(host, path), "a hit", 60)
    renderer = idle.task("render-svc", host).addresses()["internal"]
    idle.lab("cut", host)
    for counter in idle.tasks("counter-svc"):
        counter.in_network("ss", "-K", "dst", renderer)
    idle.lab("mend", host)
    next_request_is_in_time(host, path, note, "connection closed while the host was cut off")


class dropped:
    """During the block, packets of the task's connections with these local ports are dropped in both directions."""

    def __init__(self, task, ports):
        self.task = task
        self.rules = [rule for port in ports for rule in (
            ["OUTPUT", "-p", "tcp", "--sport", port, "-j", "DROP"],
            ["INPUT", "-p", "tcp", "--dport", port, "-j", "DROP"])]

    def __enter__(self):
        for rule in self.rules:
            self.task.in_network("iptables", "-w", "-A", *rule)

    def __exit__(self, *_):
        for rule in self.rules:
            self.task.in_network("iptables", "-w", "-D", *rule)
