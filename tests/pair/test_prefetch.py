"""Prefetched pages are counted like others, or refused if so configured."""

import pytest

from harness.face import Face
from harness.http import JSON, ask, get, hit

AHEAD = [{"Sec-Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"},
         {"Sec-Purpose": "prefetch;anonymous-client-ip"},
         {"sec-purpose": "Prefetch"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}, {"X-Purpose": "preview"}]
OTHERS = [{}, {"Sec-Purpose": "other"}, {"Sec-Purpose": "prefetcher"}, {"Purpose": ""}, {"X-Purpose": "prefetch"},
          {"Sec-Fetch-Dest": "document"}]


@pytest.fixture(scope="module")
def refusing(module_stage):
    return module_stage.pair(render_keys={"prefetch": "refuse"})


@pytest.mark.parametrize("headers", AHEAD)
def test_a_prefetch_is_refused_and_not_counted(refusing, headers):
    before = refusing.ledger.totals()
    for method, target in (("GET", "/ahead"), ("GET", "/-/hit/ahead.svg"), ("GET", "/-/hit/ahead.gif"),
                           ("POST", "/-/hit/ahead")):
        answer = Face(refusing.address).ask(method, target, {**JSON, **headers})
        assert answer.status == 503 and answer.header("cache-control") == "no-store", target
        assert "Prefetches are refused" in answer.json()["detail"]
    assert get(refusing.address, "/ahead", headers).status == 503
    assert refusing.ledger.totals() == before


@pytest.mark.parametrize("headers", OTHERS)
def test_other_requests_are_counted(refusing, headers):
    before = refusing.ledger.count("/visited")
    assert get(refusing.address, "/visited", headers).status == 200
    assert refusing.ledger.count("/visited") == before + 1


def test_prefetches_that_count_nothing_are_served(refusing):
    for target in ("/-/paths", "/-/", "/-/badge/a.svg", "/-/openapi.yml"):
        assert get(refusing.address, target, AHEAD[0]).status == 200
    assert ask(refusing.address, "HEAD", "/ahead", AHEAD[0]).status == 200


def test_by_default_every_get_counts(pair):
    assert [hit(pair.address, "/counted")] + [
        get(pair.address, "/counted", {**JSON, **headers}).json()["count"] for headers in AHEAD] == list(range(1, 9))
