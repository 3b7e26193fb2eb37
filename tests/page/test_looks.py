"""Every page and state in light and dark, from 320 px to 4K: nothing overflows, axe-core and the validator of
the W3C find nothing, and a picture of each is saved."""

import json
import subprocess
from urllib.parse import quote

import pytest
from browser import ROOT
from conftest import BY_COUNT, LONG
from harness.http import ask, get
from harness.wait import until

VALIDATOR = ROOT / "build" / "npm" / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
WIDTHS = {320: 640, 768: 1024, 1280: 800, 1920: 1080}


def twice(browser, target):
    browser.open(target)
    browser.open(target)


def live(browser, target):
    browser.open(target)
    browser.find("#live").click()
    until(lambda: "in place" in browser.text("#status"), "the first word of the stream")


def copied(browser, target):
    browser.open(target)
    browser.find(".example button").click()


def left_out(browser, target):
    browser.forget_cookies()
    browser.open("/-/me")
    browser.click("form button")
    browser.open(target)


def pointed(browser, target):
    browser.open(target)
    browser.point_at(".chart:last-of-type svg")


# name → (fixture of the pair, target, function that leads to the state)
STATES = {
    "visit": ("full", BY_COUNT[1][0], twice),
    "visit-below": ("full", BY_COUNT[60][0], twice),
    "visit-apart": ("full", "/first/time/here", None),
    "visit-hidden": ("full", "/" + quote("\u202egpj.exe"), None),
    "visit-wall": ("full", "/" + "x" * 2047, None),
    "table": ("full", "/-/paths", None),
    "table-live": ("full", "/-/paths?limit=30", live),
    "table-by-path": ("full", "/-/paths?order=path&limit=30&after=/section-3", None),
    "table-search": ("full", "/-/paths?prefix=/section-4/&limit=20", None),
    "table-nothing-found": ("full", "/-/paths?prefix=/nothing", None),
    "path": ("full", "/-/paths/blog/", twice),
    "path-wall": ("full", "/-/paths/" + "x" * 2047, None),
    "table-charts": ("historic", "/-/paths", None),
    "table-period": ("historic", "/-/paths?period=7d", None),
    "table-today": ("historic", "/-/paths?period=today&order=path", None),
    "table-hours": ("historic", "/-/paths?period=24h&prefix=/&bots=exclude", None),
    "table-people": ("historic", "/-/paths?period=30d&bots=exclude", None),
    "table-period-nothing": ("historic", "/-/paths?period=today&prefix=/old", None),
    "path-charts": ("historic", "/-/paths/blog/", None),
    "path-bar": ("historic", "/-/paths/blog/", pointed),
    "history": ("historic", "/-/history", None),
    "history-hours": ("historic", "/-/paths/blog//history?unit=hour&bots=exclude", None),
    "history-never": ("historic", "/-/paths/never/history", None),
    "history-below": ("historic_below", "/site/hits/-/paths/blog//history", None),
    "table-below": ("historic_below", "/site/hits/-/paths", None),
    "table-young": ("young", "/-/paths", None),
    "path-young": ("young", "/-/paths" + quote(LONG), None),
    "history-young": ("young", "/-/paths" + quote(LONG) + "/history?unit=hour", None),
    "table-no-history": ("forgetful", "/-/paths", None),
    "path-no-history": ("forgetful", "/-/paths/blog/", None),
    "history-none": ("forgetful", "/-/history", None),
    "history-empty": ("empty", "/-/history", None),
    "api": ("full", "/-/", copied),
    "me": ("full", "/-/me", None),
    "me-left-out": ("full", "/-/me", left_out),
    "visit-left-out": ("full", BY_COUNT[1][0], left_out),
    "visit-left-out-first": ("full", "/never/counted/before", left_out),
    "empty": ("empty", "/-/paths", None),
    "error-400": ("full", "/%zz", None),
    "error-404": ("full", "/-/nothing", None),
    "error-414": ("full", "/" + "y" * 2048, None),
    "error-503": ("unreachable", "/anything", None),
}


def show(browser, request, state):
    fixture, target, lead = STATES[state]
    browser.address = request.getfixturevalue(fixture).address
    (lead or type(browser).open)(browser, target)


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_accessible_and_fits(browser, request, state):
    for dark in (False, True):
        browser.look(1280, 800, dark)
        show(browser, request, state)
        for width, height in WIDTHS.items():
            browser.look(width, height, dark)
            assert browser.wider_than_the_window() is None, width
            browser.picture(f"{state}-{width}-{'dark' if dark else 'light'}")
            if (width, dark) in ((320, False), (1280, False), (1280, True)):
                assert browser.violations() == [], (width, dark)
    browser.look(3840, 2160)
    assert browser.wider_than_the_window() is None
    assert browser.complaints() == []


