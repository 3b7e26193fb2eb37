"""The stack with its Prometheus. Every task is scraped, on any host, also after scaling, and no other client can
read the metrics."""
import pytest
import yaml

from harness.lab import REPO, docker, get, get_count, images, query, until, world

pytestmark = pytest.mark.upkeep
STACK = yaml.safe_load((REPO / "stack.yml").read_text(encoding="utf-8"))
MONITORING = yaml.safe_load((REPO / "swarm/monitoring.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def watched(_stack):
    """The stack with monitoring, which is removed afterwards."""
    images.build_prometheus()
    _stack.shape("--host-ports", "--monitoring", renderers=3, counters=2)
    yield _stack
    _stack.shape("--host-ports", renderers=3, counters=2)


def up(stack):
    """(job, address) of all targets that answer."""
    return {(one["metric"]["job"], one["metric"]["instance"])
            for one in query(stack, 'up{job!="prometheus"} == 1')}


def tasks(stack):
    """The same from the engines: each task's address on the network `monitoring`."""
    ports = {"render-svc": 8090, "counter-svc": 8091}
    return {(name, f"{task.addresses()['monitoring']}:{port}")
            for name, port in ports.items() for task in stack.tasks(name)}


def test_prometheus_scrapes_every_task(watched):
    found = until(lambda: len(up(watched)) == 5 and up(watched), "every task to be scraped", 90)
    assert found == tasks(watched)


def test_a_new_task_is_scraped(watched):
    watched.command("scale", "counter-svc", "3")
    until(lambda: up(watched) == tasks(watched)
          and len(up(watched)) == 6, "the third to be scraped", 90)
    watched.command("scale", "counter-svc", "2")


def test_series_have_the_host_of_their_task(watched):
    hosts = until(lambda: query(watched, "count by (host) (pathcount_host_info)"), "hosts", 60)
    assert {one["metric"]["host"] for one in hosts} <= {
        f"pathcount-h{host}" for host in watched.hosts}


def test_prometheus_has_the_hits(watched, prefix):
    for host in watched.hosts:
        assert get_count(host, prefix) is not None
    until(lambda: query(
        watched, "sum(pathcount_hits_committed_total) > 0"), "the hits to be seen", 60)
    assert query(watched, "max(pathcount_ledger_hits) > 0")


def test_the_admin_listener_is_not_published(watched):
    for host in watched.hosts:
        assert b"pathcount_" not in get(host, "/metrics")[2]
    listed = docker(watched.manager, "stack", "services", world.STACK, "--format",
                    "{{.Name}} {{.Ports}}")
    assert "8090" not in listed and "8091" not in listed


# --- the override file

def test_the_override_adds_one_network_and_an_address():
    for name, port in (("render-svc", 8090), ("counter-svc", 8091)):
        service = MONITORING["services"][name]
        assert service["networks"] == STACK["services"][name]["networks"] + ["monitoring"]
        assert service["environment"] == {"ADMIN_LISTEN": f"0.0.0.0:{port}"}
    assert MONITORING["networks"]["monitoring"]["internal"] is True


def test_the_added_services_are_confined_and_limited():
    for name in ("prometheus", "grafana"):
        service = MONITORING["services"][name]
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert set(service["deploy"]["resources"]) == {"limits", "reservations"}
    assert "ports" not in MONITORING["services"]["prometheus"]
