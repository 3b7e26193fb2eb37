"""The subjects of the measurements: pathcount's pair of services, and the peers.

A subject that serves HTTP has a `port`. Subject describes the rest.
"""

import array
import json
import os
import subprocess
import tempfile
import time

from harness.http import ask, get
from harness.ports import free_port
from harness.postgres import Cluster
from harness.services import BUILD_DIR, TOKEN, Service
from harness.wait import until

import accounting
import schema
from audit import Mismatch, Table
from loads import (HERE, JSON_HEADERS, PAGE_HEADERS, PROGRAMS, STARTER, Load, LoadFailed, Target,
                   redis_benchmark)

BATCH_PATHS = 1000
CALIBRATION_REQUESTS = 20000
FILLED_PATIENCE_S = 60  # to become ready with a million paths


def workplace(stack):
    """A folder, and a PostgreSQL cluster with default settings, until the stack is closed. Both are
    in /var/tmp, because /tmp may be in memory."""
    tempfile.tempdir = "/var/tmp"
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pathcount-bench-"))
    cluster = Cluster(usual={})
    stack.callback(cluster.remove)
    return folder, cluster


def end(process):
    """Terminates a process that this benchmark has started."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class MeasuredService(Service):
    starter = STARTER


class Subject:
    """What a measurement needs to know: `table` is audited (None if nothing is stored)."""

    table = None

    def cpu(self):
        """Seconds of CPU time that the processes have used so far, by name."""
        return {}

    def connections(self):
        """How many connections are open; 0 if the subject does not report it."""
        return 0

    def until_closed(self, number):
        """Waits until no more than so many connections are open. Closing thousands of them takes
        CPU time that must not be charged to the next measurement."""
        try:
            until(lambda: self.connections() <= number, "connections to be closed")
        except AssertionError as error:
            raise LoadFailed(str(error)) from None


class Pair(Subject):
    """counter-svc and render-svc with a ledger of so many paths: release builds with default
    settings, as `make run` starts them. `counter_keys` and `render_keys` override settings; the
    programs are those in `build_dir`."""

    def __init__(self, stack, cluster, folder, paths, counter_keys=None, render_keys=None,
                 build_dir=BUILD_DIR):
        self.paths = paths
        self.ledger = cluster.ledger()
        self.counter = MeasuredService("counter-svc", folder, {
            **self.ledger.keys, **(counter_keys or {}),
            "postgres_url": f"postgresql://?host={cluster.folder}&port={cluster.port}"})
        self.counter.build_dir = build_dir
        stack.callback(self.counter.stop)
        self.counter.start().until_ready()  # which creates the tables
        self.counter.stop()
        schema.fill(self.ledger, paths)
        self.counter.restart().until_ready(FILLED_PATIENCE_S)
        self.render = MeasuredService("render-svc", folder, {
            **(render_keys or {}), "counter_url": "http://%s:%d" % self.counter.address})
        self.render.build_dir = build_dir
        stack.callback(self.render.stop)
        self.render.start().until_ready()
        self.port = self.render.address[1]
        self.table = Table(self.ledger, totals=self._totals)

    def cpu(self):
        return {"render-svc": accounting.cpu_of(self.render.pid),
                "counter-svc": accounting.cpu_of(self.counter.pid)}

    def connections(self):
        return self.render.metric("pathcount_connections")

    def memory(self):
        return {"render-svc": accounting.memory_of(self.render.pid),
                "counter-svc": accounting.memory_of(self.counter.pid)}

    def body(self, json):
        """Requests a page, which counts a hit. Returns the body and its content type."""
        headers = dict(header.split(": ") for header in (JSON_HEADERS if json else PAGE_HEADERS))
        try:
            answer = get(self.render.address, "/bench/0000000", headers)
        except OSError as error:
            raise LoadFailed(f"render-svc did not answer: {error}") from None
        if answer.status != 200:
            raise LoadFailed(f"render-svc answered with status {answer.status}.")
        return answer.body, answer.header("content-type")

    def _totals(self):
        totals = self._ask("GET", "/v1/totals", 200)
        return {name: totals[name] for name in ("paths", "hits")}

    def count_each_path(self):
        """Sends counter-svc one hit for each path of the ledger, in large batches, so that it has
        met all of them. Returns the load."""
        lane = self._ask("POST", "/v1/lanes", 201)["lane"]
        began = time.monotonic()
        for sequence, first in enumerate(range(0, self.paths, BATCH_PATHS), 1):
            numbers = range(first, min(first + BATCH_PATHS, self.paths))
            self._ask("POST", "/v1/hits", 200, {
                "lane": lane, "sequence": sequence, "paths": [f"/bench/{i:07}" for i in numbers],
                "hits": [1] * len(numbers)})
        each = array.array("I", [1]) * self.paths
        return Load(self.paths, 1, self.paths, time.monotonic() - began, sent_by_path=each,
                    acknowledged_by_path=each)

    def _ask(self, method, target, status, body=None):
        """One call of counter-svc's API."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        try:
            answer = ask(self.counter.address, method, target, headers,
                         body and json.dumps(body).encode())
        except OSError as error:
            raise LoadFailed(f"counter-svc did not answer {target}: {error}") from None
        if answer.status != status:
            raise LoadFailed(f"counter-svc answered {target} with status {answer.status}.")
        return answer.json()


