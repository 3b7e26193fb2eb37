"""The commands of swarm/lab."""
import argparse
import concurrent.futures
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

from . import cgroup, cluster, engine, guest, images, net, world
from .world import (KEEP, LOCAL_PORT, MAX_HOSTS, REPO, RUN, Refusal, Unable, complain, recall,
                    remember, running_lab, say, step, wait_for)

TAG = "lab"
LOCK = "/run/pathcount-lab.lock"


def up(hosts, vm, deploy_stack, high_availability=False):
    """Makes the missing parts. A second `up`, or one after a crash, completes the first."""
    lab = recall()
    if lab and lab["repo"] != str(REPO):
        if cgroup.processes():
            raise Refusal(
                f"the lab of {lab['repo']} is up: stop it with `swarm/lab down`, there or here")
        lab = None
    if lab is None:
        clear()  # remains of a lab without a record
    count = vm or hosts or (len(lab["hosts"]) if lab else 5 if high_availability else 3)
    if high_availability and count < 3:
        raise Refusal("--ha needs at least three hosts")
    if lab and (lab["vm"] != bool(vm) or len(lab["hosts"]) > count):
        raise Refusal("another kind or number of hosts is up: run `swarm/lab down` first")
    need(*(["lab", "guests"] if vm else ["lab"]))
    numbers = list(range(1, count + 1))
    remember(repo=str(REPO), hosts=numbers, vm=bool(vm))
    if lab is None:
        remember(owner=world.owner())
    with step("the switch, the registry, the builder"):
        net.make_switch()
        images.start_switchboard(numbers, guests=bool(vm), anew=lab and lab["hosts"] != numbers)
        images.start_builder()
    images.ensure_base()
    cgroup.weigh(count)
    patience = guest.patience() if vm else 1

    def make_swarm():
        start(numbers, lab["hosts"] if lab else [], vm,
              [images.POSTGRES, *images.pair(TAG)] if deploy_stack else [])
        with step("joining the hosts into one Swarm"):
            cluster.join(numbers, patience, managers=3 if high_availability else None)

    def build_database():
        images.build_postgres()
        if high_availability:
            images.build_ha(TAG)

    builds = [build_database, lambda: images.build_pair(TAG)] if deploy_stack else []
    if vm:  # their disks are made with the images on them
        together(*builds)
        make_swarm()
    else:
        together(*builds, make_swarm)
    if deploy_stack:
        # Without IPVS there is no ingress mesh. Each host publishes its own renderer instead.
        overrides = ["--ha", "--archive"] if high_availability else []
        overrides += [] if vm or net.has_ipvs() else ["--host-ports"]
        labels = ha_labels(count) if high_availability else [("pathcount-h1",)]
        with step(f"swarm/deploy {' '.join(overrides)}"):
            cluster.deploy(1, labels, *overrides, tag=TAG, WAIT_S=str(300 * patience),
                           **(images.FEW if vm else {}))
        with step("a page that counts"):
            wait_for("a page on every host", lambda: all(map(page, numbers)), 60 * patience)
    status()


def ha_labels(hosts):
    """The arguments of swarm/label with --ha: three servers, and the repository on a worker, if there is one."""
    return [(name, f"pathcount-h{number}") for number, name in enumerate("abc", start=1)] + [
        ("repository", f"pathcount-h{min(4, hosts)}")]


def together(*calls):
    """Makes all calls at the same time. Raises the exception of the first one that failed."""
    with concurrent.futures.ThreadPoolExecutor(max(len(calls), 1)) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


def need(*purposes):
    """Installs missing packages with tools/need, which prints what it installs."""
    if subprocess.run([REPO / "tools" / "need", *purposes], check=False, timeout=1800,
                      stdin=subprocess.DEVNULL).returncode != 0:
        raise Refusal("the lab needs these packages")


def start(numbers, known, vm, wanted_images):
    """Starts the hosts that do not run. Known hosts keep their disks."""
    kind = guest if vm else engine
    lacking = [number for number in numbers if not engine.answers(number)]
    fresh = [number for number in lacking
             if number not in known or not world.host_dir(number).exists()]
    if vm and fresh:
        guest.ensure_disk()
        guest.make_images_disk(wanted_images)
    with step(f"starting {len(lacking)} hosts"):
        for number in lacking:
            cgroup.kill(world.host_name(number))
            (kind.prepare if number in fresh else kind.start)(number)
        for number in lacking:
            kind.wait(number)


def page(number):
    """Whether the host's published port serves a page. It counts a hit of /."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{LOCAL_PORT + number}/", timeout=6) as got:
            return got.status == 200
    except (OSError, urllib.error.URLError):
        return False


def status():
    lab = running_lab()
    say(f"A lab of {len(lab['hosts'])} {'virtual machines' if lab['vm'] else 'hosts'}, "
        f"started from {lab['repo']}:")
    for number in lab["hosts"]:
        name = world.host_name(number)
        state = ("killed" if not cgroup.processes(name) else
                 "cut off" if not net.link_is_up(number) else
                 "up" if engine.answers(number) else "its engine does not answer")
        say(f"    {name}  {world.host_address(number)}  {state:8}"
            f"  page http://127.0.0.1:{LOCAL_PORT + number}/"
            f"  engine docker -H unix://{world.host_socket(number)}")
    asked = next((n for n in lab["hosts"] if engine.answers(n)), None)
    for name, replicas in cluster.services(asked).items() if asked else []:
        say(f"    {name:24} {replicas}")


def host(word):
    """The number of a host of the running lab, from `h2` or `2`."""
    numbers = {world.host_name(n): n for n in running_lab()["hosts"]}
    name = word if word.startswith("h") else f"h{word}"
    if name not in numbers:
        raise Refusal(f"no host {word}: expected one of {', '.join(numbers)}")
    return numbers[name]


def execute(number, command):
    """Runs a command on the host, with its network; `docker` there is its engine's client."""
    lab = running_lab()
    if not engine.answers(number):
        raise Refusal(f"{world.host_name(number)} is not up")
    environ = os.environ | {"DOCKER_HOST": f"unix://{world.host_socket(number)}"}
    if lab["vm"]:
        if command[0] != "docker":
            raise Refusal("on a virtual machine only `docker …` works, over its engine's socket")
        return subprocess.run(command, check=False, env=environ).returncode
    environ["DOCKER_HOST"] = "unix:///run/docker.sock"
    return subprocess.run([*engine.enter(number), *command], check=False, env=environ).returncode


