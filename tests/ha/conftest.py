"""Makes a lab of three managers with a database server each, and two workers, or extends the lab of the session's
earlier tests. Provides the stack on it."""
import contextlib
import os
import pathlib

import pytest

from commits import Commits
from harness.fixtures import note, prefix, pytest_runtest_makereport, sort_modules  # noqa: F401 (pytest finds them)
from harness.lab import (CLIENT_IMAGE, REPO, Stack, docker, images, is_own_lab, made_lab, remove_volume, watching,
                         world)
from members import LOAD_HOST, HaStack

HERE = pathlib.Path(__file__).parent
HOSTS = 5

# Hosts that were cut off come last: afterwards Swarm lists them as down for up to a minute.
ORDER = ["failover", "members", "migration", "recovery", "upkeep", "disks", "cuts", "primary_cut_off"]

# Long tests, which run only with HA=long.
collect_ignore = [] if os.environ.get("HA") == "long" else ["test_cuts.py", "test_disks.py", "test_upkeep.py"]


def pytest_collection_modifyitems(items):
    sort_modules(items, HERE, ORDER)


def remove_stack():
    """Removes the stack of earlier tests with everything that it stores, so that one with three database servers can
    begin empty."""
    hosts = world.recall()["hosts"]
    stack = Stack(hosts)
    stack.recover()
    stack.stop_clients()
    stack.command("remove", "--secrets")
    for node in stack.function("labelled", "pathcount.ledger=true").split():
        stack.swarm("node", "update", "--label-rm", "pathcount.ledger", node)
    for host in hosts:
        for volume in docker(host, "volume", "ls", "--quiet", "--filter",
                             f"label=com.docker.stack.namespace={world.STACK}").split():
            remove_volume(host, volume)


@pytest.fixture(scope="session")
def lab():
    if is_own_lab():
        remove_stack()
    with made_lab(str(HOSTS), "--ha"):
        images.build(CLIENT_IMAGE, REPO / "tests" / "overlay" / "client")
        yield


@pytest.fixture(scope="session")
def _stack(lab):  # pylint: disable=unused-argument
    stack = HaStack(list(range(1, HOSTS + 1)))
    stack.start_client(host=LOAD_HOST)
    yield stack
    stack.stop_clients()


@pytest.fixture
def stack(_stack):
    """The stack, repaired after the previous test: every host up, three servers, a synchronous standby."""
    _stack.recover()
    return _stack


@pytest.fixture(scope="session")
def commits(_stack):
    """Commits at each server, for the whole session. They end with the check that no two servers
    confirmed commits at the same time."""
    commits = Commits(_stack)
    yield commits
    commits.stop()
    commits.check()


@pytest.fixture
def under_load(stack, commits, prefix):  # pylint: disable=unused-argument
    """A context: a load, and a watch of the page at each of these hosts."""
    @contextlib.contextmanager
    def running(hosts):
        load = stack.load_inside(prefix)
        try:
            with watching(hosts, prefix) as watches:
                stack.running_under_load(prefix)
                yield load, watches
        finally:
            load.end()
    return running
