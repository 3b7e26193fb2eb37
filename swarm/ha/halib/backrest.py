"""The configuration of pgBackRest: of each database server, and of the repository."""
from . import here

# QUEUE_MAX: the limit of WAL that waits for a repository that does not answer. Beyond it pgBackRest drops the
# WAL, and the next base backup begins a new chain.
BACKREST_PORT, REPOSITORY_METRICS_PORT, QUEUE_MAX = 8432, 9854, "4GiB"
STANZA = "pathcount"
KEEP_FULL = 7       # base backups to keep; older ones and their WAL are deleted
REPOSITORY = "/var/lib/pgbackrest"


def configuration(options, stanza):
    """The common options of all servers and clients. They authenticate with the key in `backup_tls`, whose
    self-signed certificate contains all their names."""
    pem = here.SECRETS / "backup_tls"
    return "\n".join([
        "[global]", f"tls-server-port={BACKREST_PORT}", f"tls-server-cert-file={pem}",
        f"tls-server-key-file={pem}", f"tls-server-ca-file={pem}",
        f"tls-server-auth=pathcount={STANZA}", f"lock-path={here.RUN}/lock", "log-level-file=off",
        "log-level-console=warn", "io-timeout=30",
        *options, f"[{STANZA}]", *stanza]) + "\n"


def tls_to(option, host):
    """The options to reach the server of another member."""
    pem = here.SECRETS / "backup_tls"
    return [f"{option}-host={host}", f"{option}-host-type=tls",
            f"{option}-host-port={BACKREST_PORT}",
            f"{option}-host-cert-file={pem}", f"{option}-host-key-file={pem}",
            f"{option}-host-ca-file={pem}", f"{option}-host-config={here.RUN}/pgbackrest.conf"]


def of_server(address):
    """The configuration of a database server, which sends WAL and fetches backups."""
    return configuration(
        [f"tls-server-address={address}", f"archive-push-queue-max={QUEUE_MAX}",
         *tls_to("repo1", "repository")],
        [f"pg1-path={here.PGDATA}", f"pg1-socket-path={here.SOCKETS}"])


def of_repository():
    """The configuration of the repository. It makes base backups of the primary."""
    stanza = []
    for number, name in enumerate(here.MEMBERS, start=1):
        stanza += [*tls_to(f"pg{number}", f"postgres-{name}"), f"pg{number}-path={here.PGDATA}",
                   f"pg{number}-socket-path={here.SOCKETS}"]
    return configuration(
        ["tls-server-address=0.0.0.0", f"repo1-path={REPOSITORY}",
         f"repo1-retention-full={KEEP_FULL}", "start-fast=y"], stanza)


def archive(config, path):
    """Makes a server send its WAL to the repository. A standby does not read WAL from there: an unreachable
    repository would delay a failover."""
    config["postgresql"]["parameters"].update({
        "archive_mode": "on",
        "archive_command": f'pgbackrest --config={path} --stanza={STANZA} archive-push "%p"',
        # The maximum loss if all three servers are lost.
        "archive_timeout": "60s",
    })
