"""stack.yml as it is, and with swarm/encrypted.yml, where the kernel has IPVS and ESP.

The tests build on each other, as every deployment takes minutes here: first the stack as the lab
has deployed it, then the same encrypted.
"""
import contextlib
import json
import subprocess
import sys
import time

from harness import CLIENT, Load, docker, get_count, net, wait_until, world

PATIENCE_S = 300


def load_through_mesh(prefix):
    """A load from the switch on one host's published port, wherever the renderers are."""
    return Load([*net.within(world.SWITCH), "/usr/bin/python3", str(CLIENT), "--target",
                 f"{world.host_address(2)}:{world.PAGE_PORT}", "--prefix", prefix,
                 "--workers", "4", "--think-ms", "300"])


def counted_on_every_host(stack, path):
    """Waits until every host's port answers, and returns how often the path was counted."""
    for host in stack.hosts:
        wait_until(f"a page at host {host}", lambda h=host: get_count(h, path, 20), PATIENCE_S)
    return stack.stored(path)[path]


def test_any_port_answers_whichever_host_runs_the_renderer(stack, note):
    stack.command("scale", "render-svc", "1", WAIT_S=str(PATIENCE_S))
    stack.only("render-svc", 1)
    only = stack.tasks("render-svc")[0].host
    before = counted_on_every_host(stack, "/mesh")
    for number, host in enumerate(stack.hosts * 5, start=before + 1):
        assert get_count(host, "/mesh", 20) == number
    note(f"one renderer, on h{only}: every host's port answered {len(stack.hosts) * 5} requests")


def test_mesh_spreads_over_the_replicas(stack, note):
    stack.command("scale", "render-svc", "2", WAIT_S=str(PATIENCE_S))
    load = load_through_mesh("/spread/")
    wait_until("hits", lambda: stack.stored("/spread/").total() >= 40, 120)
    report = load.stop()
    note(f"two renderers behind one port: {report}")
    stack.audit("/spread/", report.sent, report.acked, exact=True)
    assert not report.failed


def test_rolling_keeps_every_acknowledged_hit(stack, note):
    """A connection that the mesh breaks may fail; what was acknowledged is stored."""
    for name in ("counter-svc", "render-svc"):
        image = f"{world.REGISTRY}/{name}"
        docker(0, "tag", f"{image}:lab", f"{image}:lab2")
        docker(0, "push", "--quiet", f"{image}:lab2")
    load = load_through_mesh("/roll/")
    wait_until("hits", lambda: stack.stored("/roll/").total() >= 20, 120)
    began = time.monotonic()
    stack.command("roll", "lab2", WAIT_S="600")
    stack.only("render-svc", 2)
    report = load.stop()
    note(f"rolled in {time.monotonic() - began:.0f} s under load: {report}")
    stack.audit("/roll/", report.sent, report.acked, exact=not report.failed
                and not report.unavailable)


def test_encrypted(stack, note):
    """The inner networks by ESP: the page counts, ESP is what crosses the switch, and nothing of
    what the counters and PostgreSQL say can be read there."""
    stack.command("remove", WAIT_S=str(PATIENCE_S))
    stack.command("deploy", "--encrypted", "--wait", RENDER_REPLICAS="2", COUNTER_REPLICAS="2",
                  WAIT_S="600")
    for name in ("internal", "ledger"):
        network = json.loads(docker(1, "network", "inspect", f"{world.STACK}_{name}"))[0]
        assert network["Internal"] and "encrypted" in network["Options"]
    path = "/encrypted-marker"
    counted_on_every_host(stack, path)
    counter_hosts = {task.host for task in stack.tasks("counter-svc")}
    with captured() as seen:
        before = stack.stored(path)[path]
        for _ in range(20):
            for host in stack.hosts:
                assert get_count(host, path, 20)
        assert stack.stored(path)[path] == before + 40
    note(f"encrypted: 40 requests counted, counters on hosts {sorted(counter_hosts)}; "
         f"{seen['esp']} ESP packets, {seen['vxlan']} VXLAN packets in the clear")
    assert seen["esp"] > 40, "the inner networks do not cross the switch encrypted"
    assert not seen["readable"], "a batch or a statement crossed the switch in the clear"


CAPTURE = r"""
import json, select, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
seen = {"esp": 0, "vxlan": 0, "readable": 0}
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    if not select.select([s, sys.stdin], [], [], 1)[0] or not select.select([s], [], [], 0)[0]:
        continue
    frame = s.recv(65536)
    if frame[12:14] != b"\x08\x00":
        continue
    protocol, header = frame[23], 14 + (frame[14] & 15) * 4
    if protocol == 50:
        seen["esp"] += 1
    if protocol == 17 and frame[header + 2:header + 4] == (4789).to_bytes(2, "big"):
        seen["vxlan"] += 1
        seen["readable"] += b"POST /v1/hits" in frame or b"INSERT" in frame
print(json.dumps(seen))
"""


@contextlib.contextmanager
def captured():
    """Counts what passes host 1's port of the switch: ESP, VXLAN in the clear, and frames of the
    latter in which a batch or a statement can be read."""
    seen = {}
    process = subprocess.Popen(
        [*net.within(world.SWITCH), sys.executable, "-c", CAPTURE, world.host_name(1)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    try:
        yield seen
    finally:
        out, _ = process.communicate(timeout=30)
        seen.update(json.loads(out))
