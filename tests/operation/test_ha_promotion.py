"""A planned change of the primary, and then its loss, while the third server is down. When the third server
comes back, it must follow both changes, although both are in one segment of WAL."""
import base64
import json
import shutil
import urllib.request

import pytest

from ha_members import Etcd, Server, folder_of_postgres
from harness.wait import until

FOLLOWED_S = 60


def archiving(config):
    """With --archive, PostgreSQL renames the last segment of a timeline that has ended."""
    config["postgresql"]["parameters"].update({"archive_mode": "on", "archive_command": "true"})


@pytest.fixture(name="servers")
def fixture_servers():
    folder = folder_of_postgres()
    etcd = Etcd(folder)
    servers = [Server(name, etcd, folder, archiving) for name in "abc"]
    try:
        for server, roles in zip(servers, (("master", "primary"), ("sync",), ("replica",))):
            server.start()
            server.until_role(*roles)
        yield servers
    finally:
        for server in servers:
            server.kill()
        etcd.close()
        shutil.rmtree(folder)


def switch(old, new):
    request = urllib.request.Request("http://%s:%d/switchover" % old.rest, json.dumps(
        {"leader": old.name, "candidate": new.name}).encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(b"patroni:value-of-patroni_pw").decode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    new.until_role("master", "primary")
    old.until_role("sync")


def test_a_server_follows_two_changes_of_the_primary(servers):
    first, second, third = servers
    third.kill()
    with second.role_changed() as early:    # before the promotion, as it can happen on a busy machine
        switch(first, second)
        assert early.wait(FOLLOWED_S) == 0
    assert "recovery is in progress" not in second.log()
    second.kill()
    first.until_role("master", "primary")
    third.start()
    third.until_role("replica", "sync")
    with first.connect() as connection:
        connection.execute("CREATE TABLE after_both ()")

    def has_it():
        with third.connect() as connection:
            return connection.execute("SELECT to_regclass('after_both')").fetchone()[0]

    until(has_it, f"the third server to follow: {third.log()[-1500:]}", FOLLOWED_S)
    assert third.state()["timeline"] == first.state()["timeline"] == 3
