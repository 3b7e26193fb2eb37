"""Hostile paths: they are shown as text, complete, and link to themselves."""

import re
from urllib.parse import quote

import pytest
from conftest import pair_on
from harness.http import get

HOSTILE = [
    # markup
    "/<script>hostile=1</script>", "/<img src=x onerror=hostile=1>", "/<svg onload=hostile=1>",
    "/<svg><script>hostile=1</script></svg>", "/<iframe srcdoc='<script>hostile=1</script>'>",
    "/<body onload=hostile=1>", "/<a href=javascript:hostile=1>x</a>", "/<b>bold</b><i>italic</i>",
    "/<style>*{display:none}</style>", "/<meta http-equiv=refresh content=0;url=/elsewhere>",
    "/<base href=//elsewhere/>", "/<form action=//elsewhere><button>Search</button></form>",
    "/<details open ontoggle=hostile=1>", "/<math><mtext></mtext><script>hostile=1</script></math>",
    "/<template><script>hostile=1</script></template>", "/<object data=/x>", "/<embed src=/x>",
    # escapes from attributes and elements
    "/\"><script>hostile=1</script>", "/'><script>hostile=1</script>", "/\" onmouseover=\"hostile=1",
    "/' autofocus onfocus='hostile=1", "/` onclick=`hostile=1`", "/</a></th></tr></table><h1>gone</h1>",
    "/</title><script>hostile=1</script>", "/</style></script><img src=x onerror=hostile=1>",
    "/--><script>hostile=1</script><!--", "/]]><script>hostile=1</script><![CDATA[",
    "/</textarea></noscript></template><script>hostile=1</script>", "/a/></span><span>b",
    # paths that would be decoded twice
    "/&lt;script&gt;hostile=1&lt;/script&gt;", "/&#60;script&#62;hostile=1", "/&amp;amp;", "/&#x3c;b",
    "/%3Cscript%3Ehostile=1%3C/script%3E", "/%2e%2e/%2e%2e/etc/passwd", "/%252e%252e", "/%00", "/%",
    "/\\u003cscript\\u003e", "/+plus+and%20space", "/javascript:hostile=1", "//elsewhere/path",
    "///three", "/http://elsewhere/", "/\\\\elsewhere\\share", "/a//b///", "/?query#fragment",
    "/ ", "/  two blanks ", "/..a/.b/...", "/;jsessionid=1", "/=HYPERLINK(\"//elsewhere\")", "/@SUM(1)",
    # invisible characters, and those that change the direction of text
    "/\u202egpj.exe", "/\u2066x\u2069y", "/a\u200bb", "/a\u200db", "/\ufeffbom", "/a\u00adb", "/a\u2028b",
    "/a\u00a0b", "/a\u3000b", "/a\u2060b", "/a\u180eb", "/a\u061cb", "/\U000e0041tag", "/a\ufe0fb",
    "/\u3164", "/a\uffffb", "/a\u0085b", "/a\tb", "/a\nb", "/a\r\nSet-Cookie: hostile=1", "/a\x01b\x1b[31mc",
    "/a\x7fb",
    # long and tall paths
    "/" + "x" * 2047, "/" + "\u4e2d" * 682, "/" + "a/" * 1023, "/" + "\U0001f4a3" * 500,
    "/z" + "\u0300\u0301\u0302\u0303" * 200, "/\ufdfd" * 100, "/" + "\u202e" * 600, "/\u05d0" + "\u05d1" * 900,
    "/\u0645\u0631\u062d\u0628\u0627/abc/\u0645\u0631\u062d\u0628\u0627", "/" + "&" * 2000, "/" + "<" * 2000,
]

HIDDEN = re.compile("[\x00-\x1f\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f"
                    "\u3000\u3164\ufe0f\ufeff\uffff\U000e0041]|(?<= ) | $")


def visible(path):
    """The text that a person should read."""
    return HIDDEN.sub(lambda found: f"U+{ord(found[0]):04X}", path)


