"""Pages of another origin send hits and show badges. Every way that a browser has counts once, and no way is
reported as a failure to the page after it was counted."""

import html
import re

import pytest
from conftest import pair_on
from harness.http import get, hit
from harness.wait import until
from selenium.common.exceptions import NoSuchFrameException, NoSuchWindowException


@pytest.fixture(scope="module")
def pair(stage):
    return pair_on(stage, {})


def origin(pair):
    return "http://%s:%d" % pair.address


# --- requests that scripts make

FETCH = """
const [url, method, credentials, kind, done] = arguments;
const bodies = {
  none: () => ({}),
  text: () => ({body: 'read'}),
  form: () => { const body = new FormData(); body.append('a', 'b'); return {body}; },
  parameters: () => ({body: new URLSearchParams({a: 'b'})}),
  json: () => ({body: '{}', headers: {'Content-Type': 'application/json'}}),
};
fetch(url, {method, credentials, ...bodies[kind]()})
  .then(async (answer) => done([answer.status, await answer.text()]), (error) => done([0, String(error)]));
"""


@pytest.mark.parametrize("credentials", ["omit", "same-origin", "include"])
def test_a_fetch_counts_once_and_its_answer_can_be_read(browser, elsewhere, pair, credentials):
    elsewhere.show(browser, "")
    asked = [("POST", "", 204, kind) for kind in ("none", "text", "form", "parameters", "json")]
    asked += [("GET", ".svg", 200, "none"), ("GET", ".gif", 200, "none")]
    for method, suffix, status, kind in asked:
        path = f"/fetch/{credentials}/{method}{suffix}/{kind}"
        answer = browser.ask(FETCH, f"{origin(pair)}/-/hit{path}{suffix}", method, credentials, kind)
        assert answer[0] == status, (path, answer)
        assert suffix != ".svg" or ">1</text>" in answer[1]
        assert pair.ledger.count(path) == 1
    assert browser.complaints() == []


@pytest.mark.parametrize("credentials", ["omit", "include"])
def test_a_page_of_another_origin_can_read_the_reason_of_a_refusal(browser, elsewhere, pair, credentials):
    elsewhere.show(browser, "")
    before = pair.ledger.totals()
    for method, target, status in (
            ("POST", "/-/hit/%zz", 400), ("POST", "/-/hit/-/paths", 400), ("GET", "/-/hit/%ff.gif", 400),
            ("GET", "/-/hit/x.svg?color=none", 400), ("GET", "/-/hit/none", 405), ("GET", "/-/badge/x", 404),
            ("POST", "/-/hit/" + "a" * 2048, 414), ("DELETE", "/-/hit/x", 0)):
        answer = browser.ask(FETCH, origin(pair) + target, method, credentials, "none")
        assert answer[0] == status, (target, answer)
        assert status == 0 or f'"status":{status}' in answer[1]
    assert pair.ledger.totals() == before


READ = """
const [url, done] = arguments;
const json = {headers: {Accept: 'application/json'}};
const minimal = {headers: {Accept: 'application/json', Prefer: 'return=minimal'}};
(async () => {
  const counted = await (await fetch(`${url}/-/hit/read/here`, {method: 'POST', ...json})).json();
  const visited = await (await fetch(`${url}/read/here`, json)).json();
  const again = await fetch(`${url}/read/here`, minimal); /* of the first request */
  const page = await (await fetch(`${url}/-/paths?prefix=/read`, json)).json();
  const csv = await (await fetch(`${url}/-/paths?format=csv&prefix=/read`)).text();
  const missing = await fetch(`${url}/-/paths/read/nothing`, json);
  const stream = new EventSource(`${url}/-/live?prefix=/read`);
  const event = await new Promise((take) => stream.addEventListener('snapshot', take));
  stream.close();
  return [counted, visited.count, again.headers.get('preference-applied'), (await again.json()).count, page.rows, csv,
    missing.status, (await missing.json()).status, JSON.parse(event.data).rows];
})().then(done, (error) => done(String(error)));
"""


def test_a_script_of_another_origin_reads_everything_public(browser, elsewhere, pair):
    elsewhere.show(browser, "")
    rows = [{"path": "/read/here", "count": 3, "bots": 3}]  # headless Chromium identifies itself as automated
    assert browser.ask(READ, origin(pair)) == [
        {"path": "/read/here", "count": 1}, 2, "return=minimal", 3, rows, "path,count\r\n/read/here,3\r\n", 404, 404,
        rows]
    assert pair.ledger.count("/read/here") == 3
    assert browser.complaints() == []


BEACONS = """
const [url] = arguments;
const form = new FormData();
form.append('a', 'b');
return Object.entries({
  text: 'left', none: undefined, form, parameters: new URLSearchParams({a: 'b'}),
  json: new Blob(['{}'], {type: 'application/json'}), bytes: new Uint8Array([1, 2]),
}).map(([kind, body]) => [`${url}/${kind}`, navigator.sendBeacon(`${url}/${kind}`, body)]);
"""


def test_a_beacon_of_any_kind_counts_once_and_the_console_is_silent(browser, elsewhere, pair):
    elsewhere.show(browser, "")
    sent = browser.run(BEACONS, origin(pair) + "/-/hit/beacon")
    assert len(sent) == 6 and all(queued for _, queued in sent)
    for url, _ in sent:
        until(lambda: browser.run("return performance.getEntriesByName(arguments[0]).length", url) == 1,
              f"{url} to be answered")
        assert pair.ledger.count("/beacon/" + url.rpartition("/")[2]) == 1
    assert browser.complaints() == []


# --- images

