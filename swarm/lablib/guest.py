"""Hosts of the second kind: virtual machines with Debian's own kernel, for what the machine's kernel
may lack: IPVS (the ingress mesh) and ESP (encrypted overlays). Their cards are ports of the same
switch, and their engines are reached over it. They are emulated, and about ten times slower than a
real machine, unless LAB_ACCEL=kvm.
"""
import hashlib
import json
import os
import shutil

from . import cgroup, engine, net, world
from .world import (KEEP, REGISTRY_HOST, REPO, SWITCH, SWITCH_ADDRESS, Refusal, run, step,
                    wait_for)

INIT = REPO / "swarm" / "lablib" / "guest-init.sh"
PACKAGES = ("linux-image-cloud-amd64,docker.io,iproute2,iptables,procps,kmod,udev,"
            "initramfs-tools,ca-certificates")
# Another disk for other contents: what it is made from is in its name.
PLACE = KEEP / f"guest-{hashlib.sha256((PACKAGES + INIT.read_text()).encode()).hexdigest()[:8]}"
MEMORY_MIB = 2048
DISK = "6G"  # sparse
# Emulation works everywhere. A KVM inside of a virtual machine may be there and not work, which shows
# only in a guest that never boots; so it is taken only where somebody who knows it says so.
ACCELERATOR = os.environ.get("LAB_ACCEL", "tcg")


def patience():
    """How much longer than on a real machine everything may take."""
    return 1 if ACCELERATOR == "kvm" else 5


def ensure_disk():
    """The disk that every guest begins with a copy of, and the kernel that boots it."""
    if (PLACE / "disk.img").exists():
        return
    with step("making the virtual machines' disk from Debian's packages (once)"):
        for old in KEEP.glob("guest*"):
            shutil.rmtree(old)
        root = PLACE / "root"
        PLACE.mkdir(parents=True)
        run("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}",
            "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
            "bookworm", root, timeout=1200)
        init = root / "root" / "init.sh"
        shutil.copy(INIT, init)
        init.chmod(0o755)
        (root / "etc" / "docker").mkdir(exist_ok=True)
        (root / "etc" / "docker" / "daemon.json").write_text(json.dumps({
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "insecure-registries": [REGISTRY_HOST],
            "shutdown-timeout": 5}))
        (root / "etc" / "hosts").write_text(
            f"127.0.0.1 localhost\n{SWITCH_ADDRESS} {REGISTRY_HOST.split(':')[0]}\n")
        (root / "etc" / "resolv.conf").write_text("")
        for what in ("vmlinuz", "initrd.img"):
            shutil.copy(next((root / "boot").glob(f"{what}-*")), PLACE / what)
        run("mke2fs", "-q", "-t", "ext4", "-d", root, PLACE / "disk.new", DISK)
        shutil.rmtree(root)
        (PLACE / "disk.new").rename(PLACE / "disk.img")


def prepare(number):
    """A new host: a fresh copy of the disk."""
    disk = world.host_dir(number) / "disk.img"
    disk.parent.mkdir(parents=True, exist_ok=True)
    run("cp", "--sparse=always", "--reflink=auto", PLACE / "disk.img", disk)
    start(number)


def start(number):
    name = world.host_name(number)
    net.make_tap(number)
    net.link(number, up=True)
    engine.start_process(name, [
        *net.within(SWITCH), "qemu-system-x86_64",
        "-accel", ACCELERATOR,
        # Old and plain: emulating more made programs crash now and then.
        "-cpu", "Nehalem",
        "-smp", "1", "-m", str(MEMORY_MIB), "-no-reboot", "-display", "none", "-monitor", "none",
        "-serial", f"file:{KEEP}/log/{name}.console",
        "-kernel", PLACE / "vmlinuz", "-initrd", PLACE / "initrd.img",
        "-append", f"console=ttyS0 root=/dev/vda rw init=/root/init.sh node={number} net.ifnames=0"
                   " panic=1 quiet",
        "-drive", f"file={world.host_dir(number)}/disk.img,format=raw,if=virtio,cache=unsafe",
        "-netdev", f"tap,id=lan,ifname={name},script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=lan,mac=52:54:00:77:00:{number:02x}",
        "-device", "virtio-rng-pci"], log=name)


def wait(number, seconds=60):
    name = world.host_name(number)

    def answers():
        if not cgroup.processes(name):
            raise Refusal(f"{name}'s virtual machine has ended: see {KEEP}/log/{name}.console")
        return engine.answers(number)

    wait_for(f"{name}'s engine", answers, seconds * patience(), interval=1)


def kill(number):
    """A power cut. What the guest's kernel had not yet written is lost with it, unless it was
    synced: the disk's cache here is this machine's memory, which stays."""
    net.link(number, up=False)
    cgroup.kill(world.host_name(number))


def revive(number):
    start(number)
    wait(number)
