"""What is measured: pathcount's pair of services, and the peers beside it.

Each has a `port` (those that speak HTTP), a `table` to audit (those that store), and `cpu()`, the
seconds of CPU that its processes have used so far, by name.
"""

import os
import subprocess
import tempfile

from harness.http import get
from harness.ports import free_port
from harness.postgres import Cluster
from harness.services import BUILD_DIR, Service
from harness.wait import until

import accounting
from audit import Table
from loads import HERE, JSON_HEADERS, PAGE_HEADERS, PROGRAMS, STARTER, LoadFailed


def workplace(stack):
    """A folder and a PostgreSQL as it is after its installation, until the stack's end; both on a disk,
    where /tmp may be memory."""
    tempfile.tempdir = "/var/tmp"
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pathcount-bench-"))
    cluster = Cluster(usual={})
    stack.callback(cluster.remove)
    return folder, cluster


class MeasuredService(Service):
    starter = STARTER


class Pair:
    """counter-svc and render-svc, release builds with their defaults as `make run` has them, on a
    ledger of so many paths. What differs from the defaults is in `counter_keys`, `render_keys`; the
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
        self.counter.start().until_ready()
        fill(self.ledger, paths)
        self.render = MeasuredService("render-svc", folder, {
            **(render_keys or {}), "counter_url": "http://%s:%d" % self.counter.address})
        self.render.build_dir = build_dir
        stack.callback(self.render.stop)
        self.render.start().until_ready()
        self.port = self.render.address[1]
        self.table = Table(self.ledger, has_lanes=True)

    def cpu(self):
        return {"render-svc": accounting.cpu_of(self.render.pid),
                "counter-svc": accounting.cpu_of(self.counter.pid)}

    def memory(self):
        return {"render-svc": accounting.memory_of(self.render.pid),
                "counter-svc": accounting.memory_of(self.counter.pid)}

    def body(self, json):
        """The answer to a path's next GET, which is a hit, and its type."""
        headers = dict(header.split(": ") for header in (JSON_HEADERS if json else PAGE_HEADERS))
        try:
            answer = get(self.render.address, "/bench/0000000", headers)
        except OSError as error:
            raise LoadFailed(f"no answer: {error}") from None
        if answer.status != 200:
            raise LoadFailed(f"answered {answer.status}")
        return answer.body, answer.header("content-type")


def fill(ledger, paths):
    """Loads paths into a ledger that counter-svc has made, through SQL, each with one hit; and
    leaves no work of that for later."""
    ledger.run("INSERT INTO pathcount (path, count, first_hit_at, last_hit_at) "
               "SELECT '/bench/' || lpad(i::text, 7, '0'), 1, now(), now() "
               "FROM generate_series(0, %s - 1) AS i", paths)
    ledger.run("UPDATE pathcount_lane SET paths = paths + %s, hits = hits + %s WHERE lane = 0",
               paths, paths)
    ledger.run("VACUUM (ANALYZE) pathcount")


class Flask:
    """The old exercise: Flask and psycopg2, served by two workers of gunicorn, with the table and
    the only index that it had."""

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
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu(self):
        return {"gunicorn": accounting.cpu_of_family(self.process.pid)}


class Upserts:
    """What pgbench writes to: a table with no index but its key."""

    def __init__(self, cluster, paths):
        ledger = cluster.ledger()
        self.database = ledger.database
        ledger.run('CREATE TABLE pathcount (path TEXT COLLATE "C" PRIMARY KEY, '
                   "count BIGINT NOT NULL)")
        ledger.run("INSERT INTO pathcount SELECT '/bench/' || lpad(i::text, 7, '0'), 1 "
                   "FROM generate_series(0, %s - 1) AS i", paths)
        ledger.run("VACUUM (ANALYZE) pathcount")
        self.table = Table(ledger)

    def cpu(self):
        return {}


class Constant:
    """Plain libh2o with a constant body, for the time of a block."""

    table = None

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
