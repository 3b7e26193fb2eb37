"""Helpers of test_counter_api.py and test_counter_batches.py."""

import pytest

RIGHT_LANE = "a lane of its own"  # what stands for a lane that the test begins


@pytest.fixture(scope="module")
def counter(module_stage):
    return module_stage.counter(module_stage.ledger())


@pytest.fixture(scope="module")
def api(counter):
    return counter.api


def batch(**changes):
    """A batch that is right but for what is changed; None leaves a member out."""
    document = {"lane": RIGHT_LANE, "sequence": 1, "paths": ["/a", "/b"], "hits": [1, 2], **changes}
    return {name: value for name, value in document.items() if value is not None}
