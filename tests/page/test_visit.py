"""The page of a visit: counting, the visitor's own count and row, and changes since the last visit."""

import pytest
from conftest import BY_COUNT
from harness.http import hit
from harness.wait import until
from selenium.webdriver.common.keys import Keys


def test_each_visit_is_one_hit_and_the_page_shows_its_number(either, full):
    either.address = full.address
    path = f"/visited/{'with' if either.script else 'without'}"
    for number in (1, 2, 3):
        either.open(path)
        assert either.number == number
        assert either.text("h1 a") == path
    assert full.ledger.count(path) == 3
    assert either.driver.title == "Path Count"
    assert either.complaints() == []


def test_a_visit_counts_only_its_path(either, own):
    pair = own()
    either.address = pair.address
    either.open("/alone")
    assert pair.ledger.counts() == {"/alone": 1}


def test_only_the_visited_row_is_marked(either, full):
    either.address = full.address
    path = BY_COUNT[40][0]
    either.open(path)
    marked = either.find_all("tr[aria-current=true]")
    assert [row.find_element("css selector", "a").text for row in marked] == [path]
    assert len(either.rows) == 100
    assert not either.shows(".apart")


def test_the_visited_row_is_scrolled_to(browser, full):
    browser.address = full.address
    for width, height in ((1280, 700), (320, 640)):
        browser.look(width, height)
        browser.open(BY_COUNT[70][0])
        assert browser.is_within_view("#v")
        assert browser.is_within_view(".count")  # and the large figures stay visible


def test_the_page_is_not_scrolled_when_the_row_is_in_view(browser, full):
    browser.address = full.address
    browser.open("/about")
    assert browser.is_within_view("#v")
    assert browser.run("return scrollY") == 0


def test_without_script_a_link_leads_to_the_visited_row(either, full):
    either.address = full.address
    either.look(1280, 500)
    either.open(BY_COUNT[80][0])
    either.find("a[href='#v']").click()
    until(lambda: either.is_within_view("#v"), "the row to be in view")


def test_a_path_below_the_table_has_a_separate_row(either, full):
    either.address = full.address
    path = BY_COUNT[-1][0]
    either.open(path)
    before = either.number
    either.open(path)
    assert either.number == before + 1
    assert either.rows[-1] == (path, before + 1)
    assert either.find(".apart tr").get_attribute("aria-current") == "true"
    assert either.text("a[href='#v']").startswith("Below the first 100 of ")


def test_the_visited_row_links_to_the_paths_page(either, full):
    either.address = full.address
    path = BY_COUNT[20][0]
    either.open(path)
    assert either.find("#v a").get_attribute("href").endswith("/-/paths" + path)
    assert either.find("h1 a").get_attribute("href").endswith("/-/paths" + path)


# --- changes since the last visit


def test_the_page_shows_hits_since_the_last_visit(browser, full):
    browser.address = full.address
    browser.open("/since")
    assert not browser.shows("#since")
    for _ in range(4):
        hit(full.address, "/since")
    hit(full.address, "/elsewhere/since")
    browser.open("/since")
    assert browser.shows("#since")
    assert browser.text("#since").startswith("+5 hits since you looked a moment ago")


def test_changes_are_shown_for_each_path(browser, full):
    browser.address = full.address
    browser.open("/since/a")
    browser.open("/since/b")
    assert not browser.shows("#since")
    browser.open("/since/a")
    assert browser.text("#since").startswith("Only your own hit since you looked a moment ago")


def test_no_changes_are_shown_without_stored_counts(browser, full):
    browser.address = full.address
    browser.open("/forgotten")
    browser.forget()
    browser.open("/forgotten")
    assert not browser.shows("#since")


@pytest.mark.parametrize("memory", ["nonsense", "{}", "[1]", "[[\"/spoilt\",[1e9,0,0]]]"])
def test_no_changes_are_shown_with_corrupt_stored_counts(browser, full, memory):
    browser.address = full.address
    browser.open("/spoilt")
    browser.run("localStorage.setItem('pathcount', arguments[0])", memory)
    browser.open("/spoilt")
    assert not browser.shows("#since")
    assert browser.shows("#live")
    assert browser.complaints() == []
    browser.forget()


def test_the_page_without_scripts_has_no_parts_that_need_them(scriptless, full):
    scriptless.address = full.address
    for _ in range(2):
        scriptless.open("/plain")
    assert not scriptless.shows("#since") and not scriptless.shows("#live")


# --- by keyboard


def test_the_first_tab_offers_to_skip_to_the_content(either, full):
    either.address = full.address
    either.open("/keyboard")
    either.press(Keys.TAB)
    assert either.run("return document.activeElement.className") == "skip"
    assert either.is_within_view(".skip")
    either.press(Keys.ENTER)
    until(lambda: either.target.endswith("#main"), "the link to be followed")


def test_everything_can_be_reached_by_tab_and_shows_its_focus(either, full):
    either.address = full.address
    either.open("/keyboard/all")
    wanted = {"#main", "/-/", "/-/paths/keyboard/all", "prefix", "BUTTON", "/-/paths?order=path"}
    seen = []
    while not wanted <= set(seen) and len(seen) < 30:
        either.press(Keys.TAB)
        name, outline = either.run(
            "const e = document.activeElement, s = getComputedStyle(e);"
            "return [e.id || e.getAttribute('href') || e.tagName, s.outlineStyle + s.outlineWidth]")
        assert outline.startswith("solid") and outline != "solid0px", name
        seen.append(name)
    assert wanted <= set(seen) and ("live" in seen) == either.script, seen
