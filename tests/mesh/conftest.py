"""Makes a lab of two virtual machines with Debian's kernel, with stack.yml on it as it is."""
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "overlay"))

from harness import REPO, Stack, world  # noqa: E402 (the path above comes first)
from lablib import guest  # noqa: E402

HOSTS = 2


@pytest.fixture(scope="session")
def lab():
    """One that is up already is used and left up; one made here is taken down at the end, and must
    then leave nothing behind."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("the lab needs root")
        pytest.skip("the lab needs root")
    was_up = world.recall() is not None
    made = subprocess.run([REPO / "swarm" / "lab", "up", "--vm", str(HOSTS)], check=False,
                          text=True, capture_output=True, timeout=1800)
    if made.returncode != 0:
        pytest.fail(made.stdout + made.stderr, pytrace=False)
    print(made.stdout)
    yield
    if not was_up:
        ended = subprocess.run([REPO / "swarm" / "lab", "down"], check=False, text=True,
                               capture_output=True, timeout=300)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="session")
def stack(lab):  # pylint: disable=unused-argument
    return Stack([1, 2], manager=1, patience=guest.patience())


@pytest.fixture
def note(capsys):
    def show(text):
        with capsys.disabled():
            print(f"\n    {text}", flush=True)
    return show
