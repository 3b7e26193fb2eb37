"""Every combination of stack.yml and its overrides, deployed with every available Docker client and inspected."""
import json
import re
import shutil
import subprocess

import pytest

from harness.lab import docker, until, world

COMBINATIONS = {
    "plain": [],
    "host-ports": ["--host-ports"],
    "encrypted": ["--encrypted"],
    "both": ["--host-ports", "--encrypted"],
}


def clients():
    """Debian's client (20.10), and a newer one if the machine has it."""
    found = {world.DOCKER}
    if newer := shutil.which("docker"):
        found.add(newer)
    return sorted(found)


def spec(host, name):
    return json.loads(docker(host, "service", "inspect", "--format", "{{json .Spec}}",
                             f"combination_{name}"))


@pytest.mark.parametrize("client", clients())
@pytest.mark.parametrize("overrides", COMBINATIONS.values(), ids=COMBINATIONS)
def test_combination(stack, overrides, client):
    """Deployed beside the running stack, under another name and port, and without tasks (a PostgreSQL that is
    stopped while it creates its cluster takes all of its grace period). The test inspects Swarm's services. (In
    the lab's kernel nothing crosses an encrypted overlay.)"""
    host = stack.manager
    stack.command("secrets", STACK="combination")
    try:
        stack.command("deploy", *overrides, STACK="combination", DOCKER=client,
                      PATHCOUNT_PORT="9199", UPDATE_MONITOR="", RENDER_REPLICAS="0", COUNTER_REPLICAS="0",
                      POSTGRES_IMAGE=f"{world.REGISTRY}/none")
        for name, internal in (("public", False), ("internal", True), ("ledger", True)):
            network = json.loads(docker(host, "network", "inspect", f"combination_{name}"))[0]
            assert network["Driver"] == "overlay" and network["Internal"] is internal
            encrypted = "--encrypted" in overrides and internal
            assert ("encrypted" in network["Options"]) is encrypted
        port, = spec(host, "render-svc")["EndpointSpec"]["Ports"]
        assert port["PublishMode"] == ("host" if "--host-ports" in overrides else "ingress")
        assert (port["PublishedPort"], port["TargetPort"]) == (9199, 8080)
        placement = spec(host, "render-svc")["TaskTemplate"].get("Placement", {})
        assert placement.get("MaxReplicas", 0) == (1 if "--host-ports" in overrides else 0)
        for name in ("render-svc", "counter-svc", "postgres"):
            check_service(name, spec(host, name), "--host-ports" in overrides)
    finally:
        stack.command("remove", "--secrets", STACK="combination")


def check_service(name, found, host_ports):
    task, container = found["TaskTemplate"], found["TaskTemplate"]["ContainerSpec"]
    limits, reservations = (task["Resources"][which] for which in ("Limits", "Reservations"))
    assert limits["NanoCPUs"] and limits["MemoryBytes"] and limits["Pids"]
    assert reservations["NanoCPUs"] and reservations["MemoryBytes"]
    assert container["ReadOnly"] is True and container["CapabilityDrop"] == ["ALL"]
    assert task["LogDriver"]["Options"] == {"max-file": "3", "max-size": "10m"}
    update, rollback = found["UpdateConfig"], found["RollbackConfig"]
    order = "stop-first" if name == "postgres" or (
        host_ports and name == "render-svc") else "start-first"
    assert update["Order"] == rollback["Order"] == order
    # An override that sets one key of these must keep the others.
    assert update["Monitor"] == 10_000_000_000 and update["Parallelism"] == 1
    assert update["FailureAction"] == ("pause" if name == "postgres" else "rollback")
    secrets = {secret["File"]["Name"] for secret in container["Secrets"]}
    assert secrets == {"render-svc": {"counter_token"},
                       "counter-svc": {"admin_token", "counter_token", "counter_token_previous", "ledger_pw",
                                       "ledger_pw_previous"},
                       "postgres": {"postgres_pw", "ledger_pw"}}[name]
    for secret in container["Secrets"] if name != "postgres" else []:
        assert secret["File"]["UID"] == "10001" and secret["File"]["Mode"] == 0o400


