"""Hosts of the second kind: virtual machines with Debian's own kernel, because the machine's kernel may lack
IPVS (the ingress mesh) and ESP (encrypted overlays). Their cards are ports of the
same switch, and their engines are reached over it. They are emulated, and about ten times slower
than a real machine, unless LAB_ACCEL=kvm.
"""
import os
import shutil

from . import cgroup, engine, net, world
from .world import (KEEP, REGISTRY_HOST, REPO, SWITCH, SWITCH_ADDRESS, Refusal, docker, run,
                    step, wait_for)

CONTENTS = REPO / "swarm" / "lablib" / "guest_disk"
PLACE = KEEP / "guest"
BOOT = ("vmlinuz", "initrd.img")
MEMORY_MIB = 3072
DISK = "6G"  # sparse
# Emulation works everywhere. KVM inside a virtual machine may exist without working, and then a guest never
# boots. So the lab uses it only if LAB_ACCEL=kvm requests it.
ACCELERATOR = os.environ.get("LAB_ACCEL", "tcg")


def patience():
    """The factor by which everything may be slower than on a real machine."""
    return 1 if ACCELERATOR == "kvm" else 5


def ensure_disk():
    """The disk of which every guest gets a copy, and the kernel that boots it. The builder makes its content,
    so that only changed parts are made again."""
    with step("making the virtual machines' disk from Debian's packages"):
        image = docker(world.BUILDER, "build", "--quiet", "--network=host", CONTENTS,
                       timeout=1200).stdout.strip()
        made_of = PLACE / "made-of"
        if made_of.exists() and made_of.read_text() == image:
            return
        for old in KEEP.glob("guest*"):
            shutil.rmtree(old)
        root, tar = PLACE / "root", PLACE / "root.tar"
        root.mkdir(parents=True)
        container = docker(world.BUILDER, "create", "--network=none", image, "none").stdout.strip()
        docker(world.BUILDER, "export", "--output", tar, container)
        docker(world.BUILDER, "rm", container)
        run("tar", "-x", "--numeric-owner", "-f", tar, "-C", root)
        tar.unlink()
        (root / "root" / "init.sh").chmod(0o755)
        # Docker keeps these two to itself while it builds.
        (root / "etc" / "hosts").write_text(
            f"127.0.0.1 localhost\n{SWITCH_ADDRESS} {REGISTRY_HOST.split(':')[0]}\n")
        (root / "etc" / "resolv.conf").write_text("")
        for what in BOOT:
            shutil.copy(next((root / "boot").glob(f"{what}-*")), PLACE / what)
        run("mke2fs", "-q", "-t", "ext4", "-d", root, PLACE / "disk.img", DISK)
        shutil.rmtree(root)
        made_of.write_text(image)


def _images_disk():
    return KEEP / "hosts" / "images.img"


def make_images_disk(names):
    """The disk of /var/lib/docker of every guest, with the images as if they had been pulled. An engine of
    this machine unpacks them in seconds, a guest in minutes."""
    data = world.host_dir(world.SEED)
    if names:
        with step("unpacking the images for the virtual machines"):
            cgroup.kill(world.host_name(world.SEED))
            engine.prepare(world.SEED)
            engine.wait(world.SEED)
            for name in names:
                docker(world.SEED, "pull", "--quiet", name)
            engine.stop(world.SEED)
            cgroup.kill(world.host_name(world.SEED))
        for kept in data.iterdir():
            if kept.name not in ("image", "overlay2"):
                shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
    data.mkdir(parents=True, exist_ok=True)
    _images_disk().unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-d", data, _images_disk(), DISK)
    shutil.rmtree(data)


def prepare(number):
    """Makes it a new host: fresh copies of the disks and of their kernel."""
    folder = world.host_dir(number)
    folder.mkdir(parents=True, exist_ok=True)
    for what in ("disk.img", *BOOT):
        run("cp", "--sparse=always", "--reflink=auto", PLACE / what, folder)
    run("cp", "--sparse=always", "--reflink=auto", _images_disk(), folder / "docker.img")
    start(number)


def start(number):
    name, folder = world.host_name(number), world.host_dir(number)
    net.make_tap(number)
    net.link(number, up=True)
    engine.start_process(name, [
        # Swarm takes a machine without CPU time for dead, so guests run at a higher priority.
        "nice", "-n", "-10", *net.within(SWITCH), "qemu-system-x86_64",
        "-accel", ACCELERATOR,
        # An old, simple processor: with newer ones emulated programs crashed at times.
        "-cpu", "Nehalem",
        "-smp", "1", "-m", str(MEMORY_MIB), "-no-reboot", "-display", "none", "-monitor", "none",
        "-serial", f"file:{KEEP}/log/{name}.console",
        "-kernel", folder / "vmlinuz", "-initrd", folder / "initrd.img",
        "-append", f"console=ttyS0 root=/dev/vda rw init=/root/init.sh node={number} net.ifnames=0"
                   # Mitigations of side channels cost a fifth of the time here. Without KASLR, addresses stay
                   # the same, so that code is translated only once.
                   " mitigations=off norandmaps panic=1 quiet",
        *(word for disk in ("disk", "docker") for word in (
            "-drive", f"file={folder}/{disk}.img,format=raw,if=virtio,cache=unsafe")),
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
    """A power cut. Loses what the guest's kernel had not yet written. Synced data survives: the disk's cache
    is this machine's memory."""
    net.link(number, up=False)
    cgroup.kill(world.host_name(number))


def revive(number):
    start(number)
    wait(number)
