"""Shared by all parts of the lab: names, addresses, paths, and the output of steps.

The machine has at most one lab. The kernel alone tells which parts run: its namespaces are named
`pathcount-*`, all its processes are in the control group `pathcount-lab`, and its temporary files are in
/run/pathcount-lab. So a lab can be taken down from any clone, after any crash.
The base image and built layers stay in .lab/ of the clone that started it.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
KEEP = REPO / ".lab"                         # caches and logs; survives `down`
RUN = pathlib.Path("/run/pathcount-lab")     # sockets and the record of the running lab; removed by `down`

SWITCH = "pathcount-switch"                  # the switch's network namespace
SWITCH_ADDRESS = "192.168.77.1"
PREFIX_LENGTH = 24
REGISTRY_PORT = 5077
REGISTRY_HOST = f"registry.lab:{REGISTRY_PORT}"
REGISTRY = f"{REGISTRY_HOST}/pathcount"      # REGISTRY in stack.yml
PAGE_PORT = 9090                             # published on every host
LOCAL_PORT = int(os.environ.get("LAB_PORT", "9090"))  # host N's page: 127.0.0.1:(LOCAL_PORT + N)
MAX_HOSTS = 9
STACK = "pathcount"
DOCKER = "/usr/bin/docker"                   # Debian's; newer versions need a plugin to build


class Refusal(Exception):
    """The lab refuses a command. The text has the reason, in one line."""


class Unable(Refusal):
    """A lab cannot run on this machine."""


# Engines that are not hosts: one builds the images, one unpacks them for virtual machines.
BUILDER, SEED = 0, -1


def host_name(number):
    return {BUILDER: "builder", SEED: "seed"}.get(number, f"h{number}")


def owner():
    """The program that owns the lab (LAB_OWNER, a process id): its id and start time, because ids are reused.
    None if a person started the lab."""
    pid = os.environ.get("LAB_OWNER")
    return pid and [int(pid), began(pid)]


def began(pid):
    """The start time of a process, in ticks since boot. None if there is no such process."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return int(stat.rpartition(")")[2].split()[19])
    except OSError:
        return None


def host_address(number):
    return f"192.168.77.{10 + number}"


def host_netns(number):
    return f"pathcount-h{number}"


def host_dir(number):
    """The host's folder on disk: its engine's data, or its virtual machine's disk."""
    return KEEP / "hosts" / host_name(number)


def host_run(number):
    """The host's own /run. This machine reaches its engine by docker.sock in it."""
    return RUN / host_name(number)


def host_socket(number):
    return host_run(number) / "docker.sock"


def run(*command, check=True, **options):
    """Runs a command to its end and returns its status and output as text. A failure raises a Refusal with
    the last line of the output. Without `check`, the caller reads `returncode` (124: timeout)."""
    options.setdefault("timeout", 300)
    options.setdefault("stdin", subprocess.DEVNULL)
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **options)
    except subprocess.TimeoutExpired:
        if not check:
            return subprocess.CompletedProcess(command, 124, "", "")
        raise Refusal(f"`{' '.join(command)}` did not end in {options['timeout']} s") from None
    if check and done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise Refusal(f"`{' '.join(command)}` failed: {words}")
    return done


def docker(number, *arguments, **options):
    """Docker's client on host `number`, or the builder."""
    return run(DOCKER, "-H", f"unix://{host_socket(number)}", *arguments, **options)


def wait_for(what, condition, seconds, interval=0.1):
    """Waits until the value of `condition()` is truthy and returns it. Raises a Refusal after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Refusal(f"{what}: not within {seconds} s")
        time.sleep(interval)


STARTED = time.monotonic()


@contextlib.contextmanager
def step(what):
    """Prints a step at its begin, and its duration at its end. Steps may overlap."""
    began = time.monotonic()
    print(f"[{began - STARTED:6.1f} s] {what} …", flush=True)
    yield
    took = time.monotonic() - began
    if took >= 1:
        print(f"           … {took:.1f} s: {what}", flush=True)


def say(text=""):
    print(text, flush=True)


def complain(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def remember(**facts):
    """Adds to the record of the running lab."""
    known = recall() or {}
    known.update(facts)
    RUN.mkdir(parents=True, exist_ok=True)
    scratch = RUN / "lab.json.new"
    scratch.write_text(json.dumps(known, indent=1) + "\n")
    os.replace(scratch, RUN / "lab.json")


def recall():
    """The record of the running lab: its hosts, their kind and its owner. None without a lab."""
    try:
        return json.loads((RUN / "lab.json").read_text())
    except FileNotFoundError:
        return None


def running_lab():
    lab = recall()
    if lab is None:
        raise Refusal("no lab is up: start one with `swarm/lab up`")
    return lab
