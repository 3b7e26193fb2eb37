"""stack.yml unchanged, and with swarm/encrypted.yml, on a kernel with IPVS and ESP.

The tests depend on each other, because every deployment takes minutes here: first the stack as the lab has
deployed it, with one renderer and one counter-svc, then the same stack encrypted.
"""
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time

from harness.lab import CLIENT, Load, docker, get_count, net, until, world

PATIENCE_S = 300


def load_through_mesh(prefix, *options):
    """A load from the switch on one host's published port, on whichever host the renderer is."""
    return Load([*net.within(world.SWITCH), "/usr/bin/python3", str(CLIENT), "--target",
                 f"{world.host_address(2)}:{world.PAGE_PORT}", "--prefix", prefix,
                 "--workers", "4", *options])


def pages_everywhere(stack, path):
    """Waits until every host's port answers."""
    for host in stack.hosts:
        until(lambda h=host: get_count(h, path, 20), f"a page at host {host}", PATIENCE_S)


def packets_received(task):
    """The number of packets that the task's container received on all of its networks, from its engine."""
    connection = http.client.HTTPConnection("engine", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(world.host_socket(task.host)))
        connection.request("GET", f"/containers/{task.container}/stats?stream=0&one-shot=1")
        stats = json.load(connection.getresponse())
    return sum(network["rx_packets"] for network in stats["networks"].values())


def test_every_hosts_port_answers(stack, note):
    only, = stack.tasks("render-svc")
    pages_everywhere(stack, "/mesh")
    before = get_count(1, "/mesh", 20)
    with captured() as seen:
        for number, host in enumerate(stack.hosts * 5, start=before + 1):
            assert get_count(host, "/mesh", 20) == number
    assert stack.stored("/mesh")["/mesh"] == number
    note(f"one renderer, on h{only.host}: every host's port answered, {number - before} requests; "
         f"{seen}")
    # The stack is not all on one host, so its traffic crosses the switch unencrypted.
    assert seen["inner"] and not seen["esp"]


def test_rolling_keeps_every_acknowledged_hit(stack, note):
    """A connection that the mesh breaks may fail. Acknowledged hits are stored."""
    image = f"{world.REGISTRY}/render-svc"
    docker(0, "tag", f"{image}:lab", f"{image}:lab2")
    docker(0, "push", "--quiet", f"{image}:lab2")
    load = load_through_mesh("/roll/", "--think-ms", "300")
    try:
        began = time.monotonic()
        stack.command("roll", "render-svc", "lab2", WAIT_S="400")
        took = time.monotonic() - began
        stack.only("render-svc", 1)
    finally:
        report = load.stop()
    only, = stack.tasks("render-svc")
    note(f"rolled in {took:.0f} s under load, the renderer is on h{only.host} now: {report}")
    assert report.acked.total() > 100
    stack.audit("/roll/", report.sent, report.acked, exact=not report.failed
                and not report.unavailable)


def test_the_inner_networks_are_encrypted(stack, note):
    """The inner networks use ESP: the mesh distributes requests to the renderers, hits are counted, and nothing
    of the inner networks crosses the switch unencrypted."""
    stack.command("remove", WAIT_S=str(PATIENCE_S))
    stack.command("deploy", "--encrypted", "--wait", RENDER_REPLICAS="2", COUNTER_REPLICAS="1",
                  WAIT_S="400")
    for name in INNER:
        network = inspected(name)
        assert network["Internal"] and "encrypted" in network["Options"]
    path = "/encrypted-marker"
    pages_everywhere(stack, path)
    renderers, (counter,) = stack.tasks("render-svc"), stack.tasks("counter-svc")
    assert {task.host for task in renderers} == {1, 2}
    before = get_count(1, path, 20)
    packets = [packets_received(task) for task in renderers]
    with captured() as seen:
        for number, host in enumerate(stack.hosts * 20, start=before + 1):
            assert get_count(host, path, 20) == number
    more = [packets_received(task) - past for task, past in zip(renderers, packets)]
    assert stack.stored(path)[path] == number
    note(f"encrypted: {number - before} requests counted, counter-svc on h{counter.host}, the two "
         f"renderers received {more} packets; {seen}")
    assert min(more) > 40, "one of the renderers got no request"
    assert seen["esp"] > 40, "no encrypted traffic of the inner networks crossed the switch"
    assert not seen["inner"], "traffic of the inner networks crossed the switch unencrypted"


INNER = ("internal", "ledger")


def inspected(name):
    return json.loads(docker(1, "network", "inspect", f"{world.STACK}_{name}"))[0]


CAPTURE = r"""
import json, select, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
inner = {int(vni).to_bytes(3, "big") for vni in sys.argv[2:]}
seen = {"esp": 0, "vxlan": 0, "inner": 0}
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    if not select.select([s, sys.stdin], [], [], 1)[0] or not select.select([s], [], [], 0)[0]:
        continue
    frame = s.recv(65536)
    if frame[12:14] != b"\x08\x00":
        continue
    protocol, udp = frame[23], 14 + (frame[14] & 15) * 4
    if protocol == 50:
        seen["esp"] += 1
    if protocol == 17 and frame[udp + 2:udp + 4] == (4789).to_bytes(2, "big"):
        seen["vxlan"] += 1
        seen["inner"] += frame[udp + 12:udp + 15] in inner
print(json.dumps(seen))
"""


@contextlib.contextmanager
def captured():
    """Counts packets on host 1's port of the switch: ESP packets, unencrypted VXLAN packets, and those of the
    latter that belong to an inner network."""
    seen = {}
    numbers = [inspected(name)["Options"]["com.docker.network.driver.overlay.vxlanid_list"]
               for name in INNER]
    process = subprocess.Popen(
        [*net.within(world.SWITCH), sys.executable, "-c", CAPTURE, world.host_name(1), *numbers],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    try:
        yield seen
    finally:
        out, _ = process.communicate(timeout=30)
        seen.update(json.loads(out))
