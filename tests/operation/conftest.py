"""What an operator relies on: each piece by the tool that an operator uses. The parts of the tests of
the running pair (tests/pair/harness) are at hand here, too."""

import pathlib
import sys

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests" / "pair"))

from harness.postgres import Cluster  # noqa: E402 (the path above comes first)
from harness.stage import Stage  # noqa: E402


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
