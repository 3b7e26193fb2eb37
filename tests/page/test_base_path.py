"""The page below a base path: all links and forms stay there, with scripts and without."""

from types import SimpleNamespace

import pytest
from conftest import MANY
from harness.wait import until

BASE = "/site/hits"


@pytest.fixture(scope="module")
def below(stage):
    ledger = stage.ledger()
    counter = stage.counter(ledger)
    counter.api.count(MANY)
    return SimpleNamespace(ledger=ledger, address=stage.render(counter, base_path=BASE).address)


def test_links_and_forms_stay_below_the_base(either, below):
    either.address = below.address
    either.open(BASE + "/about")
    assert either.number == below.ledger.count("/about") > MANY["/about"]
    assert either.find("#v a").get_attribute("href").endswith(BASE + "/-/paths/about")
    for selector, target in (("header a", "/-/paths"), (".pager [rel=next]", "/-/paths?after="),
                             (".pager [rel=prev]", "/-/paths"), ("section thead a", "/-/paths?order=path"),
                             ("section tbody a", "/-/paths/"), (".one > p a", "/"),
                             ("nav[aria-label=Site] a + a", "/-/")):
        either.click(selector)
        assert either.target.startswith(BASE + target), selector
    either.open(BASE + "/-/paths")
    either.type_into("#prefix", "/section-3/")
    assert either.target == BASE + "/-/paths?prefix=%2Fsection-3%2F" and len(either.rows) == 36
    assert either.complaints() == []


def test_scripts_use_the_base(browser, below):
    browser.address = below.address
    for _ in range(2):
        browser.open(BASE + "/about")
    assert "Only your own hit since you looked" in browser.text("#since")
    browser.open(BASE + "/-/paths?prefix=/blog")
    browser.find("#live").click()
    until(lambda: "in place" in browser.text("#status"), "the first word of the stream")
    below_count = below.ledger.count("/blog/")
    browser.run("fetch(arguments[0])", BASE + "/blog/")
    until(lambda: browser.rows == [("/blog/", below_count + 1)], "the row to follow")
    browser.open(BASE + "/-/")
    origin = "http://%s:%d" % below.address
    assert f"curl '{origin}{BASE}/any/path'" in browser.text("pre code")
    assert browser.complaints() == []
