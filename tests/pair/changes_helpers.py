"""Helpers of test_changes*.py."""

import secrets
from urllib.parse import quote, urlencode

import pytest

from harness.services import ADMIN_TOKEN
from harness.wait import until

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}

# Deadlines far above the times of a slow machine.
PATIENT = dict.fromkeys(("batch_deadline_ms", "read_deadline_ms", "statement_timeout_ms", "lock_timeout_ms"), 20000)


@pytest.fixture(scope="module")
def ledger(module_stage):
    return module_stage.ledger()


@pytest.fixture(scope="module")
def counters(module_stage, ledger):
    """Two counter-svc. The second one rarely folds."""
    return [module_stage.counter(ledger, admin_token=ADMIN_TOKEN, fold_interval_ms=interval, **PATIENT)
            for interval in (100, 60000)]


@pytest.fixture
def api(counters):
    return counters[0].api


@pytest.fixture
def root():
    """The prefix of the test's paths."""
    return f"/{secrets.token_hex(4)}/"


def ask(api, kind, **request):
    """Requests a change until it is made or refused. A 503 is repeated: the change may have waited for a lock."""
    body = {"id": secrets.token_hex(8), "kind": kind, "why": "a test", **request}
    return until(lambda: (answer := api.ask("POST", "/v1/changes", body, ADMIN)).status != 503 and answer,
                 "a change to be made or refused")


def change(api, kind, **request):
    """Makes a change and returns its result."""
    answer = ask(api, kind, **request)
    assert answer.status == 200, answer.body
    return answer.json()


def refusal(api, kind, **request):
    """Requests an impossible change and returns the reason."""
    answer = ask(api, kind, **request)
    assert answer.status == 409, answer.body
    return answer.json()["detail"]


def rows(result):
    return [(row["path"], row["before"], row["after"]) for row in result["rows"]]


def audit(api, path=None, **query):
    query |= {"path": path} if path else {}
    answer = api.ask("GET", "/v1/changes?" + urlencode(query, quote_via=quote), headers=ADMIN)
    assert answer.status == 200, answer.body
    return answer.json()["changes"]


def check(ledger, counters, counts):
    """Checks these counts at every counter (0: no row), and that the kept totals agree with a scan of the table."""
    for path, count in counts.items():
        assert ledger.count(path) == count
        for counter in counters:
            assert (counter.api.get_count(path) or 0) == count
    kept, scanned = ledger.totals_both_ways()
    assert kept == scanned
    for counter in counters:
        assert counter.api.totals() == kept
