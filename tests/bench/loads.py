"""What makes the load: wrk, a client of our own, pgbench. Each call runs one to its end and returns
what it knows."""

import array
import contextlib
import json
import os
import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass, field

from harness.postgres import programs

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = os.path.join(ROOT, "build", "release", "obj", "tests", "bench")

# Whatever is started does not outlive the benchmark, even if that is killed.
STARTER = ("setpriv", "--pdeathsig", "KILL", "--")

JSON_HEADERS = ("Accept: application/json", "Prefer: return=minimal")
PAGE_HEADERS = ("Accept: text/html",)


class LoadFailed(Exception):
    """A program that makes the load ended badly."""


@dataclass
class Target:
    """Which paths are asked for, and how: number i of `paths` is /bench/ and i times `stride`."""

    paths: int
    stride: int = 1
    json: bool = False


@dataclass
class Load:
    """What a load knows afterwards. `in_flight` is how many hits at most may be stored without an
    acknowledgement; per path None says that it does not know."""

    paths: int
    stride: int
    acknowledged: int
    seconds: float
    in_flight: int = 0
    sent_by_path: array.array = None
    acknowledged_by_path: array.array = None
    errors: int = 0
    bytes_received: int = 0
    latency_us: dict = field(default_factory=dict)
    answer_us: dict = field(default_factory=dict)
    refusal_us: dict = field(default_factory=dict)
    without_retry_after: int = 0
    cpu_s: float = 0.0

    @property
    def rate(self):
        return self.acknowledged / self.seconds


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command, seconds):
    """Runs a load's program, which is to take so many seconds; returns its output and its CPU."""
    before = cpu_of_children()
    try:
        done = subprocess.run([*STARTER, *command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds + 30, check=False)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"{command[0]} does not end") from None
    if done.returncode != 0:
        raise LoadFailed(f"{command[0]} ended with {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout, cpu_of_children() - before


@contextlib.contextmanager
def counts_file(arrays, paths):
    """A file for arrays of 32-bit numbers, one for each path; yields its name and a reader."""
    with tempfile.TemporaryDirectory(prefix="pathcount-bench-", dir="/dev/shm") as folder:
        name = os.path.join(folder, "counts")
        with open(name + ".1", "wb") as file:
            file.truncate(4 * arrays * paths)

        def read():
            numbers = array.array("I")
            with open(name + ".1", "rb") as file:
                numbers.frombytes(file.read())
            return [numbers[i * paths:(i + 1) * paths] for i in range(arrays)]

        yield name, read


def wrk(port, target, connections, seconds, seed):
    """wrk with one thread, as fast as answers come."""
    headers = [part for header in (JSON_HEADERS if target.json else PAGE_HEADERS)
               for part in ("-H", header)]
    with counts_file(1, target.paths) as (counts, read):
        said, cpu_s = run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *headers,
             "-s", os.path.join(HERE, "hits.lua"), f"http://127.0.0.1:{port}", "--",
             counts, str(target.paths), str(target.stride), str(seed)], seconds)
        sent, = read()
    result = re.search(r"^RESULT (.*)$", said, re.MULTILINE)
    if not result:
        raise LoadFailed(f"wrk has no result: {said[-1000:]}")
    result = json.loads(result[1])
    lost = result["connect"] + result["read"] + result["write"]
    return Load(
        target.paths, target.stride, result["requests"] - result["status"], result["seconds"],
        in_flight=connections + lost + result["status"], sent_by_path=sent,
        errors=lost + result["status"], bytes_received=result["bytes"],
        latency_us={"p50": result["p50_us"], "p99": result["p99_us"]}, cpu_s=cpu_s)


def client_command(port, target, connections, seed):
    return [os.path.join(PROGRAMS, "client"), f"--connections={connections}",
            f"--paths={target.paths}", f"--stride={target.stride}", f"--seed={seed}",
            *(["--json"] if target.json else []), str(port)]


def client(port, target, connections, seconds, seed, rate=0):
    """Our own client, at a rate or as fast as answers come, with nothing in flight at its end."""
    with counts_file(2, target.paths) as (counts, read):
        command = client_command(port, target, connections, seed)
        said, cpu_s = run([*command, f"--seconds={seconds}", f"--rate={rate}",
                           f"--counts={counts}.1"], seconds)
        sent, acknowledged = read()
    result = json.loads(said)
    return Load(
        target.paths, target.stride, result["ok"], result["seconds"], in_flight=result["refused"],
        sent_by_path=sent, acknowledged_by_path=acknowledged, errors=result["refused"],
        **{kind + "_us": {name: result[f"{prefix}{name}_us"] for name in ("p50", "p90", "p99", "max")}
           for kind, prefix in (("latency", ""), ("answer", "answer_"), ("refusal", "refusal_"))},
        without_retry_after=result["without_retry_after"], cpu_s=cpu_s)


@contextlib.contextmanager
def idle_connections(port, target, connections, seed):
    """Connections that each had one answer and then wait, for the time of the block. Yields the
    load that opening them was. Fails if one was closed meanwhile."""
    with counts_file(2, target.paths) as (counts, read), subprocess.Popen(
            [*STARTER, *client_command(port, target, connections, seed), "--idle",
             f"--counts={counts}.1"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            opened = process.stdout.readline()
            if not opened:
                raise LoadFailed(f"the idle connections failed: {process.stderr.read()[-1000:]}")
            opened = json.loads(opened)
            sent, acknowledged = read()
            yield Load(target.paths, target.stride, opened["ok"], 1, in_flight=opened["refused"],
                       sent_by_path=sent, acknowledged_by_path=acknowledged,
                       errors=opened["refused"])
            said, trouble = process.communicate("", timeout=30)
            if process.returncode != 0 or json.loads(said)["closed"] != 0:
                raise LoadFailed(f"idle connections were closed: {said}{trouble}")
        finally:
            process.kill()


def pgbench(cluster, database, target, clients, seconds, each=False):
    """pgbench upserting one row in each transaction; `each` asks for the latency of every one. It
    runs for two seconds at least: on one row it may not end a transaction in the first."""
    seconds = max(seconds, 2)
    with tempfile.TemporaryDirectory(prefix="pathcount-bench-") as folder:
        log = ["--log", "--log-prefix", os.path.join(folder, "log")] if each else []
        said, cpu_s = run(
            [os.path.join(programs(), "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j",
             str(min(clients, 2)), "-T", str(seconds), "-f", os.path.join(HERE, "peers/upsert.sql"),
             "-D", f"paths={target.paths}", "-D", f"stride={target.stride}", *log,
             "-h", cluster.folder, "-p", str(cluster.port), "-U", "postgres", database], seconds)
        times_us = sorted(
            int(line.split()[2]) for name in os.listdir(folder)
            for line in open(os.path.join(folder, name), encoding="ascii"))
    done = re.search(r"number of transactions actually processed: (\d+)", said)
    failed = re.search(r"number of failed transactions: (\d+)", said)
    tps = re.search(r"tps = ([0-9.]+)", said)
    if not (done and tps) or (failed and int(failed[1])):
        raise LoadFailed(f"pgbench has no result: {said[-1000:]}")
    latency_us = {"p50": times_us[len(times_us) // 2],
                  "p99": times_us[int(len(times_us) * 0.99)]} if times_us else {}
    return Load(target.paths, target.stride, int(done[1]), int(done[1]) / float(tps[1]),
                latency_us=latency_us, cpu_s=cpu_s)
