"""Tests of the tools and files for operators. They share tests/harness with the tests of the running pair."""

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
    """The test's own stage."""
    stage = Stage(cluster, tmp_path)
    yield stage
    stage.close()
