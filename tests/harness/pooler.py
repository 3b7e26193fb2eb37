"""PgBouncer from Debian, on loopback, before a PostgreSQL cluster."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import psycopg

from .ports import free_port
from .wait import PATIENCE_S, until

ADMIN = "pooler_admin"  # may use the pooler's console, but no database

# Debian's pgbouncer.ini with other paths. Everything else is PgBouncer's default, as in Debian: pool_mode =
# session, default_pool_size = 20, ignore_startup_parameters empty.
CONFIGURATION = """
[databases]
{databases}
[pgbouncer]
logfile = {folder}/log
pidfile = {folder}/pid
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
admin_users = {admin}
"""


class PgBouncer:
    """A running PgBouncer that accepts the roles of `ledgers`. `settings` are lines of its section
    [pgbouncer], `names` further names of databases."""

    def __init__(self, cluster, ledgers, names=None, **settings):
        self.address = ("127.0.0.1", free_port())
        self.folder = tempfile.mkdtemp(prefix="pathcount-pooler-")
        at = "host=%s port=%d" % cluster.address
        self._databases = "".join([f"{name} = {at} dbname={database}\n"
                                   for name, database in (names or {}).items()] + [f"* = {at}\n"])
        users = [(ADMIN, ADMIN)] + [(ledger.role, ledger.password) for ledger in ledgers]
        self._write("users", "".join(f'"{role}" "{password}"\n' for role, password in users))
        self.configure(**settings)
        drop = ["setpriv", "--pdeathsig", "KILL"]  # it does not outlive a killed test run
        if os.geteuid() == 0:  # it refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            drop += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
        self._process = subprocess.Popen(
            drop + ["/usr/sbin/pgbouncer", "--quiet", os.path.join(self.folder, "ini")],
            stdin=subprocess.DEVNULL, cwd="/")
        until(self._answers, "PgBouncer to answer")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE_S)
        shutil.rmtree(self.folder)

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def configure(self, **settings):
        """Writes the configuration. It applies at the start or after `reload`."""
        text = CONFIGURATION.format(databases=self._databases, folder=self.folder,
                                    listen=self.address[1], admin=ADMIN)
        self._write("ini", text + "".join(f"{name} = {value}\n" for name, value in settings.items()))

    def reload(self, **settings):
        """Changes the settings of the running pooler."""
        self.configure(**settings)
        self.ask("RELOAD")

    def _answers(self):
        assert self._process.poll() is None, f"PgBouncer ended with {self._process.returncode}"
        try:
            return self.ask("SHOW VERSION")
        except psycopg.OperationalError:
            return None

    def ask(self, command):
        """Runs a command of PgBouncer's console and returns its rows, if any, as dicts."""
        with psycopg.connect(host=self.address[0], port=self.address[1], user=ADMIN, password=ADMIN,
                             dbname="pgbouncer", autocommit=True, connect_timeout=5) as connection:
            # PgBouncer supports only the simple protocol
            cursor = psycopg.ClientCursor(connection).execute(command)
            return cursor.fetchall() if cursor.description else None

    def connect(self, ledger):
        """A client of the pooler, as the role of a ledger."""
        return psycopg.connect(
            host=self.address[0], port=self.address[1], user=ledger.role, password=ledger.password,
            dbname=ledger.database, autocommit=True, connect_timeout=5, prepare_threshold=None)
