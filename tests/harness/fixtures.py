"""Fixtures that every suite on a lab uses, and the order of its modules."""
import time

import pytest


@pytest.fixture
def prefix(request):
    """The prefix of every path of a test. It is unique, also across runs on the same ledger."""
    return f"/{request.node.name.replace('[', '-').rstrip(']')}-{time.time_ns()}/"


@pytest.fixture
def note(capsys):
    """Prints a figure even if pytest captures the output."""
    def show(text):
        with capsys.disabled():
            print(f"\n    {text}", flush=True)
    return show


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds to the report of a failed test what the services logged meanwhile."""
    report = (yield).get_result()
    stack = getattr(item, "funcargs", {}).get("_stack")
    if report.failed and stack and hasattr(report.longrepr, "addsection"):
        report.longrepr.addsection("warnings and errors of the services", stack.complaints(call.start))


def sort_modules(items, folder, order):
    """Sorts the tests of a folder by the topics of their modules. Those of other folders keep their places."""
    own = iter(sorted((item for item in items if item.path.parent == folder),
                      key=lambda item: order.index(item.module.__name__.removeprefix("test_"))))
    items[:] = [next(own) if item.path.parent == folder else item for item in items]
