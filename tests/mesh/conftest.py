"""Makes a lab of two virtual machines with Debian's kernel, with stack.yml on it as it is."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "overlay"))

from fixtures import note  # noqa: E402,F401 (the path above comes first; pytest finds fixtures here)
from harness import Stack, made_lab  # noqa: E402
from lablib import guest  # noqa: E402

HOSTS = 2


@pytest.fixture(scope="session")
def lab():
    with made_lab("--vm", str(HOSTS)):
        yield


@pytest.fixture(scope="session")
def stack(lab):  # pylint: disable=unused-argument
    return Stack([1, 2], manager=1, patience=guest.patience())
