"""What an operator relies on: each piece by the tool that an operator uses. The parts of the tests of
the running pair (tests/harness) are at hand here, too."""

import pathlib

import pytest
from harness.postgres import Cluster
from harness.stage import Stage

REPO = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster():
    """The run's PostgreSQL."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def stage(cluster, tmp_path):
    """A stage of the test's own."""
    stage = Stage(cluster, tmp_path)
    yield stage
    stage.close()
