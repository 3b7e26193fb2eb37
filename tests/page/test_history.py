"""History on the page: charts are tables for screen readers, and show their numbers to a pointer."""

import pytest
from harness.wait import until


@pytest.mark.parametrize("target", ["/-/paths", "/-/paths/blog/", "/-/history"])
def test_a_chart_is_a_table_for_screen_readers(either, historic, target):
    either.address = historic.address
    either.open(target)
    table = either.find(".chart:last-of-type .data")
    assert table.accessible_name == either.find(".chart:last-of-type h2").text
    rows = either.find_all(".chart:last-of-type .data tbody tr")
    assert len(rows) == 30
    day, hits, bots = (cell.get_attribute("textContent") for cell in rows[-1].find_elements("css selector", "th, td"))
    assert day == f"{historic.now:%Y-%m-%d}" and int(hits) >= int(bots) >= 0
    assert rows[-1].find_element("css selector", "th").aria_role == "rowheader"
    assert either.find(".chart svg").get_attribute("aria-hidden") == "true"


def test_the_tooltip_of_a_bar_has_its_numbers(browser, historic):
    browser.address = historic.address
    browser.open("/-/paths/blog/")
    ends = browser.text(".chart:last-of-type .axis")
    browser.point_at(".chart:last-of-type svg")
    said = until(lambda: (text := browser.text(".chart:last-of-type .axis")) != ends and text, "the bar's numbers")
    rows = [[cell.get_attribute("textContent") for cell in row.find_elements("css selector", "th, td")]
            for row in browser.find_all(".chart:last-of-type .data tbody tr")]
    assert said in [f"{day}: hits {hits}, by bots {bots}" for day, hits, bots in rows[14:16]]
    assert len(browser.find_all(".chart:last-of-type .at")) == 1
    browser.picture("path-bar-pointed")
    browser.point_at("h1")
    until(lambda: browser.text(".chart:last-of-type .axis") == ends, "the days at the ends")
    assert browser.find_all(".chart .at") == []
    assert browser.complaints() == []


def test_periods_and_bots_are_links(either, historic):
    either.address = historic.address
    either.open("/-/paths")
    assert either.text(".periods [aria-current]") == "All"
    either.click(".periods a:nth-of-type(4)")
    assert either.target == "/-/paths?period=7d" and either.text("h1") == "Last 7 days"
    either.click(".note a")
    assert either.target == "/-/paths?period=7d&bots=exclude"
    assert either.text(".count span").startswith("hits by people since ")
    either.type_into("#prefix", "/about")
    assert "period=7d" in either.target and "bots=exclude" in either.target
    either.click("thead a")
    assert "period=7d" in either.target and "order=path" in either.target


def test_a_history_of_other_days_can_be_chosen(either, historic):
    either.address = historic.address
    either.open("/-/paths/about")
    either.click('a[href$="/history"]')
    assert either.text("h1").splitlines() == ["History of", "/about"]
    either.run("document.querySelector('#unit').value = 'hour'") if either.script else None
    either.click("form.span button")
    assert ("unit=hour" in either.target) == either.script
    assert either.text("#history") == ("Hour by hour" if either.script else "Day by day")
