"""Excluding one's own visits in a browser: with scripts and without, and on pages of other sites."""

import pytest
from conftest import pair_on
from harness.wait import until


@pytest.fixture(scope="module")
def pair(stage):
    return pair_on(stage, {"/counted": 7})


def test_buttons_exclude_this_browser_and_count_it_again(either, pair):
    either.address = pair.address
    before = pair.ledger.count("/counted")
    either.open("/-/me")
    assert either.text("h1") == "Your visits are counted"
    either.click("form button")
    assert either.text("h1") == "Your visits are not counted" and either.target == "/-/me"
    either.open("/counted")
    assert either.number == before and "not counted" in either.text("main")
    either.click("main p a[href='/-/me']")
    either.click("form button")
    assert either.text("h1") == "Your visits are counted"
    either.open("/counted")
    assert either.number == before + 1 == pair.ledger.count("/counted")
    assert either.complaints() == []


SHOW = '<img src="http://%s:%d/-/hit/counted.svg" alt="">'


def test_images_on_pages_of_the_same_site_are_excluded_too(browser, elsewhere, pair):
    browser.address = pair.address
    browser.open("/-/me")
    browser.click("form button")
    before = pair.ledger.count("/counted")
    elsewhere.show(browser, SHOW % pair.address)  # another port: another origin of the same site
    until(lambda: browser.run("return document.images[0].complete && document.images[0].naturalWidth > 0"), "the badge")
    assert pair.ledger.count("/counted") == before


def test_a_page_of_another_origin_cannot_exclude_a_browser(browser, elsewhere, pair):
    url = "http://%s:%d/-/me?counted=no" % pair.address
    elsewhere.show(browser, f'<form method="post" action="{url}"><button>win</button></form>')
    browser.click("button")
    assert "403" in browser.text("h1")
    browser.address = pair.address
    browser.open("/-/me")
    assert browser.text("h1") == "Your visits are counted"
