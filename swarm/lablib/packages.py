"""What the lab needs from Debian, and how it gets there."""
import os
import pathlib
import shutil
import subprocess

from .world import KEEP, Refusal, run, say, step

ALWAYS = {
    "docker.io": "the hosts' engines",
    "docker-registry": "the registry that the hosts pull from",
    "mmdebstrap": "makes the base image debian:bookworm-slim",
    "iproute2": "the switch and its cables",
    "iptables": "the engines' rules, inside their namespaces",
    "util-linux": "enters namespaces",
}
GUESTS = {
    "qemu-system-x86": "runs the virtual machines",
    "e2fsprogs": "makes their disks",
}
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


def missing(packages):
    shown = run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages,
                check=False).stdout.splitlines()
    return [p for p in packages if f"{p} installed" not in shown]


def ensure(guests=False):
    """Installs what is missing. Services that the packages bring are not started: the lab runs its
    own engines, and the machine is not to become a Docker host by trying it."""
    wanted = ALWAYS | GUESTS if guests else ALWAYS
    lacking = missing(wanted)
    if not lacking:
        return
    if not shutil.which("apt-get"):
        raise Refusal(f"needs {', '.join(lacking)}, and there is no apt-get here to install them")
    say("The lab needs from Debian's packages:")
    for package in lacking:
        say(f"    {package:18} {wanted[package]}")
    made_policy = not POLICY.exists()
    if made_policy:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        with step(f"apt-get install {' '.join(lacking)}"):
            _apt_get("update")
            _apt_get("install", "-y", "--no-install-recommends", *lacking)
    finally:
        if made_policy:
            POLICY.unlink()


def _apt_get(*arguments):
    KEEP.mkdir(exist_ok=True)
    log = KEEP / "apt.log"
    with open(log, "a", encoding="utf-8") as output:
        done = subprocess.run(
            ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments], check=False,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=1800)
    if done.returncode != 0:
        raise Refusal(f"`apt-get {arguments[0]}` failed: see {log}")