class Flask(Subject):
    """The exercise that pathcount descends from: Flask and psycopg2, served by two gunicorn
    workers, on a table whose only index is its primary key."""

    def __init__(self, stack, cluster, paths):
        ledger = cluster.ledger()
        self.port = free_port()
        ledger.run("CREATE TABLE pathcount (path TEXT PRIMARY KEY, count INT DEFAULT 0)")
        ledger.run("INSERT INTO pathcount SELECT '/bench/' || lpad(i::text, 7, '0'), 1 "
                   "FROM generate_series(0, %s - 1) AS i", paths)
        ledger.run(f"GRANT ALL ON pathcount TO {ledger.role}")
        ledger.run("VACUUM (ANALYZE) pathcount")
        self.process = subprocess.Popen(
            [*STARTER, "/usr/bin/python3", "-m", "gunicorn", "--workers", "2", "--log-level",
             "warning", "--bind", f"127.0.0.1:{self.port}", "flask_app:app"],
            cwd=os.path.join(HERE, "peers"), stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1",
                 "POSTGRES_URL": cluster.folder, "POSTGRES_PORT": str(cluster.port),
                 "POSTGRES_USER": ledger.role, "POSTGRES_DB": ledger.database})
        stack.callback(self._stop)
        until(self._answers, "gunicorn to answer")
        self.table = Table(ledger)

    def _answers(self):
        try:
            return get(("127.0.0.1", self.port), "/bench/0000000").status == 200
        except OSError as error:
            raise AssertionError("not yet") from error

    def _stop(self):
        end(self.process)

    def cpu(self):
        return {"gunicorn": accounting.cpu_of_family(self.process.pid)}


class Upserts(Subject):
    """The table that pgbench writes to; its only index is its primary key. With `like`, a pair, it
    is a copy of the pair's table, with its rows, columns and indexes, in another schema."""

    def __init__(self, cluster, paths, like=None):
        ledger = like.ledger if like else cluster.ledger()
        self.database = ledger.database
        self.schema = "peer" if like else "public"
        if like:
            ledger.run(f"CREATE SCHEMA {self.schema}")
            schema.copy(ledger, f"{self.schema}.pathcount")
        else:
            ledger.run('CREATE TABLE pathcount (path TEXT COLLATE "C" PRIMARY KEY, '
                       "count BIGINT NOT NULL)")
            ledger.run("INSERT INTO pathcount SELECT '/bench/' || lpad(i::text, 7, '0'), 1 "
                       "FROM generate_series(0, %s - 1) AS i", paths)
            ledger.run("VACUUM (ANALYZE) pathcount")
        self.table = Table(ledger, f"{self.schema}.pathcount", in_flight=False)


class RedisCounts:
    """The audit of a Redis server: its keys and their values are the paths and their counts. It has
    the methods of audit.Table."""

    def __init__(self, command_line):
        self._ask = command_line
        self.known = {}

    def settle(self):
        """redis-benchmark waits for every answer, so nothing is in flight after its end."""
        return time.monotonic()

    def audit(self, load):
        keys = [f"/bench/{i:012}" for i in range(load.paths)]
        if (stored_keys := int(self._ask("DBSIZE"))) > load.paths:
            raise Mismatch(f"Redis holds {stored_keys} keys; only {load.paths} were sent.")
        values = self._ask("MGET", *keys).split("\n")
        counts = {key: int(value or 0) for key, value in zip(keys, values)}
        stored = {key: count - self.known.get(key, 0) for key, count in counts.items()}
        self.known = counts
        if min(stored.values()) < 0 or sum(stored.values()) != load.acknowledged:
            raise Mismatch(f"Redis acknowledged {load.acknowledged} hits and stored "
                           f"{sum(stored.values())}.")
        return load.acknowledged


class Redis(Subject):
    """Debian's redis-server on a Unix socket, with an append-only file that is flushed before every
    answer (`appendfsync always`) and no snapshots."""

    DURABLE = {"appendonly": "yes", "appendfsync": "always"}

    def __init__(self, stack, folder, paths):
        place = os.path.join(folder, "redis")
        os.mkdir(place)
        self.socket = os.path.join(place, "socket")
        self.rate = CALIBRATION_REQUESTS  # requests per second of the last load
        self.process = subprocess.Popen(
            [*STARTER, "redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", place,
             "--save", "", "--logfile", os.path.join(place, "log"),
             *(word for name, value in self.DURABLE.items() for word in (f"--{name}", value))],
            cwd=place, stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin"})
        stack.callback(self._stop)
        until(self._answers, "redis-server to answer")
        for name, value in self.DURABLE.items():
            if self._ask("CONFIG", "GET", name).split("\n") != [name, value]:
                raise SystemExit(f"bench: Redis is not durable: {name} is not {value}.")
        self.table = RedisCounts(self._ask)
        self.table.audit(self.load(Target(paths), 64, 1))

    def _ask(self, *words):
        done = subprocess.run(["redis-cli", "-s", self.socket, "--raw", *words], timeout=10,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LoadFailed(f"redis-cli {words[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout.removesuffix("\n")

    def _answers(self):
        try:
            return self._ask("PING") == "PONG"
        except LoadFailed as error:
            raise AssertionError("not yet") from error

    def _stop(self):
        end(self.process)

    def load(self, target, connections, seconds):
        """Runs redis-benchmark for about so many seconds: the number of its requests follows from
        the rate of the load before."""
        done = redis_benchmark(self.socket, target, connections, int(self.rate * seconds))
        self.rate = done.rate
        return done

    def cpu(self):
        return {"Redis": accounting.cpu_of_family(self.process.pid)}


class Constant(Subject):
    """Plain libh2o with a constant body, running for the time of a block."""

    def __init__(self, body, content_type, threads):
        self._file = tempfile.NamedTemporaryFile(prefix="pathcount-bench-")
        self._file.write(body)
        self._file.flush()
        self._command = [*STARTER, os.path.join(PROGRAMS, "peers", "h2o_constant"), str(threads),
                         content_type, self._file.name]

    def __enter__(self):
        self.process = subprocess.Popen(self._command, text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._file.close()

    def cpu(self):
        return {"libh2o": accounting.cpu_of(self.process.pid)}
