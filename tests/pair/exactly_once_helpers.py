"""Helpers of test_exactly_once*.py."""

import time

import pytest

PATIENT = {"batch_deadline_ms": 20000, "statement_timeout_ms": 20000, "lock_timeout_ms": 20000}
"""Deadlines that never expire while a test delays a batch, even on a slow machine."""


@pytest.fixture
def counter(stage, ledger):
    return stage.counter(ledger, **PATIENT)


@pytest.fixture
def api(counter):
    return counter.api


@pytest.fixture
def other(stage, ledger, counter):
    """The API of a second counter-svc on the same ledger."""
    return stage.counter(ledger, **PATIENT).api


def until_applied(post, again):
    """The answer to a batch, after any number of 503s."""
    answer = post.result()
    while answer.status == 503:
        time.sleep(0.05)
        answer = again()
    return answer
