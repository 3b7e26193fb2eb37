"""Helpers of test_counter_api.py and test_counter_batches.py."""

import pytest

RIGHT_LANE = "a lane of its own"  # placeholder for a lane that the test opens


@pytest.fixture(scope="module")
def counter(module_stage):
    return module_stage.counter(module_stage.ledger())


@pytest.fixture(scope="module")
def api(counter):
    return counter.api


def batch(**changes):
    """A valid batch with these changes. The value None removes a member."""
    document = {"lane": RIGHT_LANE, "sequence": 1, "paths": ["/a", "/b"], "hits": [1, 2], **changes}
    return {name: value for name, value in document.items() if value is not None}
