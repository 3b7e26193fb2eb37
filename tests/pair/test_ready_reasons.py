"""The reasons why counter-svc cannot use PostgreSQL. /ready and the log have the message of PostgreSQL or libpq,
a remedy if one is known, and no secret. (test_pooler.py tests poolers.)"""

import contextlib
import os
import pwd
import subprocess

import pytest

from harness.ports import free_port
from harness.postgres import Cluster
from harness.services import TOKEN, run
from harness.wait import until

READ_ONLY = ("PostgreSQL is read-only: the server is a standby, or default_transaction_read_only is on. "
             "Connect to the primary, or set default_transaction_read_only to off.")
GRANT = ("Grant this to the role of counter-svc, or make the role the owner of the database and of its "
         "tables.")


@pytest.fixture
def own_ledger(cluster):
    """A ledger that the test changes permanently."""
    return cluster.new_ledger()


def until_not_ready(counter, reason):
    """Waits until /ready has exactly this reason, and compares the log with it."""
    def answered():
        answer = counter.ready()
        assert (answer.status, answer.text) == (503, f"not ready: {reason}\n")
        return answer

    answer = until(answered, "the reason")
    for secret in (counter.keys["postgres_pw"], TOKEN):
        assert secret.encode() not in answer.raw
    quoted = reason.replace("\\", "\\\\").replace('"', '\\"')
    assert f'event=postgres-lost reason="{quoted}"' in counter.log()


def not_ready(stage, ledger, reason, **keys):
    counter = stage.counter(ledger, ready=False, **keys)
    until_not_ready(counter, reason)
    return counter


def failed(ledger, why, host="127.0.0.1"):
    """The message for a failed connection to the server at its usual address."""
    return f"{host} port {ledger.cluster.port}: {why}"


# --- connecting


def test_a_wrong_password(stage, ledger):
    not_ready(stage, ledger,
              failed(ledger, f'FATAL:  password authentication failed for user "{ledger.role}"'),
              postgres_pw="wrong-but-secret-password")


def test_ready_of_render_svc_refers_to_counter_svc(stage, ledger):
    counter = stage.counter(ledger, ready=False, postgres_db="nothing")
    render = stage.render(counter, ready=False)
    until(lambda: render.ready().text == "not ready: counter-svc is not ready; its /ready shows the reason\n",
          "render-svc's reason")


def test_a_missing_role(stage, ledger):
    not_ready(stage, ledger, failed(ledger, 'FATAL:  password authentication failed for user "nobody"'),
              postgres_user="nobody")


def test_a_missing_database(stage, ledger):
    not_ready(stage, ledger, failed(ledger, 'FATAL:  database "nothing" does not exist'),
              postgres_db="nothing")


def test_a_role_that_has_no_connection_left(stage, own_ledger):
    own_ledger.run(f"ALTER ROLE {own_ledger.role} CONNECTION LIMIT 0")
    not_ready(stage, own_ledger,
              failed(own_ledger, f'FATAL:  too many connections for role "{own_ledger.role}"'))


def test_a_server_that_is_down(stage, ledger):
    port = free_port()
    not_ready(stage, ledger, f"127.0.0.1 port {port}: Connection refused", postgres_url=f"127.0.0.1:{port}")


def test_a_changed_reason_is_logged_again(stage, ledger):
    """First no server listens, then one that refuses the password."""
    wire = stage.wire(ledger.cluster)
    wire.stop_listening()
    port = wire.address[1]
    counter = not_ready(stage, ledger, f"127.0.0.1 port {port}: Connection refused",
                        postgres_url=f"127.0.0.1:{port}", postgres_pw="wrong-but-secret-password")
    wire.listen_again()
    until_not_ready(counter, f"127.0.0.1 port {port}: FATAL:  password authentication failed for user "
                    f'"{ledger.role}"')


# --- TLS


