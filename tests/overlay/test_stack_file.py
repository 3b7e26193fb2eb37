"""The properties of stack.yml and its overrides."""
import hashlib
import re

import pytest
import yaml

from harness.lab import REPO

STACK = yaml.safe_load((REPO / "stack.yml").read_text(encoding="utf-8"))
HOST_PORTS = yaml.safe_load((REPO / "swarm/host-ports.yml").read_text(encoding="utf-8"))
MONITORING = yaml.safe_load((REPO / "swarm/monitoring.yml").read_text(encoding="utf-8"))
ENCRYPTED = yaml.safe_load((REPO / "swarm/encrypted.yml").read_text(encoding="utf-8"))
SERVICES = STACK["services"]
every_service = pytest.mark.parametrize("name", SERVICES)


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def test_services():
    assert set(SERVICES) == {"render-svc", "counter-svc", "postgres"}
    assert STACK["version"] == HOST_PORTS["version"] == ENCRYPTED["version"] == "3.9"


@every_service
def test_every_service_has_an_update_policy(name):
    deploy = SERVICES[name]["deploy"]
    for which in ("update_config", "rollback_config"):
        assert set(deploy[which]) == {"parallelism", "delay", "order", "monitor",
                                      "max_failure_ratio", "failure_action"}
    stateful = name == "postgres"
    assert deploy["update_config"]["order"] == ("stop-first" if stateful else "start-first")
    assert deploy["update_config"]["failure_action"] == ("pause" if stateful else "rollback")
    assert {"condition", "delay", "window"} <= set(deploy["restart_policy"])
    assert "replicas" in deploy


@every_service
def test_every_service_has_limits(name):
    resources = SERVICES[name]["deploy"]["resources"]
    assert set(resources["limits"]) == {"cpus", "memory", "pids"}
    assert set(resources["reservations"]) == {"cpus", "memory"}
    logging = SERVICES[name]["logging"]
    assert logging["driver"] == "json-file" and set(logging["options"]) == {"max-size", "max-file"}


@every_service
def test_every_service_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert "privileged" not in service and "security_opt" not in service


def test_only_counter_svc_has_the_admin_token():
    for name, service in SERVICES.items():
        sources = {secret if isinstance(secret, str) else secret["source"] for secret in service["secrets"]}
        assert ("admin_token" in sources) == (name == "counter-svc")
        assert any("ADMIN_TOKEN" in key for key in service["environment"]) == (name == "counter-svc")


@every_service
def test_every_service_has_a_health_check_and_a_stop_timeout(name):
    service = SERVICES[name]
    assert set(service["healthcheck"]) == {"test", "interval", "timeout", "retries",
                                           "start_period"}
    grace = seconds(service["stop_grace_period"])
    environment = service["environment"]
    if name != "postgres":
        assert service["healthcheck"]["test"] == ["CMD", f"/{name}", "--probe"]
        deadline = int(SERVICES["render-svc"]["environment"]["REQUEST_DEADLINE_MS"])
        assert grace * 1000 > int(environment["DRAIN_MS"]) + deadline
    assert "depends_on" not in service


def test_networks():
    assert set(STACK["networks"]) == {"public", "internal", "ledger"}
    assert {n for n, what in STACK["networks"].items() if what.get("internal")} == {
        "internal", "ledger"}
    assert all(what["driver"] == "overlay" for what in STACK["networks"].values())
    uses = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert uses == {"render-svc": {"public", "internal"}, "counter-svc": {"internal", "ledger"},
                    "postgres": {"ledger"}}


def test_services_find_each_other_by_the_names_of_their_tasks():
    assert SERVICES["render-svc"]["environment"]["COUNTER_URL"] == "http://tasks.counter-svc:8081"
    assert SERVICES["counter-svc"]["environment"]["POSTGRES_URL"].startswith("tasks.postgres")


def test_only_the_page_is_published():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["render-svc"]
    port, = SERVICES["render-svc"]["ports"]
    assert port["target"] == 8080 and port["published"] == "${PATHCOUNT_PORT:-9090}"


def test_the_database_stays_where_its_volume_is():
    postgres = SERVICES["postgres"]
    assert postgres["image"] == "${POSTGRES_IMAGE:-postgres:17}"
    assert postgres["deploy"]["placement"] == {
        "constraints": ["node.labels.pathcount.ledger == true"]}
    assert postgres["deploy"]["replicas"] == "${POSTGRES_REPLICAS:-1}"
    assert postgres["environment"]["POSTGRES_PASSWORD_FILE"].startswith("/run/secrets/")
    assert SERVICES["counter-svc"]["environment"]["POSTGRES_USER"] != \
        postgres["environment"]["POSTGRES_USER"]


def test_the_data_folder_works_with_every_official_image():
    """The images' VOLUME is /var/lib/postgresql/data up to 17, and /var/lib/postgresql from 18 on, which has no
    data folder. Only /var/lib/postgresql belongs to the user postgres in all of them. Older stacks have `pgdata`
    at the top of their volumes."""
    postgres = SERVICES["postgres"]
    volume, = [one for one in postgres["volumes"] if one["type"] == "volume"]
    assert postgres["user"] == "postgres"
    assert (volume["source"], volume["target"]) == ("ledger", "/var/lib/postgresql")
    assert postgres["environment"]["PGDATA"] == "/var/lib/postgresql/pgdata"


def test_secrets_are_files_with_versions():
    for secret in STACK["secrets"].values():
        assert secret["external"] and re.search(r"_v\$\{\w+_VERSION:-1\}$", secret["name"])
    for service in SERVICES.values():
        for key, value in service["environment"].items():
            if re.search("TOKEN|PW|PASSWORD", key):
                assert key.endswith("_FILE") and value.startswith("/run/secrets/")


def test_configs_are_named_by_their_content():
    for config in STACK["configs"].values():
        digest = hashlib.sha256((REPO / config["file"]).read_bytes()).hexdigest()
        assert config["name"].endswith("_" + digest[:8]), "the file has changed, so its config needs a new name"


def test_host_ports_repeats_every_key_of_the_port():
    port, = HOST_PORTS["services"]["render-svc"]["ports"]
    original, = SERVICES["render-svc"]["ports"]
    assert port == original | {"mode": "host"}
    deploy = HOST_PORTS["services"]["render-svc"]["deploy"]
    assert deploy["placement"]["max_replicas_per_node"] == 1
    assert deploy["update_config"]["order"] == deploy["rollback_config"]["order"] == "stop-first"


def test_encrypted_repeats_every_key_of_the_network():
    for name, network in ENCRYPTED["networks"].items():
        assert network == STACK["networks"][name] | {"driver_opts": {"encrypted": "true"}}
        assert network["internal"] is True


def test_the_configs_of_monitoring_are_named_by_their_content():
    for config in MONITORING["configs"].values():
        digest = hashlib.sha256((REPO / config["file"]).read_bytes()).hexdigest()
        assert config["name"].endswith("_" + digest[:8]), "the file has changed, so its config needs a new name"