def test_running_containers(stack):
    """The containers as the engines describe them."""
    stack.shape("--host-ports", renderers=3, counters=2, apart=True)
    for name in ("render-svc", "counter-svc", "postgres"):
        for task in stack.tasks(name):
            host_config = json.loads(task.inspect("{{json .HostConfig}}"))
            config = json.loads(task.inspect("{{json .Config}}"))
            assert host_config["Memory"] and host_config["NanoCpus"] and host_config["PidsLimit"]
            assert host_config["ReadonlyRootfs"] and host_config["CapDrop"] == ["ALL"]
            assert bool(host_config.get("Init")) is (name == "postgres")
            assert config["User"] == ("postgres" if name == "postgres" else "10001:10001")
            # No secret is in the environment or the command line.
            visible = " ".join(config["Env"] + (config["Cmd"] or []))
            assert "SECRET" not in visible and "POSTGRES_PW=" not in visible


def test_image_sizes_and_labels(stack, note):
    for name, most in (("counter-svc", 20), ("render-svc", 20)):
        task = stack.tasks(name)[0]
        image = task.inspect("{{.Image}}")
        size = int(docker(task.host, "image", "inspect", "--format", "{{.Size}}", image)) / 1e6
        labels = json.loads(docker(task.host, "image", "inspect", "--format",
                                   "{{json .Config.Labels}}", image))
        note(f"{name}: {size:.1f} MB")
        assert size <= most
        assert labels["org.opencontainers.image.title"] == name
        assert {"version", "source", "revision"} <= {key.split(".")[-1] for key in labels}


@pytest.mark.parametrize("name", ["counter-svc", "render-svc"])
def test_image_holds_the_program_and_what_it_needs(stack, name):
    """No shell, no package manager, no user names: only the program, libraries and certificates."""
    host = stack.manager
    image = f"{world.REGISTRY}/{name}:{stack.tag}"
    container = docker(host, "create", image)
    try:
        config = json.loads(docker(host, "inspect", "--format", "{{json .Config}}", container))
        listed = subprocess.run(
            f"{world.DOCKER} -H unix://{world.host_socket(host)} export {container} | tar -t",
            shell=True, check=True, capture_output=True, text=True, timeout=60).stdout
    finally:
        docker(host, "rm", container)
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", f"/{name}", "--probe"]
    # without the files that Docker adds to every container
    files = {path for path in listed.splitlines() if not path.endswith("/")} - {
        ".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"}
    certificates = {"etc/ssl/certs/ca-certificates.crt"} if name == "counter-svc" else set()
    libraries = {path for path in files
                 if re.fullmatch(r"(usr/)?lib(64)?/(\S+/)?\S+\.so[.\d]*", path)}
    assert libraries and files - libraries == {name} | certificates


def test_roles(stack):
    """counter-svc is not the superuser, and owns its tables."""
    stack.shape("--host-ports", renderers=3, counters=2, apart=True)
    assert stack.sql("SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles "
                     "WHERE rolname = 'pathcount'") == [["f", "f", "f"]]
    assert stack.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'pathcount'") == [
        ["pathcount"]]
    until(lambda: stack.sql(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE client_addr IS NOT NULL"
    ) == [["pathcount"]], "counter-svc's connections", 60)


def test_commands_are_idempotent_and_refuse_wrong_arguments(stack):
    """A second run changes nothing. Wrong arguments end with one line or with the help."""
    host = stack.manager
    before = docker(host, "secret", "ls", "--quiet")
    assert "exists" in stack.command("secrets").stdout
    assert docker(host, "secret", "ls", "--quiet") == before
    database = stack.database_host()
    stack.command("label", f"pathcount-h{database}")
    other = next(h for h in stack.hosts if h != database)
    refused = stack.command("label", f"pathcount-h{other}", check=False)
    assert refused.returncode == 1 and f"already assigned to pathcount-h{database}" in refused.stderr
    assert stack.command("scale", "postgres", "2", check=False).returncode == 1
    assert stack.command("scale", "many", check=False).returncode == 2
    assert stack.command("rotate", "everything", check=False).returncode == 2
    for name in ("backup", "build", "deploy", "failover", "label", "move", "push", "rebalance",
                 "remove", "restore", "roll", "rotate", "scale", "secrets", "status", "wait"):
        help_text = subprocess.run([f"{world.REPO}/swarm/{name}", "--help"], check=True, text=True,
                                   capture_output=True).stdout
        assert help_text.startswith(f"swarm/{name}")
