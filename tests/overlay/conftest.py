"""Makes the lab for the session, or takes the one that is up, and hands out the stack on it."""
import os
import subprocess
import time

import pytest

from harness import CLIENT_IMAGE, REPO, Stack, images, world

HOSTS = 3


@pytest.fixture(scope="session")
def lab():
    """Three hosts with the stack. One that is up already is used and left up; one made here is
    taken down at the end, and must then leave nothing behind."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("the lab needs root")
        pytest.skip("the lab needs root")
    was_up = world.recall() is not None
    made = subprocess.run([REPO / "swarm" / "lab", "up", str(HOSTS)], check=False, text=True,
                          capture_output=True, timeout=900)
    if made.returncode != 0:
        pytest.fail(made.stdout + made.stderr, pytrace=False)
    images.build(CLIENT_IMAGE, REPO / "tests" / "overlay" / "client")
    yield
    if not was_up:
        ended = subprocess.run([REPO / "swarm" / "lab", "down"], check=False, text=True,
                               capture_output=True, timeout=300)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="session")
def _stack(lab):  # pylint: disable=unused-argument
    stack = Stack(list(range(1, HOSTS + 1)))
    yield stack
    stack.stop_clients()


@pytest.fixture
def stack(_stack):
    """The stack, whatever the test before did to it: every host up and its cable plugged in."""
    for host in _stack.hosts:
        _stack.lab("revive", host)
        _stack.lab("mend", host)
    return _stack


@pytest.fixture
def prefix(request):
    """What every path of a test begins with, so that its hits can be told from others', also of
    another run on the same ledger."""
    return f"/{request.node.name.replace('[', '-').rstrip(']')}-{time.time_ns()}/"


@pytest.fixture
def note(record_property, capsys):
    """Shows a figure worth telling, whatever pytest does with the output otherwise."""
    def show(text):
        record_property("figure", text)
        with capsys.disabled():
            print(f"\n    {text}", flush=True)
    return show
