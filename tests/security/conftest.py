"""Debian's security scanners against a running pair, on loopback."""

import pytest
from harness.postgres import Cluster
from harness.stage import Stage


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """A pair with its defaults, and a few paths in its ledger."""
    cluster = Cluster()
    stage = Stage(cluster, tmp_path_factory.mktemp("pair"))
    try:
        pair = stage.pair()
        pair.api.count({"/": 9, "/a": 3, "/b": 2, "/blog/x": 1, "/<b>&\"'": 1})
        yield pair
        stage.close()  # the stage checks the promises of the services
    finally:
        stage.close()
        cluster.remove()
