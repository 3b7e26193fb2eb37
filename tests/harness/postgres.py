"""A private PostgreSQL cluster, and the ledgers in it.

A ledger is a database with its own role, which owns it and is no superuser. Tests read it and interfere with
it as the cluster's superuser over the Unix socket.
"""

import contextlib
import glob
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile

import psycopg

from .faultlib import Clock
from .ports import free_port
from .wait import Later, until

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "deadlock_timeout": "100ms",  # tests that make deadlocks need not wait a second for each
    "log_line_prefix": "%m [%p] %d %e ",  # with database and SQLSTATE, which tests wait for
    "log_lock_waits": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
}


# how many paths there are in the table: the overflow row, without a slash, is none
PATHS = "count(*) FILTER (WHERE path LIKE '/%')"


def programs():
    """The folder of initdb and postgres, version 15 or later."""
    folders = glob.glob("/usr/lib/postgresql/*/bin")
    if shutil.which("pg_config"):
        folders.append(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
    folders = [f for f in folders if os.access(os.path.join(f, "initdb"), os.X_OK)]
    assert folders, "PostgreSQL's server programs are not installed (postgresql-15)"

    def version(folder):
        said = subprocess.check_output([os.path.join(folder, "postgres"), "--version"], text=True)
        return int(re.search(r"(\d+)", said).group(1))

    return max(folders, key=version)


def _has_ended(pid):
    """Whether a process has ended, reaped by its parent or not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Cluster:
    """One PostgreSQL cluster in a folder of its own; the postmaster is our child. `usual` are its default
    settings; benchmarks pass none to get PostgreSQL's defaults. `environment` adds to PATH in the environment
    of its processes."""

    def __init__(self, usual=None, environment=None, **settings):
        self.folder = tempfile.mkdtemp(prefix="pathcount-pg-")
        self.data = os.path.join(self.folder, "data")
        self.log_path = os.path.join(self.folder, "log")
        self.port = free_port()
        self.settings = {**(SETTINGS if usual is None else usual), **settings}
        self._environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})}
        self._programs = programs()
        self._postmaster = None
        self._made = 0
        self._spare = []
        self._drop = ["setpriv", "--pdeathsig", "QUIT"]  # it does not outlive a killed test run
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam("postgres")
            # the services give up root's privileges and reach the socket by their group
            os.chown(self.folder, user.pw_uid, os.getegid())
            os.chmod(self.folder, 0o770)
            self._drop += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
        try:
            self._make_data()
            self.start()
        except BaseException:
            self.remove()
            raise

    def _make_data(self):
        self._run_program(
            "initdb", "--pgdata", self.data, "--username", "postgres", "--encoding", "UTF8",
            "--locale", "C.UTF-8", "--auth-local", "trust", "--auth-host", "scram-sha-256",
            "--no-sync", "--no-instructions")

    def _run_program(self, name, *arguments):
        """Runs a program of PostgreSQL to its end, as the owner of the cluster."""
        subprocess.run(self._drop + [os.path.join(self._programs, name), *arguments], check=True,
                       stdout=subprocess.DEVNULL, cwd=self.folder)

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    # --- life

    def start(self):
        """Starts the postmaster and waits until it accepts connections. Does nothing if it runs."""
        if self._postmaster is not None:
            return
        command = [os.path.join(self._programs, "postgres"), "-D", self.data, "-p", str(self.port),
                   "-k", self.folder, "-c", "listen_addresses=127.0.0.1"]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.log_path, "ab") as log:
            self._postmaster = subprocess.Popen(
                self._drop + command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env=self._environment)
        until(lambda: self.lets_in() or self._postmaster.poll() is not None,
              "PostgreSQL to start", seconds=60, pause=0.05)
        if self._postmaster.poll() is not None:
            self._postmaster = None
            raise AssertionError(f"PostgreSQL ended: {self.log()[-2000:]}")

    def lets_in(self):
        """Whether it accepts a connection."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how=signal.SIGINT):
        """Ends it by SIGINT ("fast") or SIGQUIT ("immediate", as a crash)."""
        if self._postmaster is None:
            return
        self._postmaster.send_signal(how)
        self._postmaster.wait(60)
        self._postmaster = None

    def kill(self):
        """Kills the postmaster and all its processes, like a power failure."""
        self._postmaster.send_signal(signal.SIGSTOP)  # so that it starts no more of them
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._postmaster.wait(60)
        until(lambda: all(map(_has_ended, pids)), "the killed PostgreSQL to be gone")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.data, "postmaster.pid"))
        self._postmaster = None

    @contextlib.contextmanager
    def frozen(self):
        """Freezes all its processes by SIGSTOP for the time of the block."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def pids(self):
        """The postmaster and its children."""
        postmaster = self._postmaster.pid
        with open(f"/proc/{postmaster}/task/{postmaster}/children", encoding="ascii") as file:
            return [postmaster] + [int(pid) for pid in file.read().split()]

    def remove(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self, since=0):
        with open(self.log_path, "rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    # --- as the superuser

    def connect(self, database="postgres"):
        """A connection of the superuser, autocommit. Its own commits wait for no standby."""
        return psycopg.connect(
            host=self.folder, port=self.port, user="postgres", dbname=database, autocommit=True,
            application_name="test", connect_timeout=5, options="-c synchronous_commit=local")

    def run(self, sql, *values):
        with self.connect() as connection:
            return connection.execute(sql, values or None)

    @contextlib.contextmanager
    def setting(self, name, value):
        """Changes a setting of the whole cluster for the time of the block."""
        self.run(f"ALTER SYSTEM SET {name} = '{value}'")
        self.run("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self.run(f"ALTER SYSTEM RESET {name}")
            self.run("SELECT pg_reload_conf()")

    @contextlib.contextmanager
    def without_standby(self):
        """Makes every commit wait for a missing standby, for the time of the block. It returns when commits
        do wait; a reload of the setting alone would not guarantee that."""
        with self.setting("synchronous_standby_names", "missing"):
            until(self._a_commit_waits, "commits to wait for a standby")
            yield

    def _a_commit_waits(self):
        commit = Later(self.run, "SET synchronous_commit = on;"
                                 "SELECT pg_logical_emit_message(true, 'test', '')")
        until(lambda: commit.done or self._waiting_for_standby(), "a commit to be done, or to wait")
        waits = not commit.done
        for pid, in self._waiting_for_standby():
            self.run("SELECT pg_cancel_backend(%s)", pid)
        commit.result()
        return waits

    def _waiting_for_standby(self):
        with self.connect() as connection:
            return connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchall()

    # --- ledgers

    def ledger(self):
        """An empty database and the role that owns it. Reuses a returned one if possible, because creating a
        database takes longer than most tests."""
        return self._spare.pop() if self._spare else self.new_ledger()

    def new_ledger(self, role=None, password=None, database=None, encoding="UTF8"):
        """A new ledger with its own settings, for one test."""
        self._made += 1
        role = role or f"counter_{self._made}"
        database = database or f"ledger_{self._made}"
        password = password or secrets.token_hex(12)
        literal = password.replace("'", "''")
        quoted = {name: '"%s"' % name.replace('"', '""') for name in (role, database)}
        locale = "C.UTF-8" if encoding == "UTF8" else "C"
        with self.connect() as connection:
            connection.execute(f"CREATE ROLE {quoted[role]} LOGIN PASSWORD '{literal}'")
            connection.execute(
                f"CREATE DATABASE {quoted[database]} OWNER {quoted[role]} TEMPLATE template0 "
                f"ENCODING '{encoding}' LC_COLLATE '{locale}' LC_CTYPE '{locale}'")
        return Ledger(self, role, password, database)

    def give_back(self, ledger):
        """Empties a ledger for the next test."""
        if self._postmaster is None:
            return
        ledger.destroy()
        ledger.run(f"ALTER DATABASE {ledger.database} RESET ALL")
        self._spare.append(ledger)


class ClockedCluster(Cluster):
    """A cluster that gets the time from `clock`. The services take the time of hits and histories from
    PostgreSQL, so they do not need the clock."""

    def __init__(self):
        self.clock = Clock()
        super().__init__(environment=self.clock.environment)

    def remove(self):
        super().remove()
        self.clock.remove()


class Standby(Cluster):
    """A server that replicates from `primary` under the name `name`."""

    def __init__(self, name, primary):
        self.name, self._primary = name, primary
        super().__init__()

    def _make_data(self):
        self._run_program(
            "pg_basebackup", "--pgdata", self.data, "--write-recovery-conf", "--no-sync",
            "--checkpoint", "fast", "--dbname", f"host={self._primary.folder} "
            f"port={self._primary.port} user=postgres application_name={self.name}")

    def promote(self):
        """Promotes it to a primary that waits for no standby. Does not touch the old primary."""
        self.run("ALTER SYSTEM RESET synchronous_standby_names")
        self.run("SELECT pg_reload_conf()")
        self.run("SELECT pg_promote()")


class Ledger:
    """A database for one ledger."""

    def __init__(self, cluster, role, password, database):
        self.cluster = cluster
        self.role = role
        self.password = password
        self.database = database

    @property
    def keys(self):
        """The configuration keys with which counter-svc connects to it."""
        return {"postgres_user": self.role, "postgres_pw": self.password,
                "postgres_db": self.database, "postgres_url": f"127.0.0.1:{self.cluster.port}"}

    def connect(self):
        return self.cluster.connect(self.database)

    def connect_as_owner(self):
        return psycopg.connect(
            host="127.0.0.1", port=self.cluster.port, user=self.role, password=self.password,
            dbname=self.database, autocommit=True, application_name="test")

    def run(self, sql, *values):
        """Runs a statement as the superuser and returns its rows, if it has any."""
        with self.connect() as connection:
            cursor = connection.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else None

    def value(self, sql, *values):
        return self.run(sql, *values)[0][0]

    def destroy(self):
        """Ends all connections and empties the database, as if it were new."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                 "WHERE datname = current_database() AND pid <> pg_backend_pid()")
        self.run("DROP SCHEMA public CASCADE")
        self.run("CREATE SCHEMA public AUTHORIZATION pg_database_owner")

    # --- its content

    @property
    def _counts(self):
        """The relation with all counts: the table and the unfolded entries of the journal. In a schema
        without a journal, the table alone."""
        return "pathcount_now" if self.value("SELECT to_regclass('pathcount_now')") else "pathcount"

    def counts(self):
        """path → count."""
        return dict(self.run(f"SELECT path, count FROM {self._counts}"))

    def count(self, path):
        """The count of a path; 0 when it has no row."""
        rows = self.run(f"SELECT count FROM {self._counts} WHERE path = %s", path)
        return rows[0][0] if rows else 0

    def folded(self):
        """path → count by the documented plain statement, once everything is folded."""
        self.until_folded()
        return dict(self.run("SELECT path, count FROM pathcount"))

    def until_folded(self):
        """Waits until the table has every hit. A view of the table waits for a fold, too, but not for long."""
        until(lambda: self.unfolded() == 0, "the journal to be folded")

    def unfolded(self):
        """The number of entries that are not folded yet."""
        return self.value("SELECT (SELECT max(position) FROM pathcount_journal) - position "
                          "FROM pathcount_checkpoint")

    def totals(self):
        """The totals that the ledger keeps, in the form of the API."""
        return self.totals_both_ways()[0]

    def totals_by_scanning(self):
        return self.totals_both_ways()[1]

    def totals_both_ways(self):
        """The kept totals and those of a scan, in one snapshot: after a crash, batches whose outcome their
        renderer does not know may still arrive."""
        row, = self.run(
            "WITH entry AS (SELECT * FROM pathcount_journal "
            "               WHERE position > (SELECT position FROM pathcount_checkpoint)) "
            "SELECT paths + (SELECT coalesce(sum(new_paths), 0) FROM entry), "
            "hits + (SELECT coalesce(sum(hit), 0) FROM entry, unnest(entry.hits) AS hit), "
            f"(SELECT {PATHS} FROM pathcount_now), (SELECT sum(count) FROM pathcount_now) "
            "FROM pathcount_totals")
        kept_paths, kept_hits, paths, hits = (int(number or 0) for number in row)
        return {"paths": kept_paths, "hits": kept_hits}, {"paths": paths, "hits": hits}

    def lanes(self):
        """lane → last sequence applied."""
        return dict(self.run(
            "WITH entry AS (SELECT * FROM pathcount_journal "
            "               WHERE position > (SELECT position FROM pathcount_checkpoint)) "
            "SELECT lane, max(sequence) FROM ("
            "    SELECT lane, sequence FROM pathcount_lanes "
            "    UNION ALL SELECT unnest(lanes), unnest(sequences) FROM entry "
            "    UNION ALL SELECT unnest(opened), 0 FROM entry) AS lane "
            "WHERE lane NOT IN (SELECT unnest(ended) FROM entry) GROUP BY lane"))

    def quarantine(self):
        """path → hits in the quarantine, once everything is folded."""
        self.until_folded()
        return dict(self.run("SELECT path, count FROM pathcount_quarantine"))

    # --- interfering

    def backends(self, condition="true"):
        """The process ids of the services' connections to this database that meet a condition on
        pg_stat_activity."""
        return [pid for pid, in self.run(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = "
            f"'client backend' AND application_name <> 'test' AND ({condition})", self.database)]

    def waiting_for_locks(self):
        return self.backends("state = 'active' AND wait_event_type = 'Lock'")

    def until_waiting(self, number=1):
        """Waits until this number of the services' statements wait for a lock."""
        return until(lambda: (pids := self.waiting_for_locks()) and len(pids) >= number and pids,
                     f"{number} statements to wait for a lock")

    def until_migrated(self):
        """Waits until the new indexes of the rankings exist. CREATE INDEX CONCURRENTLY waits for every open
        transaction, and until_waiting() would count it."""
        until(lambda: self.value("SELECT to_regclass('pathcount_journal') IS NULL OR EXISTS ("
                                 "SELECT FROM pg_index WHERE indisvalid AND indexrelid = "
                                 "to_regclass('pathcount_by_people'))"), "the rankings' indexes")

    @contextlib.contextmanager
    def held_appends(self, **columns):
        """Holds the journal's next position for the time of the block, or until the release() that it
        yields is called. Appends wait meanwhile and take the position afterwards. After release("COMMIT")
        they do not: it leaves an entry with these columns there."""
        self.until_migrated()
        with self.connect() as connection:
            connection.execute("BEGIN")
            self._append(connection, **columns)
            try:
                yield lambda how="ROLLBACK": connection.execute(how)
            finally:
                connection.execute("ROLLBACK")

    def append(self, **columns):
        """Appends an entry with these columns, as another counter-svc would."""
        with self.connect() as connection:
            self._append(connection, **columns)

    def end_lanes(self, *lanes):
        """Ends these lanes, by default all, as counter-svc ends silent ones."""
        self.append(ended=list(lanes or self.lanes()))

    @staticmethod
    def _append(connection, lanes=(), sequences=(), opened=(), ended=(), paths=(), hits=(), new_paths=0):
        """A service may take the position at the same time; no entry may be skipped."""
        values = [list(column) for column in (lanes, sequences, opened, ended, paths, hits)]
        until(lambda: connection.execute(
            "INSERT INTO pathcount_journal (position, id, kind, writer, lanes, sequences, opened, ended, "
            "paths, hits, new_paths) SELECT max(position) + 1, %s, 1, 0, %s::bigint[], %s::bigint[], "
            "%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s FROM pathcount_journal "
            "ON CONFLICT (position) DO NOTHING", (secrets.randbits(62), *values, new_paths)).rowcount,
              "an entry to be appended")

    def edited(self, sql, *values):
        """Changes the table as an operator may: the statement, then pathcount_edited(), in one transaction.
        The fold before it brings in the hits so far and locks the checkpoint. Without it, a fold could hold
        the checkpoint and wait for a changed row: a deadlock."""
        with self.connect() as connection, connection.transaction():
            connection.execute("SELECT pathcount_fold()")
            connection.execute(sql, values or None)
            connection.execute("SELECT pathcount_edited()")

    @contextlib.contextmanager
    def locked(self, *paths):
        """Holds the locks on the rows of `paths` for the time of the block, or until the release()
        that it yields is called. Creates missing rows with count 0 first."""
        self.until_migrated()
        self.edited("INSERT INTO pathcount (path, count) SELECT unnest(%s::text[]), 0 ON CONFLICT DO NOTHING",
                    list(paths))
        with self.connect() as connection:
            connection.execute("BEGIN")
            connection.execute(
                "SELECT 1 FROM pathcount WHERE path = ANY(%s) ORDER BY path FOR UPDATE",
                (list(paths),))
            try:
                yield lambda: connection.execute("ROLLBACK")
            finally:
                connection.execute("ROLLBACK")

    def fail_writing(self, path, sqlstate, times=None, at_commit=False):
        """Makes appends of hits of `path` fail with `sqlstate`: the first `times` of them, or all. They fail
        at once or, after returning their row, at the commit. Returns a function that returns the number of
        failures."""
        return self._fail("pathcount_journal", path, sqlstate, times, at_commit)

    def fail_folding(self, path, sqlstate, times=None, at_commit=False):
        """The same for folds: the table refuses the row of `path`."""
        return self._fail("pathcount", path, sqlstate, times, at_commit)

    def _fail(self, table, path, sqlstate, times, at_commit):
        name = "mishap_" + secrets.token_hex(4)
        limit = 2**62 if times is None else times
        self.run(f"CREATE SEQUENCE {name}")
        self._at_writing(name, table, path, at_commit, f"IF nextval('{name}') <= {limit} THEN "
                         f"RAISE EXCEPTION 'made by a test' USING ERRCODE = '{sqlstate}'; END IF;")

        def failed():
            asked, called = self.run(f"SELECT last_value, is_called FROM {name}")[0]
            return min(asked, limit) if called else 0

        return failed

    def slow_writing(self, path, seconds):
        """Makes appends of hits of `path` take this much longer."""
        self._at_writing("mishap_" + secrets.token_hex(4), "pathcount_journal", path, False,
                         f"PERFORM pg_sleep({seconds});")

    @contextlib.contextmanager
    def held_writing(self, path):
        """Makes appends of hits of `path` wait just before they write, for the time of the block or until the
        yielded release() is called."""
        key = secrets.randbits(31)
        self._at_writing("mishap_" + secrets.token_hex(4), "pathcount_journal", path, False,
                         f"PERFORM pg_advisory_xact_lock_shared({key});")
        with self.connect() as connection:
            connection.execute("SELECT pg_advisory_lock(%s::bigint)", (key,))
            yield lambda: connection.execute("SELECT pg_advisory_unlock(%s::bigint)", (key,))

    def _at_writing(self, name, table, path, at_commit, what):
        literal = path.replace("'", "''")
        paths = {"pathcount": "ARRAY[NEW.path]", "pathcount_journal": "NEW.paths"}[table]
        with self.connect() as connection:
            connection.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$"
                f"BEGIN IF '{literal}' = ANY ({paths}) THEN {what} END IF; RETURN NEW; END $$")
            when = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
            connection.execute(
                f"CREATE {'CONSTRAINT' if at_commit else ''} TRIGGER {name} "
                f"{'AFTER' if at_commit else 'BEFORE'} INSERT OR UPDATE ON {table} {when} "
                f"FOR EACH ROW EXECUTE FUNCTION {name}()")

    def forget_failures(self):
        """Removes the trigger."""
        for name, in self.run("SELECT proname FROM pg_proc WHERE proname LIKE 'mishap!_%' ESCAPE '!'"):
            self.run(f"DROP FUNCTION {name}() CASCADE")
