"""One world for each process that runs tests. A failed test ends it, and the next test makes another."""

import os

import pytest
import world as worlds
from strike import Strikes

_kept = {}


def _end():
    if _kept:
        _kept.pop("strikes").world.close()


@pytest.fixture(scope="session", autouse=True)
def _session():
    yield
    _end()


@pytest.fixture
def strikes(request, tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount file systems and limit memory")
    if not _kept:
        folder = tmp_path_factory.mktemp("world")
        _kept["strikes"] = Strikes(worlds.World(folder, worlds.SHORT), seed=1)
    yield _kept["strikes"]
    if request.node.report.failed:
        _end()


def pytest_collection_modifyitems(items):
    """Starts the random sequence first, because it takes longest."""
    items.sort(key=lambda item: "random" not in item.nodeid)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when == "call":
        item.report = report
        if report.failed and _kept:
            report.sections.append(("log of the services", _kept["strikes"].world.stage.logs()))
