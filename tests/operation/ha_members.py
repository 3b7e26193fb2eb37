"""etcd and database servers under Patroni on loopback, from Debian's packages, with the configuration of
swarm/ha/halib."""
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

import psycopg
import yaml

from harness.ports import free_port
from harness.postgres import programs
from harness.services import ROOT
from harness.wait import until

sys.dont_write_bytecode = True

HA = os.path.join(ROOT, "swarm", "ha")
STARTED_S = 90      # until a server runs, on a busy machine


def load(name):
    """Loads a program of swarm/ha as a module. It gets its own copy of halib's modules, because tests patch them."""
    for known in [one for one in sys.modules if one.partition(".")[0] == "halib"]:
        del sys.modules[known]
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(HA, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    for part in ("here", "backrest", "cluster", "disk"):
        setattr(module, part, sys.modules.get(f"halib.{part}"))
    return module


def as_postgres():
    """The prefix of a command that runs as postgres instead of root, and ends with the test run."""
    command = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        command += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
    return command


def folder_of_postgres():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pathcount-ha-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        os.chmod(folder, 0o755)
    return folder


class Etcd:
    """An etcd cluster of one member."""

    def __init__(self, folder):
        self.client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        with open(folder / "etcd.log", "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "etcd", "--name=one", f"--data-dir={folder / 'etcd'}",
                 f"--listen-client-urls={self.client}", f"--advertise-client-urls={self.client}",
                 f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
                 f"--initial-cluster=one={peer}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self.run("endpoint", "health") is not None, "etcd")

    @property
    def address(self):
        host, _, port = self.client.removeprefix("http://").partition(":")
        return host, int(port)

    def run(self, *words):
        done = subprocess.run(["etcdctl", f"--endpoints={self.client}", *words], check=False, text=True,
                              capture_output=True, env={**os.environ, "ETCDCTL_API": "3"}, timeout=20)
        return done.stdout.strip() if done.returncode == 0 else None

    def close(self):
        self.process.kill()
        self.process.wait()


class Server:
    """A database server under Patroni: swarm/ha/halib's configuration, with this machine's ports and folders.
    `change(config)` may change the configuration before it is written."""

    def __init__(self, name, etcd, folder, change=lambda config: None):
        self.name, self.folder = name, folder / name
        self.port, self.rest = free_port(), ("127.0.0.1", free_port())
        self.folder.mkdir()
        secrets = self.folder / "secrets"
        secrets.mkdir()
        for secret in ("postgres_pw", "replication_pw", "patroni_pw"):
            (secrets / secret).write_text(f"value-of-{secret}\n")
        config = self._configuration(etcd, secrets)
        change(config)
        for name in ("patroni.yml", "first.yml"):
            (self.folder / name).write_text(yaml.safe_dump(config))
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, "postgres", "postgres")
        self.process = None

    def _configuration(self, etcd, secrets):
        program = load("ha")
        program.here.SECRETS, program.here.member = secrets, lambda: self.name
        program.postgres.shutil.which = lambda name, which=shutil.which: (
            os.path.join(programs(), "postgres") if name == "postgres" else which(name))
        config = program.postgres.configuration("127.0.0.1")
        address = f"127.0.0.1:{self.rest[1]}"
        config["restapi"].update(listen=address, connect_address=address)
        config["etcd3"]["hosts"] = [etcd.client.removeprefix("http://")]
        config["bootstrap"]["dcs"]["loop_wait"] = 1
        del config["bootstrap"]["post_bootstrap"]
        postgresql = config["postgresql"]
        postgresql.update(listen=f"127.0.0.1:{self.port}", connect_address=f"127.0.0.1:{self.port}",
                          data_dir=str(self.data), pgpass=str(self.folder / "pgpass"))
        postgresql["parameters"].update(unix_socket_directories=str(self.folder), shared_buffers="32MB")
        postgresql["pg_hba"][0] = "local all all trust"
        assert postgresql["callbacks"] == {"on_role_change": "/usr/local/bin/ha role-changed"}
        postgresql["callbacks"]["on_role_change"] = f"{os.path.join(HA, 'ha')} role-changed"
        return config

    @property
    def data(self):
        return self.folder / "data"

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*as_postgres(), os.path.join(HA, "ha-patroni"), str(self.folder / "patroni.yml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                env={**os.environ, "PGHOST": str(self.folder), "PGPORT": str(self.port),
                     "PYTHONDONTWRITEBYTECODE": "1"})

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def state(self):
        """Patroni's state; {} while it does not answer."""
        try:
            with urllib.request.urlopen("http://%s:%d/patroni" % self.rest, timeout=5) as answer:
                return json.load(answer)
        except OSError as error:
            return json.loads(error.read()) if hasattr(error, "read") else {}

    def role_changed(self):
        """Starts the callback of Patroni that tells a server that it is the primary."""
        return subprocess.Popen([os.path.join(HA, "ha"), "role-changed", "on_role_change", "master", "pathcount"],
                                stdin=subprocess.DEVNULL, env={**os.environ, "PGHOST": str(self.folder),
                                                               "PGPORT": str(self.port)})

    def until_role(self, *roles):
        """`sync` stands for a synchronous standby."""
        def has_role():
            assert self.process.poll() is None, self.log()[-3000:]
            state = self.state()
            role = "sync" if state.get("sync_standby") else state.get("role")
            return state.get("state") == "running" and role in roles
        until(has_role, f"server {self.name} to be {roles}: {self.log()[-2000:]}", STARTED_S, pause=0.2)

    def connect(self, database="postgres"):
        return psycopg.connect(host=str(self.folder), port=self.port, user="postgres", dbname=database,
                               autocommit=True)

    def kill(self):
        """Kills Patroni, the postmaster and its processes, like a power failure."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            postmaster = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            kill_family(postmaster)


def kill_family(pid):
    """Kills a process and its children. Stops the parent first, so that it starts no more."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    with contextlib.suppress(FileNotFoundError):
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: has_ended(pid), f"process {pid} to end")


