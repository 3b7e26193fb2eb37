"""The overflow row, which has the hits of paths without a row."""

import pytest
from harness.http import hit
from harness.wait import until

HITS = {"/": 40, "/blog/": 30, "/docs/start": 20, "/made-up/1": 8, "/made-up/2": 7}


@pytest.fixture
def crowded(own):
    """A pair with three paths, room for no more, and 15 hits of other paths."""
    return own(HITS, max_paths=3)


def rows(browser):
    """The table's (path, count, whether it is a link), as they are read."""
    return [tuple(row) for row in browser.run(
        "return [...document.querySelectorAll('section tbody tr')].map(({cells: [path, count]}) =>"
        " [path.textContent, Number(count.textContent), path.querySelector('a') !== null])")]


def test_the_table_has_the_overflow_row_without_a_link(either, crowded):
    either.address = crowded.address
    either.open("/-/paths")
    assert rows(either) == [("/", 40, True), ("/blog/", 30, True), ("/docs/start", 20, True),
                            ("other paths", 15, False)]
    assert "3 paths" in either.text(".count")
    assert either.complaints() == []
    assert not either.script or either.violations() == []
    either.open("/-/paths?order=path")
    assert rows(either)[0] == ("other paths", 15, False)


@pytest.mark.parametrize("width", [1280, 320])
def test_a_visit_counted_in_the_overflow_row_mentions_it(either, crowded, width):
    either.address = crowded.address
    either.look(width, 900)
    either.open("/new")
    assert either.number == 16
    assert "other paths" in either.text(".count")
    assert either.text("h1 a") == "/new"
    assert "Your visit is counted among the other paths." in either.text(".side")
    assert either.text("#v").split() == ["other", "paths", "16"]
    assert not either.shows("#since")
    assert either.wider_than_the_window() is None
    assert either.complaints() == []
    assert not either.script or either.violations() == []
    either.picture(f"other-paths-{width}")


def test_hits_of_the_overflow_row_appear_in_place(browser, crowded):
    browser.address = crowded.address
    browser.open("/new")
    browser.find("#live").click()
    until(lambda: "in place" in browser.text("#status"), "the first word of the stream")
    for path, number in (("/newer", 17), ("/newest", 18)):
        assert hit(crowded.address, path) == number
        until(lambda: rows(browser)[3] == ("other paths", number, False), "the new count")
        until(lambda: browser.number == number, "the own number")
    assert browser.complaints() == []


def test_a_new_overflow_row_is_not_announced_as_a_path(browser, own):
    pair = own({"/a": 1}, max_paths=1)
    browser.address = pair.address
    browser.open("/-/paths")
    browser.find("#live").click()
    until(lambda: "in place" in browser.text("#status"), "the first word of the stream")
    hit(pair.address, "/b")
    until(lambda: browser.number == 2, "the totals")
    assert browser.text("#status") == "following, in place"
    assert rows(browser) == [("/a", 1, True)]