@contextlib.contextmanager
def tls(cluster, folder):
    """Enables TLS in the cluster for the time of the block. The certificate for `localhost` is from the test's
    own authority (ca.pem); other.pem is another authority's."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "server.key", "-out", "server.csr", "-subj", "/O=server",
            "-addext", "subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "server.crt",
            "-copy_extensions", "copy", "-days", "2")
    for name in ("server.key", "server.crt"):
        path = os.path.join(cluster.data, name)
        with open(os.path.join(folder, name), "rb") as source, \
                open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(source.read())
        if os.geteuid() == 0:
            os.chown(path, pwd.getpwnam("postgres").pw_uid, -1)
    with cluster.setting("ssl", "on"):
        until(lambda: cluster.run("SHOW ssl").fetchone() == ("on",), "TLS")
        yield


def test_certificates(stage, ledger, tmp_path):
    def url(host, **parameters):
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{host}:{ledger.cluster.port}/?{query}"

    not_ready(stage, ledger, failed(ledger, "server does not support SSL, but SSL was required"),
              postgres_url=url("127.0.0.1", sslmode="require"))
    with tls(ledger.cluster, tmp_path):
        trusting = {"sslmode": "verify-full", "sslrootcert": tmp_path / "ca.pem"}
        missing = tmp_path / "missing.pem"
        not_ready(stage, ledger, failed(
            ledger, 'server certificate for "localhost" does not match host name "127.0.0.1"'),
                  postgres_url=url("127.0.0.1", **trusting))
        not_ready(stage, ledger, failed(
            ledger, f'root certificate file "{missing}" does not exist'),
                  postgres_url=url("127.0.0.1", sslmode="verify-full", sslrootcert=missing))
        not_ready(stage, ledger, failed(ledger, "SSL error: certificate verify failed", host="localhost"),
                  postgres_url=url("localhost", sslmode="verify-full",
                                   sslrootcert=tmp_path / "other.pem"))
        stage.counter(ledger, postgres_url=url("localhost", **trusting)).api.count({"/a": 1})


# --- a server that accepts no writes


def test_a_database_that_is_read_only(stage, ledger):
    ledger.run(f"ALTER DATABASE {ledger.database} SET default_transaction_read_only = on")
    counter = not_ready(stage, ledger, failed(ledger, READ_ONLY))
    ledger.cluster.run(f"ALTER DATABASE {ledger.database} RESET ALL")
    counter.until_ready()


def test_a_server_that_becomes_read_only(stage, ledger):
    """Its sessions stay, and their statements fail with SQLSTATE 25006."""
    counter = stage.counter(ledger)
    lane = counter.api.lane()
    with ledger.cluster.setting("default_transaction_read_only", "on"):
        until(lambda: counter.api.post(lane, 1, {"/a": 1}).status == 503, "a refused batch")
        until_not_ready(counter, failed(ledger, READ_ONLY))
        assert [event["sqlstate"] for event in counter.events("journal-failed")] == ["25006"]
        assert f'event=postgres-lost reason="{READ_ONLY}"' in counter.log()
    counter.until_ready()
    assert counter.api.post(lane, 1, {"/a": 1}).status == 200
    assert ledger.counts() == {"/a": 1}


def test_a_standby(stage):
    standby = Cluster()
    try:
        ledger = standby.new_ledger()
        standby.stop()
        path = os.path.join(standby.data, "standby.signal")
        with open(path, "w", encoding="ascii"):
            pass
        standby.start()
        counter = not_ready(stage, ledger, failed(ledger, READ_ONLY))
        standby.run("SELECT pg_promote()")
        counter.until_ready()
    finally:
        standby.remove()


# --- the database


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_wrong_encoding(stage, cluster, encoding):
    not_ready(stage, cluster.new_ledger(encoding=encoding),
              f"The encoding of the database is {encoding}, not UTF8. Use a database that was created with "
              "ENCODING 'UTF8'.")


def test_a_role_that_may_not_create_tables(stage, own_ledger):
    own_ledger.run(f"ALTER DATABASE {own_ledger.database} OWNER TO postgres")
    counter = not_ready(stage, own_ledger, "The tables of the ledger could not be made: permission denied for "
                        f"schema public. {GRANT}")
    own_ledger.run(f"GRANT CREATE ON SCHEMA public TO {own_ledger.role}")
    counter.until_ready()


def test_a_role_that_may_not_read_the_tables(stage, ledger):
    ledger.run("CREATE TABLE pathcount_schema (version INT, name TEXT, oldest_program INT)")
    not_ready(stage, ledger, "The tables of the ledger could not be made: permission denied for table "
              f"pathcount_schema. {GRANT}")


def test_a_database_without_a_schema(stage, ledger):
    ledger.run("DROP SCHEMA public")
    counter = not_ready(stage, ledger, "The tables of the ledger could not be made: no schema has been "
                        "selected to create in. Create a schema, and name it in the search_path of the role.")
    ledger.run("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
    counter.until_ready()


# --- parameters of a URI


@pytest.mark.parametrize("parameter, remedy", [
    ("pgbouncer=true", "remove it; PostgreSQL may be behind PgBouncer if that has pool_mode = session"),
    ("schema=public", "write options=-csearch_path%3DSCHEMA instead, or set search_path for the role"),
    ("prepareThreshold=0", "remove it; PostgreSQL's manual, section 34.1.2, lists the parameters")])
def test_an_unknown_parameter_is_named_at_the_start(ledger, parameter, remedy):
    url = f"postgresql://{ledger.role}:{ledger.password}@h/{ledger.database}?sslmode=prefer&{parameter}"
    done = run("counter-svc", "--check-config", env={"POSTGRES_URL": url, "COUNTER_TOKEN": TOKEN})
    assert (done.returncode, done.stderr) == (
        2, 'counter-svc: postgres_url: the URI has an unknown parameter '
           f'"{parameter.partition("=")[0]}": {remedy}\n')


def test_the_remedy_for_a_schema_works(stage, own_ledger):
    own_ledger.run(f"CREATE SCHEMA counts AUTHORIZATION {own_ledger.role}")
    uri = f"postgresql://127.0.0.1:{own_ledger.cluster.port}/?options=-csearch_path%3Dcounts"
    counter = stage.counter(own_ledger, ready=False, postgres_url=uri).until_ready()
    counter.api.count({"/a": 1})
    assert own_ledger.run("SELECT path, count FROM counts.pathcount_now") == [("/a", 1)]