def has_ended(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Archive:
    """A repository, and pgBackRest's server beside each database server, with the configuration and the
    certificate of the stack, except for names, ports and folders. `programs` has swarm/ha/ha as each
    container runs it."""

    def __init__(self, folder, etcd, names):
        self.folder, self.names = folder, names
        self.ports = {name: free_port() for name in ("repository", *names)}
        tls = folder / "tls"
        tls.mkdir()
        (tls / "backup_tls").write_text(subprocess.run(
            ["bash", "-c", f". {ROOT}/swarm/common.sh && certificate localhost"], check=True,
            stdout=subprocess.PIPE, text=True).stdout)
        (tls / "backup_tls").chmod(0o400)
        (folder / "repository").mkdir()
        self.programs = {name: self._program(name, etcd) for name in self.ports}
        self.servers = [self._server(name, etcd) for name in names]
        program = self.programs["repository"]
        self._write("repository", "\n".join(
            self._of_this_machine(line) for line in program.backrest.of_repository().split("\n")))
        if os.geteuid() == 0:
            for path in (tls, tls / "backup_tls", folder / "repository"):
                shutil.chown(path, "postgres", "postgres")
        self._processes = [subprocess.Popen(
            [*as_postgres(), "pgbackrest", f"--config={self._config(name)}", "server"],
            stdin=subprocess.DEVNULL, cwd=folder) for name in self.ports]

    def _config(self, name):
        return self.folder / f"run-{name}" / "pgbackrest.conf"

    def _write(self, name, text):
        self._config(name).write_text(text)
        if os.geteuid() == 0:
            for path in (self._config(name).parent, self._config(name)):
                shutil.chown(path, "postgres", "postgres")

    def _program(self, name, etcd):
        program = load("ha")
        here, backrest = program.here, program.backrest
        here.SECRETS, here.RUN = self.folder / "tls", self.folder / f"run-{name}"
        here.RUN.mkdir()
        here.PGDATA, here.SOCKETS = str(self.folder / name / "data"), str(self.folder / name)
        here.MEMBERS, here.member = self.names, lambda: name
        backrest.REPOSITORY, backrest.BACKREST_PORT = self.folder / "repository", self.ports[name]
        backrest.tls_to = self._tls_to(backrest.tls_to)
        program.etcd.etcdctl = lambda _, *words: json.loads(etcd.run("--write-out=json", *words) or "null")
        program.repository.pgbackrest = lambda *words, **options: subprocess.run(
            [*as_postgres(), "pgbackrest", f"--config={self._config(name)}", f"--stanza={backrest.STANZA}",
             *words], text=True, check=False, cwd=self.folder, **options)
        return program

    def _tls_to(self, original):
        def tls_to(option, host):
            other = host.removeprefix("postgres-")
            changed = {f"{option}-host": "localhost", f"{option}-host-port": self.ports[other],
                       f"{option}-host-config": self._config(other)}
            lines = dict(line.split("=", 1) for line in original(option, host))
            assert changed.keys() <= lines.keys()
            return [f"{key}={value}" for key, value in (lines | changed).items()]
        return tls_to

    def _server(self, name, etcd):
        program = self.programs[name]
        server = Server(name, etcd, self.folder, lambda config: program.backrest.archive(config, self._config(name)))
        self._write(name, program.backrest.of_server("127.0.0.1") + f"pg1-port={server.port}\n")
        return server

    def _of_this_machine(self, line):
        """Adapts a line of the repository's configuration to this machine, where each server has its own
        folder and port."""
        key, _, value = line.partition("=")
        which = {f"pg{number}": server for number, server in enumerate(self.servers, start=1)}
        server = which.get(key.partition("-")[0])
        if server and key.endswith("-socket-path"):
            return f"{key}={server.folder}\n{key.replace('socket-path', 'port')}={server.port}"
        return f"{key}={server.data}" if server and key.endswith("-path") else line

    def begin_restored(self, server):
        """Does the steps of a starting container before it becomes Patroni, except the last one, which runs
        programs by their paths in the container."""
        program = self.programs[server.name]
        wanted = program.restore.await_turn()
        program.restore.set_aside(wanted["id"])
        config = yaml.safe_load((server.folder / "first.yml").read_text())
        program.restore.begin(config, self._config(server.name), wanted["time"])
        assert config["bootstrap"].pop("post_bootstrap") == "/usr/local/bin/ha restored"
        (server.folder / "patroni.yml").write_text(yaml.safe_dump(config))
        server.start()
        # Patroni restarts PostgreSQL once more before it takes the lock.
        until(program.etcd.lock_owner, f"server {server.name} to take the lock", STARTED_S)
        server.until_role("master", "primary")

    def close(self):
        for server in self.servers:
            server.kill()
        for process in self._processes:
            process.terminate()
            process.wait(20)
