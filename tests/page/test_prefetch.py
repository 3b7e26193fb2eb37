"""What Chromium prefetches, and its requests when the user opens that page."""

import json

import pytest
from conftest import pair_on
from harness.wait import until

LINK = '<link rel="prefetch" href="{0}">'
RULES = '<script type="speculationrules">{1}</script>'
WAYS = {"link": LINK, "speculation rules": RULES}


@pytest.fixture(scope="module")
def renders(stage):
    """setting → a render-svc with it, and with an access log, on one ledger."""
    pair = pair_on(stage, {})
    counter = stage.counter(pair.ledger)
    found = {setting: stage.render(counter, prefetch=setting, access_log="true") for setting in ("count", "refuse")}
    for render in found.values():
        render.ledger = pair.ledger
    return found


def visits(render):
    """The statuses of the visits so far."""
    return [event["status"] for event in render.events("request") if event["route"] == "visit"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("setting", ["count", "refuse"])
def test_a_visit_after_a_prefetch_counts_once(browser, elsewhere, renders, setting, way):
    render, path = renders[setting], f"/{setting}/{len(way)}"
    url, before = "http://%s:%d%s" % (*render.address, path), visits(render)
    rules = json.dumps({"prefetch": [{"source": "list", "urls": [url], "eagerness": "immediate"}]})
    elsewhere.show(browser, WAYS[way].format(url, rules) + f'<p><a href="{url}">go</a>')
    ahead = "503" if setting == "refuse" else "200"
    until(lambda: visits(render) == [*before, ahead], "the page to be loaded ahead")
    assert render.ledger.count(path) == (0 if setting == "refuse" else 1)
    browser.click("a")
    assert browser.text("h1 a") == path
    if setting == "refuse":
        assert browser.number == 1
        until(lambda: visits(render) == [*before, "503", "200"], "the visit's line in the log")
        assert render.ledger.count(path) == 1