IMAGE = """
const [url, mode, done] = arguments;
const image = new Image();
if (mode) image.crossOrigin = mode;
image.onload = () => {
  const {naturalWidth: width, naturalHeight: height} = image;
  const canvas = Object.assign(document.createElement('canvas'), {width, height});
  canvas.getContext('2d').drawImage(image, 0, 0);
  try { canvas.toDataURL(); } catch (error) { done(error.name); }
  done('readable');
};
image.onerror = () => done('error');
image.src = url;
"""


@pytest.mark.parametrize("suffix", [".svg", ".gif"])
def test_an_image_counts_once_and_can_be_read_with_crossorigin(browser, elsewhere, pair, suffix):
    elsewhere.show(browser, "")
    for mode, seen in ((None, "SecurityError"), ("anonymous", "readable"), ("use-credentials", "readable")):
        path = f"/image/{mode}"
        before = pair.ledger.count(path)
        assert browser.ask(IMAGE, f"{origin(pair)}/-/hit{path}{suffix}", mode) == seen
        assert pair.ledger.count(path) == before + 1
    assert browser.complaints() == []


def test_a_cached_badge_works_in_every_request_mode(browser, elsewhere, pair):
    elsewhere.show(browser, "")
    url = origin(pair) + "/-/badge/kept.svg"
    for mode, seen in ((None, "SecurityError"), ("anonymous", "readable"), ("use-credentials", "readable"),
                       ("anonymous", "readable"), (None, "SecurityError")):
        assert browser.ask(IMAGE, url, mode) == seen
    assert browser.complaints() == []


# --- documents in a page

WAYS = {"object": "data", "embed": "src", "iframe": "src"}


def inside(browser, tag, script):
    """The value that a script returns in the document of the element, or None while there is none."""
    try:
        browser.driver.switch_to.frame(browser.find(tag))
        return browser.run(script)
    except NoSuchFrameException:
        return None
    finally:
        browser.driver.switch_to.default_content()


SHOWN = """return [...document.querySelectorAll('text:not([aria-hidden])')].map((text) => text.textContent)
  .concat([...document.images].map((image) => image.naturalWidth))"""


@pytest.mark.parametrize("tag", WAYS)
def test_images_in_documents_of_another_origin_count_once(browser, elsewhere, pair, tag):
    def embed(target):
        elsewhere.show(browser, f'<{tag} {WAYS[tag]}="{origin(pair)}{target}"></{tag}>')

    path = f"/in/{tag}"
    for target in (f"/-/hit{path}.svg", f"/-/badge{path}.svg?style=flat-square"):
        embed(target)
        until(lambda: inside(browser, tag, SHOWN) == ["hits", "1"], f"{target} to be displayed")
    embed(f"/-/hit{path}.gif")
    if tag == "iframe":
        until(lambda: inside(browser, tag, SHOWN) == [1], "the pixel to be displayed")
    else:  # Chromium makes no document of a target whose name is that of an image
        until(lambda: browser.find(tag).size == {"width": 1, "height": 1}, "the pixel to be displayed")
    assert pair.ledger.count(path) == 2
    assert browser.complaints() == []


def test_a_page_is_displayed_in_no_frame(browser, elsewhere, pair):
    for target in ("/-/paths", "/-/nothing", "/-/openapi.yml"):
        elsewhere.show(browser, f'<iframe src="{origin(pair)}{target}"></iframe>')
        address = inside(browser, "iframe", "return location.href")
        assert address == ("about:blank" if target.endswith(".yml") else "chrome-error://chromewebdata/")


# --- requests that a browser makes by itself

ALONE = ["/-/badge/a.svg", "/-/badge/a.svg?color=none", "/-/badge/a", "/-/hit/a.svg", "/-/hit/a.gif",
         "/-/hit/a", "/-/paths/never?format=json", "/-/paths?format=json&x", "/-/live?limit=none",
         "/-/openapi.yml", "/-/nothing", "/%zz", "/" + "x" * 20_000]


def links_of(pair):
    """The targets of the pages' links that are not pages, and the files that the pages load."""
    pages = "".join(get(pair.address, page).text for page in ("/-/paths", "/-/paths/a", "/-/"))
    links = {html.unescape(link) for link in re.findall('(?:href|src)="([^"]+)"', pages)}
    found = [link for link in links if re.match("/-/badge/|/-/assets/|.*[?&]format=", link)]
    assert len(found) == 10, found
    return found


def until_all_are_open(browser, targets):
    """Opens each target in a tab of its own. A tab whose target is downloaded closes."""
    first = browser.driver.current_window_handle
    assert all(browser.run("return arguments[0].map((target) => open(target) !== null)", targets))
    for handle in browser.driver.window_handles:
        try:
            browser.driver.switch_to.window(handle)
            until(lambda: browser.run("return document.readyState") == "complete", "a tab to be loaded")
        except NoSuchWindowException:
            continue
    browser.driver.switch_to.window(first)


def close_all_but(browser, first):
    for handle in browser.driver.window_handles:
        if handle != first:
            browser.driver.switch_to.window(handle)
            browser.driver.close()
    browser.driver.switch_to.window(first)


def test_opening_any_target_counts_no_icon(browser, elsewhere, own):
    pair = own({"/a": 1})
    browser.address = pair.address
    browser.save_nothing()
    browser.open("/-/paths")
    first = browser.driver.current_window_handle
    try:
        until_all_are_open(browser, ALONE + links_of(pair))
        icon = f"/icon/{pair.address[1]}"  # no other test has requested it
        elsewhere.show(browser, f'<link rel="icon" href="{icon}">')
        until(lambda: icon in elsewhere.requests, "the icon of the last page to be requested")
    finally:
        close_all_but(browser, first)
    hit(pair.address, "/last")
    assert pair.ledger.counts() == {"/a": 3, "/last": 1}
