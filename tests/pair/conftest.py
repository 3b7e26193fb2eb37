"""Fixtures: one PostgreSQL cluster for the run; a stage for each test, or for a module of them."""

import pytest

from harness.postgres import ClockedCluster, Cluster
from harness.services import SANITIZED
from harness.stage import Stage

# a failed assertion in a helper then shows its values
pytest.register_assert_rewrite(*(f"{topic}_helpers" for topic in (
    "beacon", "changes", "counter_api", "exactly_once", "history", "journal")))

# a build with a sanitizer has no sandbox, and its own malloc
collect_ignore = ["test_sandbox.py", "test_failing_allocations.py"] if SANITIZED else []


@pytest.fixture(scope="session")
def cluster():
    """The run's PostgreSQL. Only tests that use `outage` may stop it."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def clocked():
    """A PostgreSQL with its own clock. Tests set the clock."""
    cluster = ClockedCluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def outage(cluster):
    """The same cluster, for tests that stop it. It is started again after the test."""
    yield cluster
    cluster.start()


@pytest.fixture
def stage(cluster, tmp_path):
    """The test's own stage."""
    stage = Stage(cluster, tmp_path)
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def module_stage(cluster, tmp_path_factory):
    stage = Stage(cluster, tmp_path_factory.mktemp("module"))
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def pair(module_stage):
    """A running pair that the tests of a module share. Each test uses its own paths."""
    return module_stage.pair()


@pytest.fixture
def ledger(stage):
    """The test's own ledger, empty."""
    return stage.ledger()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test's report shows the end of its services' logs."""
    report = (yield).get_result()
    if report.failed:
        for name in ("stage", "module_stage"):
            if name in getattr(item, "funcargs", {}):
                report.sections.append(("log of the services", item.funcargs[name].logs()))


def pytest_make_parametrize_id(val):
    """Keeps the names of tests with long or odd values readable."""
    if isinstance(val, (str, bytes, dict)):
        text = ascii(val)[1:-1] if isinstance(val, str) else ascii(val)
        return text if len(text) <= 40 else text[:37] + "..."
    return None
