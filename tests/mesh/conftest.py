"""Makes a lab of two virtual machines with Debian's kernel, with the unchanged stack.yml on it."""
import pytest
from harness.fixtures import note  # noqa: F401 (pytest finds fixtures here)
from harness.lab import Stack, made_lab
from lablib import guest

HOSTS = 2


@pytest.fixture(scope="session")
def lab():
    with made_lab("--vm", str(HOSTS)):
        yield


@pytest.fixture(scope="session")
def stack(lab):  # pylint: disable=unused-argument
    return Stack([1, 2], manager=1, patience=guest.patience())
