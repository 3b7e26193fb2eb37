"""The repository of --archive: base backups, and their metrics for Prometheus."""
import http.server
import json
import shutil
import subprocess
import sys
import threading
import time

from . import backrest, here

BACKUP_EVERY_S, RETRY_S = 24 * 3600, 60


def become():
    path = here.write("pgbackrest.conf", backrest.of_repository())
    here.keep_running(["pgbackrest", f"--config={path}", "server"])
    threading.Thread(target=keep_backed_up, daemon=True).start()
    here.write("health", f"127.0.0.1 {backrest.REPOSITORY_METRICS_PORT} /metrics\n")
    address = "0.0.0.0", backrest.REPOSITORY_METRICS_PORT
    http.server.ThreadingHTTPServer(address, Metrics).serve_forever()


def pgbackrest(*words, **options):
    return subprocess.run(
        ["pgbackrest", f"--config={here.RUN}/pgbackrest.conf", f"--stanza={backrest.STANZA}", *words],
        text=True, check=False, **options)


def known_backups():
    """The output of pgBackRest's info, as a list with one entry."""
    said = pgbackrest("--output=json", "info", stdout=subprocess.PIPE, timeout=10)
    return json.loads(said.stdout)


def last_backup(known):
    """The end of the last base backup, in seconds since 1970; 0 if there is none."""
    backups = known[0].get("backup", []) if known else []
    return max((one["timestamp"]["stop"] for one in backups if not one["error"]), default=0)


def make_base_backup():
    return all(pgbackrest(*words).returncode == 0
               for words in (("stanza-create",), ("--type=full", "backup")))


def base_backup():
    if not make_base_backup():
        sys.exit("ha: the base backup failed")
    print(pgbackrest("info", stdout=subprocess.PIPE).stdout)


def keep_backed_up():
    """Makes the first base backup as soon as there is a primary, and then one per day."""
    while True:
        try:
            age = time.time() - last_backup(known_backups())
            if age > BACKUP_EVERY_S and not make_base_backup():
                here.say(f"the base backup failed; retrying in {RETRY_S} s")
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            here.say(f"cannot read the state of pgBackRest: {error}")
        time.sleep(RETRY_S)


class Metrics(http.server.BaseHTTPRequestHandler):
    """GET /metrics."""

    timeout = 10

    def do_GET(self):  # pylint: disable=invalid-name
        try:
            text = metrics(known_backups(), shutil.disk_usage(backrest.REPOSITORY))
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            here.say(f"cannot read the state of pgBackRest: {error}")
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):  # pylint: disable=arguments-differ
        """Logs nothing: requests come every few seconds."""


def end_of_wal(name):
    """The end of a segment of WAL, in bytes like pg_current_wal_lsn. A segment has 16 MiB."""
    return (int(name[8:16], 16) << 32) + ((int(name[16:24], 16) + 1) << 24)


def metrics(known, disk):
    """The state of pgBackRest and of the disk, in Prometheus's format."""
    archives = known[0].get("archive", []) if known else []
    archived = [one["max"] for one in archives if one.get("max")]
    values = {
        "last_backup_timestamp_seconds": (
            "End of the last base backup; 0: none.", last_backup(known)),
        "archived_wal_bytes": (
            "End of the WAL in the repository; 0: none.",
            end_of_wal(archived[-1]) if archived else 0),
        "disk_free_bytes": ("Free space of the repository's disk.", disk.free),
        "disk_bytes": ("Size of the repository's disk.", disk.total),
    }
    return "".join(f"# HELP pgbackrest_{name} {text}\n# TYPE pgbackrest_{name} gauge\n"
                   f"pgbackrest_{name} {value}\n" for name, (text, value) in values.items())
