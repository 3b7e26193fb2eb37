"""A database server: Patroni's configuration, and how a container becomes Patroni."""
import os
import shutil
import socket
import subprocess
import sys
import time

import yaml

from . import backrest, disk, here, restore

# Seconds. A primary that cannot renew its lock stops within TTL, before another server takes the lock.
# TTL must be at least LOOP_WAIT + 2 × RETRY_TIMEOUT.
TTL, LOOP_WAIT, RETRY_TIMEOUT = 16, 2, 7
# Seconds. Limit of a promotion, which replays the received WAL first.
PROMOTION_S = 60


def own_address():
    """The address of this container on the network of etcd. Patroni's API listens only there."""
    said = False
    while True:
        for name in here.MEMBERS:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.connect((f"etcd-{name}", here.CLIENT_PORT))  # sends nothing
                    return probe.getsockname()[0]
                except OSError:
                    pass
        if not said:
            here.say("waiting for DNS to resolve a member of etcd")
            said = True
        time.sleep(1)


def configuration(address):
    single_copy = os.environ.get("SINGLE_COPY", "yes")
    if single_copy not in ("yes", "no"):
        sys.exit(f"ha: SINGLE_COPY is {single_copy!r}; set it to yes or no")
    return {
        "scope": "pathcount",
        "name": here.member(),
        "restapi": {
            "listen": f"{address}:{here.REST_PORT}",
            "connect_address": f"{address}:{here.REST_PORT}",
            "authentication": {"username": "patroni", "password": here.secret("patroni_pw")},
        },
        "etcd3": {"hosts": [f"etcd-{name}:{here.CLIENT_PORT}" for name in here.MEMBERS]},
        "bootstrap": {
            "dcs": {
                "ttl": TTL,
                "loop_wait": LOOP_WAIT,
                "retry_timeout": RETRY_TIMEOUT,
                "synchronous_mode": True,
                "synchronous_mode_strict": single_copy == "no",
                "postgresql": {
                    "use_pg_rewind": True,
                    "use_slots": True,
                    "parameters": {"wal_log_hints": "on", "max_connections": 100},
                },
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            "post_bootstrap": "/usr/local/bin/ha-first",
        },
        "postgresql": {
            "listen": "0.0.0.0:5432",
            "connect_address": f"{address}:5432",
            "data_dir": here.PGDATA,
            "bin_dir": os.path.dirname(shutil.which("postgres")),
            "pgpass": str(here.RUN / "pgpass"),
            "use_unix_socket": True,
            "authentication": {
                "superuser": {"username": "postgres", "password": here.secret("postgres_pw")},
                "replication": {
                    "username": "replicator", "password": here.secret("replication_pw")},
                "rewind": {"username": "rewind", "password": here.secret("replication_pw")},
            },
            # A server that can neither continue nor be rewound is copied again.
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            "basebackup": [{"checkpoint": "fast"}],
            "callbacks": {"on_role_change": "/usr/local/bin/ha role-changed"},
            "parameters": {
                "unix_socket_directories": here.SOCKETS,
                "wal_keep_size": "128MB",
                # The primary notices the loss of a standby's host within this time.
                "wal_sender_timeout": "6s",
                "wal_receiver_timeout": "6s",
                "wal_receiver_status_interval": "2s",
                # As in stack.yml.
                "tcp_keepalives_idle": 10,
                "tcp_keepalives_interval": 5,
                "tcp_keepalives_count": 3,
                "tcp_user_timeout": 20000,
            },
            "pg_hba": [
                "local all postgres peer",
                "host replication replicator all scram-sha-256",
                "host postgres rewind all scram-sha-256",
                "host pathcount pathcount all scram-sha-256",
            ],
        },
    }


def role_changed(_action, role, _cluster):
    """Patroni's callback. A new primary ends its first segment of WAL, so that no segment has two changes
    of timeline. With archiving, PostgreSQL renames the last segment of a timeline to .partial. A standby
    that must replay two changes in one segment could no longer get it."""
    if role not in ("master", "primary"):
        return
    # Patroni may call this before the promotion is complete, and ends it when the role changes again.
    deadline = time.monotonic() + PROMOTION_S
    while not switched_wal():
        if time.monotonic() > deadline:
            sys.exit(f"ha: PostgreSQL did not start a new segment of WAL within {PROMOTION_S} s")
        time.sleep(0.2)


def switched_wal():
    """Ends the current segment of WAL; False while the server is in recovery or does not answer."""
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--username=postgres",
         "--dbname=postgres", "--command=SELECT pg_switch_wal() WHERE NOT pg_is_in_recovery()"],
        check=False, timeout=60, stdout=subprocess.PIPE, env={"PGHOST": here.SOCKETS, **os.environ})
    return done.returncode == 0 and done.stdout.strip() != b""


def become():
    here.own(os.path.dirname(here.PGDATA))
    address = own_address()
    config = configuration(address)
    if (here.SECRETS / "backup_tls").exists():
        path = here.write("pgbackrest.conf", backrest.of_server(address))
        backrest.archive(config, path)
        wanted = restore.await_turn()
        if wanted:
            restore.set_aside(wanted["id"])
            restore.begin(config, path, wanted["time"])
        here.keep_running(["pgbackrest", f"--config={path}", "server"])
    path = here.write("patroni.yml", yaml.safe_dump(config))
    here.write("address", address)
    here.write("health", f"{address} {here.REST_PORT} /liveness\n")
    disk.watch()
    os.execvp("ha-patroni", ["ha-patroni", str(path)])
