"""compose.yml with Debian's docker-compose, on one of the lab's hosts."""
import json
import os
import signal
import subprocess

import pytest
import yaml

from harness.lab import REPO, docker, images, net, until, world

COMPOSE = REPO / "compose.yml"
FILE = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
SERVICES = FILE["services"]
RUNNING = ("counter-svc", "postgres", "render-svc")

ASK = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={
    "Accept": "application/json", "Prefer": "return=minimal"})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


class Project:
    """compose.yml on a host."""

    def __init__(self, host, files=(COMPOSE,)):
        self.host = host
        self._command = ["docker-compose", "--project-name", "one", "--project-directory", str(REPO),
                         *(word for file in files for word in ("--file", str(file)))]
        self._environ = images.environment(host, TAG="lab", PATHCOUNT_PORT="9190") | {"PATH": "/usr/bin:/bin"}

    def __call__(self, *arguments, timeout=300):
        done = subprocess.run([*self._command, *arguments], check=False, env=self._environ, text=True,
                              capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def visit(self):
        """The new count of a path, or None if there is no page."""
        said = world.run(*net.within(world.host_netns(self.host)), "/usr/bin/python3", "-c", ASK,
                         f"http://{world.host_address(self.host)}:9190/one-host", check=False).stdout
        return json.loads(said)["count"] if said else None

    def state(self, service):
        """The engine's description of a service's container."""
        container = self("ps", "--quiet", service).strip()
        return json.loads(docker(self.host, "inspect", "--format", "{{json .State}}", container))

    def run_in(self, service, *command):
        return self("exec", "-T", service, *command)


@pytest.fixture
def project(stack):
    """The project, up. It uses the lab's images, because its hosts cannot build."""
    project = Project(stack.hosts[-1])
    project("pull", "--quiet")
    try:
        project("up", "--detach", "--no-build")
        yield project
    finally:
        project("down", "--volumes", "--remove-orphans")


def test_a_page_comes_up_and_stays(project):
    assert until(project.visit, "a page", 90) == 1
    assert project.visit() == 2
    for service in RUNNING:
        until(lambda one=service: project.state(one)["Health"]["Status"] == "healthy",
              f"{service} to be healthy", 60)
    assert project.state("secrets") | {"Status": "exited", "ExitCode": 0} == project.state("secrets")

    # a service that ends is restarted
    before = project.state("render-svc")["Pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: project.state("render-svc")["Pid"] not in (0, before), "another render-svc", 30)
    assert until(project.visit, "a page again", 30) == 3

    # a second `up` keeps counts and secrets
    secrets = project.run_in("postgres", "cat", "/run/secrets/ledger_pw", "/run/postgres-pw/postgres_pw")
    assert len(secrets) == 2 * 64
    project("down")
    project("up", "--detach", "--no-build")
    assert until(project.visit, "a page after a restart", 90) == 4
    assert project.run_in("postgres", "cat", "/run/secrets/ledger_pw", "/run/postgres-pw/postgres_pw") == secrets

    # only counter-svc has the operator's secret
    project.run_in("counter-svc", "/counter-svc", "change", "set", "/one-host", "10")
    assert project.visit() == 11


def test_every_service_has_only_its_own_secrets():
    mounts = {name: {volume.split(":")[0] for volume in service.get("volumes", [])} 
              & {"token", "admin-token", "ledger-pw", "postgres-pw"}
              for name, service in SERVICES.items() if name != "secrets"}
    assert mounts == {"postgres": {"ledger-pw", "postgres-pw"}, "render-svc": {"token"},
                      "counter-svc": {"token", "admin-token", "ledger-pw"}}
    for name in RUNNING:
        assert all(volume.endswith(":ro") for volume in SERVICES[name]["volumes"] if not volume.startswith("ledger:"))
        assert SERVICES[name]["restart"] == "unless-stopped" and SERVICES[name]["read_only"]
        assert SERVICES[name]["cap_drop"] == ["ALL"] and "cap_add" not in SERVICES[name]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["render-svc"]


def test_both_versions_of_compose_accept_the_file():
    """Version 2 warns of a `version`. Version 1.29 reads the file without it."""
    assert set(FILE) <= {"services", "networks", "volumes", "x-service"}
    found = yaml.safe_load(Project(1)("config"))
    assert set(found["services"]) == {"secrets", *RUNNING}
    assert found["services"]["render-svc"]["build"]["dockerfile"] == "render-svc/Dockerfile"


def test_the_images_are_built_from_the_clone(stack, tmp_path):  # pylint: disable=unused-argument
    """By the lab's builder, which reaches Debian's packages through the machine's own network."""
    override = tmp_path / "network.yml"
    override.write_text(yaml.safe_dump({"services": {
        name: {"build": {"network": "host"}, "image": f"{name}:compose"} for name in ("counter-svc", "render-svc")}}))
    Project(0, (COMPOSE, override))("build", timeout=900)
    for name in ("counter-svc", "render-svc"):
        assert docker(0, "run", "--rm", "--network=host", f"{name}:compose", "--version").startswith(name)
