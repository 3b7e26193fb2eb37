"""The switch and the cables: a bridge in its own network namespace.

In the machine's own namespace its iptables would filter the bridge (an engine there sets FORWARD to
DROP, and bridged frames pass through it). No namespace of the lab has a default route, so no packet can leave
the switch.
"""
import pathlib
import shutil

from . import world
from .world import SWITCH, SWITCH_ADDRESS, PREFIX_LENGTH, Unable, run

NETNS = pathlib.Path("/run/netns")


def exists(netns):
    return (NETNS / netns).exists()


def within(netns):
    """The prefix of a command that runs it in the network of `netns`. Not `ip netns exec`: that mounts
    another /sys, without the control groups that engines need."""
    return ["nsenter", f"--net={NETNS / netns}"]


def make_switch():
    if exists(SWITCH):
        return
    run("ip", "netns", "add", SWITCH)
    ip = [*within(SWITCH), "ip"]
    run(*ip, "link", "set", "lo", "up")
    # It needs its own MAC address. Otherwise it takes that of a port, and another one when that port goes,
    # while the hosts still send to the old one.
    run(*ip, "link", "add", "br0", "address", "02:00:c0:a8:4d:01", "type", "bridge")
    run(*ip, "addr", "add", f"{SWITCH_ADDRESS}/{PREFIX_LENGTH}", "dev", "br0")
    run(*ip, "link", "set", "br0", "up")
    # Overlay networks need VXLAN. Fail early if the kernel lacks it.
    if run(*ip, "link", "add", "probe", "type", "vxlan", "id", "1", "dstport", "4789",
           check=False).returncode != 0:
        raise Unable("this kernel has no VXLAN; Swarm's overlay networks need it")
    run(*ip, "link", "del", "probe")


def has_ipvs():
    """Whether this machine's kernel supports IPVS. All its namespaces share it."""
    if shutil.which("modprobe"):
        run("modprobe", "--quiet", "ip_vs", check=False)
    return pathlib.Path("/proc/net/ip_vs").exists()


def make_host(number):
    """Makes the host's namespace, and a cable from its eth0 to port hN of the switch."""
    netns, port = world.host_netns(number), world.host_name(number)
    if exists(netns):
        return
    run("ip", "netns", "add", netns)
    run(*within(SWITCH), "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0",
        "netns", netns)
    run(*within(SWITCH), "ip", "link", "set", port, "master", "br0", "up")
    ip = [*within(netns), "ip"]
    run(*ip, "link", "set", "lo", "up")
    run(*ip, "addr", "add", f"{world.host_address(number)}/{PREFIX_LENGTH}", "dev", "eth0")
    run(*ip, "link", "set", "eth0", "up")


def make_tap(number):
    """Makes a port of the switch for a virtual machine's network card."""
    ip = [*within(SWITCH), "ip"]
    port = world.host_name(number)
    if run(*ip, "link", "show", port, check=False).returncode == 0:
        return
    run(*ip, "tuntap", "add", "dev", port, "mode", "tap")
    run(*ip, "link", "set", port, "master", "br0", "up")


def link(number, up):
    """Plugs the host's cable in or pulls it. Pulling a missing cable is no error."""
    run(*within(SWITCH), "ip", "link", "set", world.host_name(number), "up" if up else "down",
        check=up)


def link_is_up(number):
    shown = run(*within(SWITCH), "ip", "-o", "link", "show", world.host_name(number), check=False)
    return shown.returncode == 0 and ",UP" in shown.stdout


def remove_host(number):
    """Removes the cable and the namespace's name. The namespace ends with its last process."""
    run(*within(SWITCH), "ip", "link", "del", world.host_name(number), check=False)
    if exists(world.host_netns(number)):
        run("ip", "netns", "del", world.host_netns(number))


def all_netns():
    return sorted(p.name for p in NETNS.glob("pathcount-*")) if NETNS.exists() else []


def remove_all():
    """Removes every namespace of the lab. If the folder of namespaces is then empty, removes it and the mount
    that `ip` made there."""
    for netns in all_netns():
        run("ip", "netns", "del", netns)
    if NETNS.exists() and not any(NETNS.iterdir()):
        run("umount", NETNS, check=False)
        NETNS.rmdir()