@pytest.fixture(scope="module")
def hostile(stage):
    """A pair on which each of them is counted, as often as its place in the list."""
    return pair_on(stage, {path: 10 + at for at, path in enumerate(HOSTILE)})


UNHARMED = """
const all = [...document.querySelectorAll('*')];
const known = new RegExp('^(html|head|meta|title|link|script|body|a|header|img|nav|main|div|h1|h2|small|p' +
  '|strong|span|form|label|input|button|section|table|thead|tbody|tr|th|td|i|dl|dt|dd|time)$');
return {
  ran: typeof hostile, title: document.title, cookie: document.cookie,
  h1: all.filter(e => e.localName === 'h1').length,
  scripts: all.filter(e => e.localName === 'script').length,
  elements: all.filter(e => !e.closest('.chart')).map(e => e.localName).filter(name => !known.test(name)),
  attributes: all.flatMap(e => [...e.attributes]).map(a => a.name)
    .filter(name => /^on|^style$|^srcdoc$|^autofocus$/.test(name)),
};"""


def assert_unharmed(browser):
    """Checks that no script has run, that the page has no foreign element, and that nothing overflows. (With an
    open dialog the query itself fails.)"""
    found = browser.run(UNHARMED)
    assert found.pop("title").endswith("Path Count")
    assert found == {"ran": "undefined", "cookie": "", "h1": 1, "scripts": 1, "elements": [],
                     "attributes": []}
    assert browser.wider_than_the_window() is None
    assert browser.complaints() == []


def test_hostile_paths_look_different_from_each_other():
    assert len(HOSTILE) >= 50
    assert len({visible(path) for path in HOSTILE}) == len(set(HOSTILE)) == len(HOSTILE)


def test_the_table_shows_hostile_paths_as_text_and_links_to_them(either, hostile):
    either.address = hostile.address
    for width in (1280, 320):
        either.look(width)
        either.open("/-/paths?limit=1000")
        links = either.run("return [...document.querySelectorAll('section tbody a')].map(a =>"
                           "[a.textContent, decodeURIComponent(a.pathname)])")
        assert links == [[visible(path), "/-/paths" + path] for path in reversed(HOSTILE)]
        assert_unharmed(either)


TEXTS = """return Object.fromEntries(['h1 a', 'h1 .path', '#v a', 'section tbody a', '.count strong', 'p.path'].map(
  selector => [selector, document.querySelector(selector)?.textContent]))"""


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: quote(path)[:40])
def test_every_page_shows_a_hostile_path_as_text(browser, hostile, path):
    browser.address = hostile.address
    browser.look(320, 640)
    number = f"{hostile.ledger.count(path) + 1:,}"
    browser.open(quote(path) if not path.startswith("//") else "/." + quote(path))
    texts = browser.run(TEXTS)
    assert (texts["h1 a"], texts["#v a"], texts[".count strong"]) == (visible(path), visible(path), number)
    assert_unharmed(browser)

    browser.open("/-/paths" + quote(path))
    texts = browser.run(TEXTS)
    assert (texts["h1 a"], texts[".count strong"]) == (visible(path), number)
    assert texts["p.path"] == (visible(path) if len(path.encode()) > 240 else None)
    assert_unharmed(browser)

    if len(path) < 200:  # a longer path does not fit into the address of a search
        browser.open("/-/paths?order=path&limit=1&prefix=" + quote(path, safe=""))
        texts = browser.run(TEXTS)
        assert (texts["h1 .path"], texts["section tbody a"]) == (visible(path), visible(path))
        assert_unharmed(browser)


def test_errors_show_hostile_targets_as_text(hostile):
    for target, status in (("/%ff<script>", 400), ("/%zz\"><script>hostile=1</script>", 400),
                           ("/-/<script>", 404), ("/-/paths?<b>=1", 400)):
        answer = get(hostile.address, target)
        assert answer.status == status
        assert "<b>" not in answer.text and answer.text.count("<script") == 1
