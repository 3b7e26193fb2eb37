"""Fixtures that every suite on a lab uses."""
import time

import pytest


@pytest.fixture
def prefix(request):
    """What every path of a test begins with, so that its hits can be told from others', also of
    another run on the same ledger."""
    return f"/{request.node.name.replace('[', '-').rstrip(']')}-{time.time_ns()}/"


@pytest.fixture
def note(capsys):
    """Shows a figure worth telling, whatever pytest does with the output otherwise."""
    def show(text):
        with capsys.disabled():
            print(f"\n    {text}", flush=True)
    return show
