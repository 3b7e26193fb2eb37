"""POSTGRES_URL is a host, host:port, a list of them (the one that accepts writes is used), or a URI."""

import socket
from urllib.parse import quote

import pytest

from harness.ports import free_port
from harness.postgres import Cluster
from harness.wire import Wire
from harness.services import run
from harness.wait import until


@pytest.fixture(scope="module")
def read_only():
    """A second cluster, which accepts no writes."""
    cluster = Cluster(default_transaction_read_only="on")
    yield cluster
    cluster.remove()


def mirrored(read_only, ledger):
    """The read-only cluster's address. It has this ledger's role and an empty database of its name."""
    with read_only.connect() as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"DROP DATABASE IF EXISTS {ledger.database}")
        connection.execute(f"DROP ROLE IF EXISTS {ledger.role}")
        connection.execute(f"CREATE ROLE {ledger.role} LOGIN PASSWORD '{ledger.password}'")
        connection.execute(f"CREATE DATABASE {ledger.database} OWNER {ledger.role}")
    return f"127.0.0.1:{read_only.port}"


def works(stage, ledger, url, **keys):
    """Whether a counter-svc with this POSTGRES_URL counts in this ledger."""
    counter = stage.counter(ledger, ready=False, postgres_url=url, **keys)
    counter.until_ready()
    counter.api.count({"/url": 1})
    return ledger.count("/url") == 1


def test_host_and_port(stage, ledger):
    assert works(stage, ledger, f"127.0.0.1:{ledger.cluster.port}")


def test_a_name_and_port(stage, ledger):
    assert works(stage, ledger, f"localhost:{ledger.cluster.port}")


def test_a_host_alone_means_port_5432(stage, ledger):
    for last in range(1, 20):  # any loopback address whose port is free
        try:
            wire = Wire(ledger.cluster.address, f"127.54.32.{last}", 5432)
        except OSError:
            continue
        with wire:
            assert works(stage, ledger, wire.address[0])
            assert wire.connections > 0
            return
    pytest.fail("port 5432 is taken on every loopback address")


def test_a_list_whose_first_host_is_dead(stage, ledger):
    assert works(stage, ledger, f"127.0.0.1:{free_port()},127.0.0.1:{ledger.cluster.port}")


def test_a_list_whose_first_host_has_no_address(stage, ledger):
    assert works(stage, ledger, f"nowhere.invalid:5432,127.0.0.1:{ledger.cluster.port}")


def test_a_list_whose_first_host_accepts_but_never_answers(stage, ledger):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert works(stage, ledger, f"127.0.0.1:{port},127.0.0.1:{ledger.cluster.port}")


def test_a_list_whose_first_host_is_read_only(stage, ledger, read_only):
    assert works(stage, ledger, f"{mirrored(read_only, ledger)},127.0.0.1:{ledger.cluster.port}")


def test_a_list_of_read_only_hosts_is_not_ready(stage, ledger, read_only):
    counter = stage.counter(ledger, ready=False, postgres_url=mirrored(read_only, ledger))
    until(lambda: counter.log().count("level=warning") + counter.log().count("level=error") > 0,
          "the failure to be logged")
    assert counter.ready().status == 503
    assert counter.ready().body.strip()


def test_a_list_in_which_another_host_takes_over(stage, ledger, outage, read_only):
    """The writable host becomes read-only and the other one accepts writes. counter-svc finds it."""
    other = stage.wire(("127.0.0.1", 1))  # not written yet
    here = stage.wire(ledger.cluster)
    counter = stage.counter(ledger, postgres_url="127.0.0.1:%d,127.0.0.1:%d" % (
        here.address[1], other.address[1]))
    counter.api.count({"/a": 1})
    here.target = ("127.0.0.1", int(mirrored(read_only, ledger).rpartition(":")[2]))
    other.target = ledger.cluster.address
    here.cut_all()
    lane = until(lambda: counter.is_ready() and counter.api.lane(), "the other host to be found", 5)
    assert counter.api.post(lane, 1, {"/a": 1}).json()["counts"] == [2]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_uri_is_completed_by_the_other_keys(stage, ledger, scheme):
    assert works(stage, ledger, f"{scheme}://127.0.0.1:{ledger.cluster.port}")


def test_a_uri_with_everything_in_it(stage, ledger):
    url = (f"postgresql://{ledger.role}:{ledger.password}@127.0.0.1:{ledger.cluster.port}/"
           f"{ledger.database}?application_name=by-uri")
    stage.counter(ledger, postgres_url=url)
    assert ledger.backends("application_name = 'by-uri'")


def test_a_uri_with_several_hosts(stage, ledger):
    assert works(stage, ledger, f"postgresql://127.0.0.1:{free_port()},127.0.0.1:"
                                f"{ledger.cluster.port}/{ledger.database}")


def test_a_uri_with_a_unix_socket(stage, ledger):
    ledger.run(f'GRANT ALL ON DATABASE "{ledger.database}" TO "{ledger.role}"')
    assert works(stage, ledger, f"postgresql://{quote(ledger.cluster.folder, safe='')}:"
                                f"{ledger.cluster.port}/{ledger.database}")


def test_names_and_passwords_may_hold_anything(stage):
    ledger = stage.cluster.new_ledger(role="o'role \"of\\ all", password="p'w\\ %41@/:?#&=\"é",
                          database="base of 'all' \\ @/?")
    assert works(stage, ledger, f"127.0.0.1:{ledger.cluster.port}")


@pytest.mark.parametrize("url", ["127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:65536", ",", "a,,b",
                                 "postgresql://[::1", "postgresql://h/db?nonsense=1", "mysql://h/db"])
def test_an_invalid_url_is_an_error_at_the_start(stage, ledger, url):
    keys = {key.upper(): value for key, value in ledger.keys.items()}
    done = run("counter-svc", "--check-config",
               env={**keys, "POSTGRES_URL": url, "COUNTER_TOKEN": "t"})
    assert done.returncode == 2
    assert "postgres_url" in done.stderr.lower()


def test_a_wrong_password_is_reported_without_showing_it(stage, ledger):
    counter = stage.counter(ledger, ready=False, postgres_pw="wrong-but-secret-password")
    until(lambda: "level=error" in counter.log() or "level=warning" in counter.log(), "the failure to be logged")
    assert counter.ready().status == 503
    assert "wrong-but-secret-password" not in counter.ready().text
