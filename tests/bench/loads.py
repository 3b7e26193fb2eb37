"""The load generators: wrk, our own client, pgbench and redis-benchmark. Each function runs one of
them to its end and returns what it reports."""

import array
import contextlib
import csv
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

# A prefix that ends a program with the benchmark, even if the benchmark is killed.
STARTER = ("setpriv", "--pdeathsig", "KILL", "--")

JSON_HEADERS = ("Accept: application/json", "Prefer: return=minimal")
PAGE_HEADERS = ("Accept: text/html",)

PERCENTILES = ("p50", "p90", "p99", "max")


class LoadFailed(Exception):
    """A load generator failed or did not end."""


@dataclass
class Target:
    """The paths that are requested, and the form of the answer: path number i of `paths` is /bench/
    followed by i times `stride`. `headers` are what wrk sends besides."""

    paths: int
    stride: int = 1
    json: bool = False
    gzip: bool = False
    headers: tuple = ()


@dataclass
class Load:
    """The result of a load. `in_flight` is the largest number of hits that may have been stored
    without an acknowledgement. An array by path is None if the generator does not keep it.
    `longest_gap_us` is the longest time in which no request was answered."""

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
    longest_gap_us: int = None
    cpu_s: float = 0.0

    @property
    def rate(self):
        return self.acknowledged / self.seconds


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command, seconds):
    """Runs a load generator that should take `seconds`; returns its output and its CPU time."""
    before = cpu_of_children()
    try:
        done = subprocess.run([*STARTER, *command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds + 30, check=False)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"{command[0]} did not end within {seconds + 30} s.") from None
    if done.returncode != 0:
        raise LoadFailed(f"{command[0]} ended with status {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout, cpu_of_children() - before


@contextlib.contextmanager
def counts_file(arrays, paths):
    """A file for arrays of 32-bit numbers with one element per path; yields its name and a function
    that reads the arrays."""
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


def descriptors():
    """The number of file descriptors that a process may have at most."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def wrk(port, target, connections, seconds, seed):
    """wrk with one thread: each connection sends its next request as soon as it has an answer."""
    headers = [part for header in (*(JSON_HEADERS if target.json else PAGE_HEADERS),
                                   *(["Accept-Encoding: gzip"] if target.gzip else []), *target.headers)
               for part in ("-H", header)]
    with counts_file(1, target.paths) as (counts, read):
        said, cpu_s = run(
            ["prlimit", "--nofile=" + ":".join(2 * [str(descriptors())]),
             "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *headers,
             "-s", os.path.join(HERE, "hits.lua"), f"http://127.0.0.1:{port}", "--",
             counts, str(target.paths), str(target.stride), str(seed)], seconds)
        sent, = read()
    result = re.search(r"^RESULT (.*)$", said, re.MULTILINE)
    if not result:
        raise LoadFailed(f"wrk printed no result: {said[-1000:]}")
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
    """Our own client, at a fixed rate or, with rate 0, as fast as answers arrive. It waits for
    every answer, so no hit is in flight at its end."""
    with counts_file(2, target.paths) as (counts, read):
        command = client_command(port, target, connections, seed)
        said, cpu_s = run([*command, f"--seconds={seconds}", f"--rate={rate}",
                           f"--counts={counts}.1"], seconds)
        sent, acknowledged = read()
    result = json.loads(said)
    return Load(
        target.paths, target.stride, result["ok"], result["seconds"], in_flight=result["refused"],
        sent_by_path=sent, acknowledged_by_path=acknowledged, errors=result["refused"],
        **{kind + "_us": {name: result[f"{prefix}{name}_us"] for name in PERCENTILES}
           for kind, prefix in (("latency", ""), ("answer", "answer_"), ("refusal", "refusal_"))},
        without_retry_after=result["without_retry_after"],
        longest_gap_us=result["longest_gap_us"], cpu_s=cpu_s)


@contextlib.contextmanager
def idle_connections(port, target, connections, seed):
    """Holds connections that have each received one answer and are idle for the time of the block.
    Yields the load of their first requests. Fails if a connection was closed in the meantime."""
    with counts_file(2, target.paths) as (counts, read), subprocess.Popen(
            [*STARTER, *client_command(port, target, connections, seed), "--idle",
             f"--counts={counts}.1"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            opened = process.stdout.readline()
            if not opened:
                raise LoadFailed(f"The idle connections failed: {process.stderr.read()[-1000:]}")
            opened = json.loads(opened)
            sent, acknowledged = read()
            yield Load(target.paths, target.stride, opened["ok"], 1, in_flight=opened["refused"],
                       sent_by_path=sent, acknowledged_by_path=acknowledged,
                       errors=opened["refused"])
            said, trouble = process.communicate("", timeout=30)
            if process.returncode != 0 or json.loads(said)["closed"] != 0:
                raise LoadFailed(f"Idle connections were closed: {said}{trouble}")
        finally:
            process.kill()


def pgbench(cluster, database, target, clients, seconds, each=False, schema="public"):
    """pgbench with one upsert of one row per transaction, in the table `pathcount` of a schema.
    With `each` the result has the latency of the transactions. It runs for at least two seconds: on
    one row it may not finish any transaction within the first."""
    seconds = max(seconds, 2)
    with tempfile.TemporaryDirectory(prefix="pathcount-bench-") as folder:
        log = ["--log", "--log-prefix", os.path.join(folder, "log")] if each else []
        said, cpu_s = run(
            ["env", f"PGOPTIONS=-c search_path={schema}",
             os.path.join(programs(), "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j",
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
        raise LoadFailed(f"pgbench printed no result: {said[-1000:]}")
    return Load(target.paths, target.stride, int(done[1]), int(done[1]) / float(tps[1]),
                latency_us=percentiles(times_us), cpu_s=cpu_s)


def percentiles(sorted_us):
    if not sorted_us:
        return {}
    last = len(sorted_us) - 1
    return {"p50": sorted_us[len(sorted_us) // 2], "p90": sorted_us[int(last * 0.9)],
            "p99": sorted_us[int(last * 0.99)], "max": sorted_us[last]}


def redis_benchmark(socket, target, connections, requests):
    """redis-benchmark with one INCR per request, without pipelining. It runs for a number of
    requests, not for a time."""
    patience_s = 60
    said, cpu_s = run(
        ["redis-benchmark", "-s", socket, "-c", str(connections), "-n", str(requests), "--csv",
         "-r", str(target.paths), "INCR", "/bench/__rand_int__"], patience_s)
    try:
        result = dict(zip(*list(csv.reader(said.splitlines()))[-2:]))
        rate, milliseconds = float(result["rps"]), {
            name: float(result[f"{name}_latency_ms"]) for name in ("p50", "p99", "max")}
    except (KeyError, ValueError) as error:
        raise LoadFailed(f"redis-benchmark printed no result: {said[-1000:]}") from error
    return Load(target.paths, target.stride, requests, requests / rate, latency_us={
        name: value * 1000 for name, value in milliseconds.items()}, cpu_s=cpu_s)