def cut(number):
    net.link(number, up=False)


def mend(number):
    if not cgroup.processes(world.host_name(number)):
        raise Refusal(f"{world.host_name(number)} was killed: start it with `swarm/lab revive`")
    net.link(number, up=True)


def kill(number):
    (guest if running_lab()["vm"] else engine).kill(number)


def revive(number):
    if cgroup.processes(world.host_name(number)):
        return
    with step(f"starting {world.host_name(number)}"):
        (guest if running_lab()["vm"] else engine).revive(number)


def clear():
    """Ends every process of the lab by its control group, then removes the namespaces with their links,
    mounts and rules. Returns the folder that remains."""
    lab = recall()
    keep = KEEP if lab is None else world.pathlib.Path(lab["repo"]) / ".lab"
    cgroup.kill()
    net.remove_all()
    shutil.rmtree(keep / "hosts", ignore_errors=True)
    shutil.rmtree(RUN, ignore_errors=True)
    return keep


def down(purge=False):
    """Ends the lab, then checks that nothing is left."""
    with step("ending every process of the lab"):
        keep = clear()
    if purge:
        shutil.rmtree(keep, ignore_errors=True)
    left = leftovers()
    if left:
        raise Refusal(f"not removed: {'; '.join(left)}")
    say("The lab is removed" + ("." if purge else f", except its caches in {keep}."))


def leftovers():
    """Everything that a lab could leave behind. After `down` there must be none."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        found = [f"mount {line.split()[1]}" for line in mounts
                 if str(KEEP) in line or str(RUN) in line or "pathcount-" in line]
    found += [f"process {pid}" for pid in cgroup.processes()]
    found += [f"namespace {name}" for name in net.all_netns()]
    found += [str(RUN)] if RUN.exists() else []
    return found


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="swarm/lab",
        description="Several real Docker hosts on this machine, with pathcount's stack on them.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("up", help="create the hosts, build and push the images, deploy the stack")
    one.add_argument("hosts", nargs="?", type=int, metavar="HOSTS", help="number of hosts (3)")
    one.add_argument("--vm", type=int, metavar="N",
                     help="N virtual machines with Debian's kernel instead (IPVS, encryption)")
    one.add_argument("--ha", action="store_true",
                     help="three database servers on three managers, backups on one of the workers (5)")
    one.add_argument("--no-deploy", action="store_true", help="only create the hosts and join them to a Swarm")
    commands.add_parser("status", help="show the hosts and services, and how to reach them")
    one = commands.add_parser("exec", help="run a command on a host")
    one.add_argument("host", metavar="HOST")
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    for name, what in (("cut", "disconnect the host's network cable"), ("mend", "reconnect it"),
                       ("kill", "simulate a power cut of the host"),
                       ("revive", "start it again, with its disk")):
        one = commands.add_parser(name, help=what)
        one.add_argument("host", metavar="HOST")
    one = commands.add_parser("down", help="stop and remove everything")
    one.add_argument("--purge", action="store_true", help="also delete the caches in .lab/")
    asked = parser.parse_args(arguments)
    if asked.command == "up":
        for number in (asked.hosts, asked.vm):
            if number is not None and not 1 <= number <= MAX_HOSTS:
                parser.error(f"a lab has 1 to {MAX_HOSTS} hosts")
        if asked.hosts and asked.vm:
            parser.error("either HOSTS or --vm N")
        if asked.ha and asked.vm:
            parser.error("--ha is for hosts of the first kind")
    if asked.command == "exec" and not asked.words:
        parser.error("exec HOST COMMAND…")
    return asked


@contextlib.contextmanager
def alone():
    """Only one command at a time changes the lab. If the lab ended while this one waited, the locked file is
    gone, and it locks the new one."""
    while True:
        with open(LOCK, "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                complain("waiting for another swarm/lab to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock.fileno()).st_nlink != 0:
                yield
                return


def main(arguments):
    asked = parse(arguments)
    try:
        if os.geteuid() != 0:
            raise Unable("the lab needs root, to create network namespaces and start engines in them")
        if sys.platform != "linux":
            raise Unable("the lab needs Linux")
        if asked.command == "status":
            return status()
        if asked.command == "exec":
            return execute(host(asked.host), asked.words)
        with alone():
            if asked.command == "up":
                up(asked.hosts, asked.vm, not asked.no_deploy, asked.ha)
            elif asked.command == "down":
                down(asked.purge)
                os.unlink(LOCK)
            else:
                {"cut": cut, "mend": mend, "kill": kill, "revive": revive}[asked.command](
                    host(asked.host))
    except Refusal as refusal:
        complain(refusal)
        return 3 if isinstance(refusal, Unable) else 1
    except KeyboardInterrupt:
        complain("interrupted: continue with `swarm/lab up`, or remove the lab with `swarm/lab down`")
        return 130
    return 0
