"""From sources to images that hosts can pull: the base image, the builder, the registry, and the stand-in for
the official postgres image."""
import os
import socket
import subprocess
import urllib.request

from . import cgroup, engine, net, world
from .world import (DOCKER, KEEP, PAGE_PORT, REGISTRY, REGISTRY_PORT, REPO, SWITCH, SWITCH_ADDRESS,
                    Refusal, docker, run, step, wait_for)

BASE = "debian:bookworm-slim"
POSTGRES = f"{REGISTRY}/postgres-stand-in:15"
PROMETHEUS = f"{REGISTRY}/prometheus-stand-in:2"
ENGINE_PORT = 2375

# A health check takes an emulated processor several seconds, so checks are rare there.
GUESTS = {"HEALTH_INTERVAL": "15s", "HEALTH_TIMEOUT": "60s", "POLL_S": "3"}
FEW = {"RENDER_REPLICAS": "1", "COUNTER_REPLICAS": "1"}

REGISTRY_CONFIG = f"""
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {KEEP}/registry}}
http: {{addr: "{SWITCH_ADDRESS}:{REGISTRY_PORT}"}}
"""


def start_switchboard(numbers, guests, anew=False):
    """Starts the registry on the switch's address, and the forwarding from this machine's loopback to the
    switch: to the registry for the builder, to each host's page for people, and to the engines of virtual
    machines. `anew`: restarts the forwarding, because the hosts have changed."""
    if not anew and _registry_answers():
        return
    cgroup.kill("switch")
    config = KEEP / "registry.yml"
    (KEEP / "registry").mkdir(parents=True, exist_ok=True)
    config.write_text(REGISTRY_CONFIG)
    engine.start_process("switch", [*net.within(SWITCH), "docker-registry", "serve", config],
                         log="registry")
    routes = {("127.0.0.1", REGISTRY_PORT): (SWITCH_ADDRESS, REGISTRY_PORT)}
    for number in numbers:
        routes["127.0.0.1", world.LOCAL_PORT + number] = (world.host_address(number), PAGE_PORT)
        if guests:
            world.host_run(number).mkdir(parents=True, exist_ok=True)
            routes[str(world.host_socket(number))] = (world.host_address(number), ENGINE_PORT)
    listeners, arguments = [], []
    for here, (host, port) in routes.items():
        listeners.append(_listen(here))
        arguments.append(f"{listeners[-1].fileno()}={host}:{port}")
    program = REPO / "swarm" / "lablib" / "forward.py"
    engine.start_process("switch", [*net.within(SWITCH), "/usr/bin/python3", program, *arguments],
                         log="forward", pass_fds=[listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()
    wait_for("the registry", _registry_answers, 20)


def _listen(here):
    if isinstance(here, str):
        listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(here):
            os.unlink(here)
    else:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(here)
    except OSError:
        raise Refusal(f"port {here[1]} of 127.0.0.1 is in use") from None
    listener.listen(128)
    return listener


def _registry_answers():
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{REGISTRY_PORT}/v2/", timeout=5).close()
        return True
    except OSError:
        return False


def start_builder():
    if not engine.answers(0):
        engine.start(0)
        engine.wait(0)


def ensure_base():
    """debian:bookworm-slim, made here from Debian's packages, because the lab uses no hub."""
    if docker(0, "image", "inspect", BASE, check=False).returncode == 0:
        return
    tar = KEEP / "base.tar"
    if not tar.exists():
        with step("making the base image from Debian's packages (once)"):
            scratch = KEEP / "base.new.tar"
            run("mmdebstrap", "--variant=minbase",
                *(f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in
                  ("man", "doc", "locale", "info", "groff", "lintian")),
                "--dpkgopt=path-include=/usr/share/doc/*/copyright",
                "bookworm", scratch, timeout=900)
            scratch.rename(tar)
    docker(0, "import", tar, BASE)


def pair(tag):
    return [f"{REGISTRY}/{name}:{tag}" for name in ("counter-svc", "render-svc")]


def build_postgres():
    """The stand-in for the official postgres image."""
    with step("building the stand-in for the postgres image"):
        build(POSTGRES, REPO / "swarm" / "postgres")


def build_ha(tag):
    """The image of --ha's members, on top of the stand-in."""
    with step("building the image of the three database servers"):
        command("build", "--ha", number=0, TAG=tag)
        command("push", "--ha", number=0, TAG=tag)


def build_prometheus():
    """The stand-in for the official Prometheus image."""
    with step("building the stand-in for the Prometheus image"):
        build(PROMETHEUS, REPO / "swarm" / "prometheus")


def build(name, context):
    """Builds one image in the builder and pushes it."""
    docker(0, "build", "--quiet", "--network=host", "--tag", name, context, timeout=900)
    docker(0, "push", "--quiet", name)


def environment(number, **more):
    """The environment that makes the commands in swarm/ work on a host of the lab (or on the builder)."""
    return os.environ | (GUESTS if (world.recall() or {}).get("vm") else {}) | {
        "DOCKER": DOCKER,
        "DOCKER_HOST": f"unix://{world.host_socket(number)}",
        "REGISTRY": REGISTRY,
        "POSTGRES_IMAGE": POSTGRES,
        # The tests' broken image ends at once.
        "UPDATE_MONITOR": "5s",
        # Debian has no Grafana, so the lab runs without it
        "PROMETHEUS_IMAGE": PROMETHEUS,
        "GRAFANA_REPLICAS": "0",
        "BUILD_FLAGS": "--network=host",
        "DOCKER_BUILDKIT": "0",
    } | more


def build_pair(tag):
    with step("building counter-svc and render-svc"):
        command("build", number=0, TAG=tag)
    with step("pushing them"):
        command("push", number=0, TAG=tag)


def command(name, *arguments, number, **environ):
    """Runs one of the commands in swarm/. Its output goes to the log; a failure shows its last line."""
    log = KEEP / "log" / "commands.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as output:
        done = subprocess.run([REPO / "swarm" / name, *arguments], check=False, text=True,
                              env=environment(number, **environ), stdin=subprocess.DEVNULL,
                              stdout=output, stderr=output, timeout=1200)
    if done.returncode != 0:
        last = (log.read_text().splitlines() or ["it says nothing"])[-1]
        raise Refusal(f"`swarm/{name}` failed: {last} (see {log})")
