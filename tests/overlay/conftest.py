"""Makes the lab for the session, or uses one that is up. Provides the stack on it."""
import pathlib

import pytest

from harness.fixtures import note, prefix, pytest_runtest_makereport, sort_modules  # noqa: F401 (pytest finds them)
from harness.lab import CLIENT_IMAGE, REPO, Stack, images, made_lab

HERE = pathlib.Path(__file__).parent
HOSTS = 3

# Modules ordered by the deployment that they need (Stack.shape), because a change takes half a minute.
# The first ones use the deployment of a new lab.
ORDER = ["stack_file", "lab", "one_host", "outage", "backup", "monitoring",  # renderers on the hosts' ports
         "deployments", "reach", "idle",                                    # counter-svc beside PostgreSQL
         "scale", "rotate", "roll"]                                         # as in stack.yml


def pytest_collection_modifyitems(items):
    sort_modules(items, HERE, ORDER)


@pytest.fixture(scope="session")
def lab():
    """Three hosts with the stack, and the client's image in their registry."""
    with made_lab(str(HOSTS)):
        images.build(CLIENT_IMAGE, REPO / "tests" / "overlay" / "client")
        yield


@pytest.fixture(scope="session")
def _stack(lab):  # pylint: disable=unused-argument
    stack = Stack(list(range(1, HOSTS + 1)))
    yield stack
    stack.stop_clients()


@pytest.fixture
def stack(_stack):
    """The stack, repaired after the previous test: every host runs and has its network."""
    _stack.recover()
    return _stack
