"""Hosts of the first kind: a network namespace with its own Docker Engine.

An engine has a private /run, /etc/hosts and /etc/resolv.conf (without a name server, so that nothing outside
is ever asked), its own data, and a control group that contains everything it starts. The builder and the seed
are engines too, but in the machine's own network, because builds fetch Debian's packages. They have no bridge
and change no iptables rule.
"""
import json
import os
import shutil
import signal
import subprocess

from . import cgroup, net, world
from .world import KEEP, REGISTRY_HOST, RUN, SWITCH_ADDRESS, docker, wait_for

# $1 the control group's file, $2 the host's name, $3 its /run, $4 its hosts file, $5 the file to
# cover with an empty resolv.conf or "". /run comes last, as it hides where the others are. The
# names of network namespaces are mounts: copies of them here would keep dead ones alive.
ENTER = """
echo $$ > "$1"
hostname "$2"
umount --recursive --lazy /run/netns 2>/dev/null || :
mount --bind "$4" /etc/hosts
[ -z "$5" ] || mount --bind "$5" /etc/resolv.conf
mount --bind "$3" /run
shift 5
exec "$@"
"""


def start_process(host, command, log, **options):
    """Starts a long-running process in the host's control group, its output going to a log."""
    (KEEP / "log").mkdir(parents=True, exist_ok=True)
    enter = ["sh", "-c", 'echo $$ > "$1"; shift; exec "$@"', "sh", cgroup.engine_group(host)]
    with open(KEEP / "log" / f"{log}.log", "a", encoding="utf-8") as output:
        subprocess.Popen([*map(str, enter), *map(str, command)], stdin=subprocess.DEVNULL,
                         stdout=output, stderr=output, start_new_session=True, **options)


def answers(number):
    return bool(cgroup.processes(world.host_name(number))) and docker(
        number, "version", "--format", "{{.Server.Version}}", check=False,
        timeout=30).returncode == 0


def start(number):
    """Starts the engine of host `number` with its previous data, and returns at once; `wait` waits for it."""
    name, private_run, data = world.host_name(number), world.host_run(number), _data(number)
    outside = number in (world.BUILDER, world.SEED)
    if not outside:
        net.make_host(number)
    shutil.rmtree(private_run, ignore_errors=True)  # as after a reboot
    private_run.mkdir(parents=True)
    data.mkdir(parents=True, exist_ok=True)
    config = {
        "data-root": str(data),
        "exec-root": "/run/docker",
        "pidfile": "/run/docker.pid",
        "hosts": ["unix:///run/docker.sock"],
        "cgroup-parent": cgroup.containers_parent(name),
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "insecure-registries": [REGISTRY_HOST],
        "shutdown-timeout": 5,
    }
    if outside:
        config |= {"bridge": "none", "iptables": False, "ip-forward": False}
    (private_run / "daemon.json").write_text(json.dumps(config, indent=1))
    registry = "127.0.0.1" if outside else SWITCH_ADDRESS
    hosts = RUN / f"{name}.hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{registry} {REGISTRY_HOST.split(':')[0]}\n")
    start_process(name, [
        *([] if outside else net.within(world.host_netns(number))),
        "unshare", "--mount", "--uts", "sh", "-ec", ENTER, "sh",
        cgroup.engine_group(name), f"pathcount-{name}", private_run, hosts,
        "" if outside else _no_resolver(private_run),
        "dockerd", "--config-file", "/run/daemon.json"], log=name)


def wait(number, seconds=60):
    wait_for(f"{world.host_name(number)}'s engine", lambda: answers(number), seconds)


def _data(number):
    # The builder's images are kept from lab to lab, those of hosts are not.
    return KEEP / "builder" if number == world.BUILDER else world.host_dir(number)


def _no_resolver(private_run):
    """An empty resolv.conf to mount. If /etc/resolv.conf points into /run, it is written to the host's own
    /run instead, and nothing is mounted."""
    target = os.path.realpath("/etc/resolv.conf")
    if target.startswith("/run/"):
        inner = private_run / os.path.relpath(target, "/run")
        inner.parent.mkdir(parents=True, exist_ok=True)
        inner.touch()
        return ""
    empty = RUN / "resolv.conf"
    empty.touch()
    return empty


def enter(number):
    """The prefix of a command that runs it on the host: in its network, with its /run and its host names."""
    pid = int((world.host_run(number) / "docker.pid").read_text())
    return ["nsenter", f"--target={pid}", "--net", "--mount", "--uts"]


def stop(number):
    """Stops an engine by a signal, so that it writes its data first."""
    os.kill(int((world.host_run(number) / "docker.pid").read_text()), signal.SIGTERM)
    name = world.host_name(number)
    wait_for(f"the end of {name}'s engine", lambda: not cgroup.processes(name), 30)


def kill(number):
    """A power cut: ends every process, removes the network, keeps the disk."""
    net.link(number, up=False)
    cgroup.kill(world.host_name(number))
    net.remove_host(number)


def revive(number):
    start(number)
    wait(number)


def prepare(number):
    """Makes it a new host with an empty disk."""
    shutil.rmtree(world.host_dir(number), ignore_errors=True)
    start(number)
