"""The live switch: hits of other clients appear in place."""

import pytest
from conftest import BY_COUNT
from harness.http import hit
from harness.wait import holds_for, until
from selenium.webdriver.common.keys import Keys


def count_of(browser, path):
    return dict(browser.rows)[path]


def turn_on(browser):
    browser.find("#live").click()
    until(lambda: "in place" in browser.text("#status"), "the first word of the stream")


@pytest.mark.parametrize("start", ["/following", "/-/paths", "/-/paths?prefix=/section"])
def test_hits_of_others_appear_in_place(browser, full, start):
    browser.address = full.address
    browser.open(start)
    path = BY_COUNT[30][0]
    before = browser.rows
    assert browser.find("#live").get_attribute("aria-checked") == "false"
    turn_on(browser)
    assert browser.find("#live").get_attribute("aria-checked") == "true"
    for _ in range(3):
        number = hit(full.address, path)
        until(lambda: count_of(browser, path) == number, "the new count")
    assert [path for path, _ in browser.rows] == [path for path, _ in before]
    assert browser.complaints() == []


def test_the_totals_and_the_own_count_follow(browser, full):
    browser.address = full.address
    browser.open("/about")
    turn_on(browser)
    number = hit(full.address, "/about")
    until(lambda: browser.number == number, "the own number")
    until(lambda: f"{full.api.totals()['hits']:,} hits" in browser.text(".totals"), "the totals")
    browser.open("/-/paths")
    turn_on(browser)
    before = browser.number
    hit(full.address, "/about")
    until(lambda: browser.number > before, "the totals")


def test_the_scroll_position_is_kept(browser, full):
    browser.address = full.address
    browser.look(1280, 500)
    browser.open("/-/paths")
    turn_on(browser)
    link = browser.find("section tbody tr:nth-child(50) a")
    browser.run("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", link)
    place = browser.run("return scrollY")
    number = hit(full.address, "/about")
    until(lambda: count_of(browser, "/about") == number, "the new count")
    assert browser.run("return scrollY") == place
    assert browser.run("return document.activeElement === arguments[0]", link)


def test_changed_rows_are_highlighted_unless_motion_is_reduced(browser, full):
    browser.address = full.address
    for still in (False, True):
        browser.look(still=still)
        browser.open("/-/paths")
        turn_on(browser)
        number = hit(full.address, "/blog/")
        until(lambda: count_of(browser, "/blog/") == number, "the new count")
        animation = browser.run("return getComputedStyle(document.querySelector('.hot'))"
                                ".animationName")
        assert animation == ("none" if still else "hot")


def test_the_bars_change_with_the_counts(browser, own):
    pair = own({"/first": 10, "/second": 9})
    browser.address = pair.address
    browser.open("/-/paths")
    bars = "return [...document.querySelectorAll('section tbody th')].map(th => th.className)"
    assert browser.run(bars) == ["b99", "b89"]
    turn_on(browser)
    pair.api.count({"/second": 11})
    until(lambda: browser.run(bars) == ["b49", "b99"], "the bars")


def test_new_paths_are_announced(browser, own):
    pair = own({"/first": 10})
    browser.address = pair.address
    browser.open("/-/paths")
    turn_on(browser)
    pair.api.count({"/new": 5})
    until(lambda: "1 new path not shown" in browser.text("#status"), "the message")
    assert browser.rows == [("/first", 10)]


def test_nothing_changes_after_switching_off(browser, full):
    browser.address = full.address
    browser.open("/-/paths")
    turn_on(browser)
    browser.find("#live").click()
    assert browser.find("#live").get_attribute("aria-checked") == "false"
    before = count_of(browser, "/about")
    hit(full.address, "/about")
    assert holds_for(lambda: count_of(browser, "/about") == before, 1.5)


def test_the_switch_works_by_keyboard(browser, full):
    browser.address = full.address
    browser.open("/-/paths")
    browser.run("document.querySelector('#live').focus()")
    browser.press(Keys.SPACE)
    until(lambda: "in place" in browser.text("#status"), "the first word of the stream")
    browser.press(Keys.ENTER)
    assert browser.find("#live").get_attribute("aria-checked") == "false"


def test_the_live_page_continues_after_an_outage(browser, own, stage):
    pair = own(dict(BY_COUNT[:5]))
    browser.address = pair.address
    browser.open("/-/paths")
    turn_on(browser)
    pair.render.stop()
    until(lambda: "trying again" in browser.text("#status"), "the loss to be noticed")
    pair.render.restart()
    path = browser.rows[0][0]
    number = hit(pair.render.address, path)
    until(lambda: count_of(browser, path) == number, "the new count", 30)
    browser.complaints()  # about the refused connection