def test_light_and_dark_follow_the_preference(either, full):
    either.address = full.address
    seen = []
    for dark in (False, True):
        either.look(dark=dark)
        either.open("/-/paths")
        channels = either.run("return getComputedStyle(document.body).backgroundColor")
        seen.append(sum(int(part) for part in channels.strip("rgb()").split(",")))
    assert seen[0] > 3 * 230 and seen[1] < 3 * 40


def test_a_wide_window_shows_more_than_a_narrow_one(browser, full):
    browser.address = full.address
    sizes = []
    for width in (1280, 3840):
        browser.look(width, 1000)
        browser.open("/-/paths")
        sizes.append(browser.run("return document.querySelector('section table').offsetWidth"))
    assert sizes[1] > 1.3 * sizes[0]


@pytest.mark.parametrize("width", [320, 1280])
def test_a_long_path_is_shortened_and_can_be_shown_in_full(browser, full, width):
    path = next(path for path, _ in BY_COUNT if path.startswith("/docs/reference"))
    browser.address = full.address
    browser.look(width)
    browser.open("/-/paths")
    link = browser.find("section tbody a.l")
    assert link.get_attribute("title") == path
    assert link.accessible_name == path
    first, second = link.find_elements("css selector", "span")
    assert first.get_attribute("textContent") + second.get_attribute("textContent") == path
    is_cut = "return arguments[0].scrollWidth > arguments[0].clientWidth"
    assert browser.run(is_cut, first) and not browser.run(is_cut, second)
    assert link.size["height"] < 30


def test_the_table_is_a_table_for_screen_readers(browser, full):
    browser.address = full.address
    browser.open("/-/paths")
    assert browser.find("section table").accessible_name == "Highest counts"
    assert browser.find("section tbody th").aria_role == "rowheader"
    assert browser.find("section thead th").aria_role == "columnheader"
    assert browser.find("#live").aria_role == "switch"
    assert browser.find("#prefix").accessible_name == "Paths that begin with"
    assert browser.find("form").aria_role == "search"


# --- the validator


def page_sources(request):
    """The HTML of every state, the assets and badges, each in a file of its own."""
    full = request.getfixturevalue("full")
    for state, (fixture, target, _) in STATES.items():
        answer = get(request.getfixturevalue(fixture).address, target)
        yield f"{state}.html", answer.body
    yield "error-405.html", ask(full.address, "DELETE", "/x").body
    yield "error-404-path.html", get(full.address, "/-/paths/never/counted").body
    html = get(full.address, "/-/").text
    for ending in ("css", "svg"):
        start = html.index("/-/assets/" + ("style" if ending == "css" else "icon"))
        yield f"asset.{ending}", get(full.address, html[start:html.index('"', start)]).body
    for style in ("flat", "flat-square", "plastic", "for-the-badge"):
        yield f"badge-{style}.svg", get(full.address, f"/-/badge/blog/.svg?style={style}").body


def validate(folder):
    """The errors that the validator finds, as a list of messages."""
    said = subprocess.run(
        ["java", "-jar", VALIDATOR, "--format", "json", "--stdout", "--exit-zero-always",
         "--also-check-css", "--also-check-svg", folder],
        capture_output=True, text=True, timeout=240, check=True).stdout
    return [(message["url"].rpartition("/")[2], message["message"], message.get("extract"))
            for message in json.loads(said)["messages"]
            if message["type"] != "info"]


def test_the_w3c_validator_finds_no_error(request, tmp_path):
    for name, source in page_sources(request):
        (tmp_path / name).write_bytes(source)
    assert validate(tmp_path) == []


def test_the_w3c_validator_would_find_errors(tmp_path):
    (tmp_path / "bad.html").write_text("<!DOCTYPE html><html lang=en><title>x</title><p></b>")
    (tmp_path / "bad.css").write_text("p { colour: red }")
    (tmp_path / "bad.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><nothing/></svg>')
    assert {name for name, _, _ in validate(tmp_path)} == {"bad.html", "bad.css", "bad.svg"}


def test_axe_would_find_violations(browser, full):
    browser.address = full.address
    browser.open("/-/paths")
    browser.run("document.documentElement.lang = ''; document.querySelector('h1').style.color = '#ccc'")
    assert {found.partition(":")[0] for found in browser.violations()} == {
        "html-has-lang", "color-contrast"}
