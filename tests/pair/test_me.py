"""People can exclude the visits of their own browser. The cookie for this is the only one."""

import re
from urllib.parse import quote

import pytest
import requests

from harness.face import Face
from harness.http import JSON, MINIMAL, ask, get, hit
from harness.wait import PATIENCE_S

COOKIE = "pathcount=uncounted"
LEFT_OUT = {"Cookie": COOKIE}


@pytest.fixture(scope="module")
def face(pair):
    return Face(pair.address)


def test_a_browser_is_excluded_and_counted_again(pair):
    """With requests, which keeps cookies and follows redirects like a browser."""
    base = "http://%s:%d" % pair.address
    with requests.Session() as session:
        def visit():
            return session.get(base + "/me/here", headers=JSON, timeout=PATIENCE_S).json()

        assert visit()["count"] == 1
        assert session.get(base + "/-/me", headers=JSON, timeout=PATIENCE_S).json() == {"counted": True}
        page = session.post(base + "/-/me?counted=no", timeout=PATIENCE_S)
        assert page.url == base + "/-/me" and "Your visits are not counted" in page.text
        assert dict(session.cookies) == {"pathcount": "uncounted"}
        assert visit() == {"path": "/me/here", "count": 1, "counted": False}
        assert session.get(base + "/-/me", headers=JSON, timeout=PATIENCE_S).json() == {"counted": False}
        assert "Your visits are counted" in session.post(base + "/-/me?counted=yes", timeout=PATIENCE_S).text
        assert not session.cookies
        assert visit()["count"] == 2
    assert pair.ledger.count("/me/here") == 2


def test_an_excluded_visit_is_answered_and_not_counted(pair, face):
    pair.api.count({"/left/out": 41})
    before = pair.ledger.totals()
    page = face.get("/left/out", LEFT_OUT)
    assert page.status == 200 and ">41</strong>" in page.text and "This visit is not counted" in page.text
    assert 'href="/-/me"' in page.text
    for headers in (JSON, MINIMAL):
        assert face.get("/left/out", {**headers, **LEFT_OUT}).json() == {
            "path": "/left/out", "count": 41, "counted": False}
    assert face.get("/left/out/never", {**JSON, **LEFT_OUT}).json() == {
        "path": "/left/out/never", "count": 0, "counted": False}
    assert ">0</strong>" in face.get("/left/out/never", LEFT_OUT).text
    assert ">41</text>" in face.get("/-/hit/left/out.svg", LEFT_OUT).text
    assert face.get("/-/hit/left/out.svg", LEFT_OUT).header("cache-control") == "no-store"
    assert face.get("/-/hit/left/out.gif", LEFT_OUT).media_type == "image/gif"
    assert face.ask("POST", "/-/hit/left/out", LEFT_OUT).status == 204
    assert face.ask("POST", "/-/hit/left/out", {**JSON, **LEFT_OUT}).json() == {
        "path": "/left/out", "count": 41, "counted": False}
    assert pair.ledger.totals() == before


@pytest.mark.parametrize("cookie, counted", [
    (COOKIE, False), ("a=b; " + COOKIE, False), (COOKIE + "; a=b", False), ("a=b;" + COOKIE + ";c", False),
    ("pathcount=", True), ("xpathcount=uncounted", True), ("pathcount=uncounted2", True),
    ("a=pathcount=uncounted", True),
    ("pathcount", True), (";;; ", True), ("a=b", True)])
def test_only_this_cookie_excludes(pair, cookie, counted):
    path = "/cookie/" + cookie
    answer = get(pair.address, quote(path), {**JSON, "Cookie": cookie})
    assert answer.status == 200 and ("counted" not in answer.json()) == counted
    assert pair.ledger.count(path) == (1 if counted else 0)


def set_by(pair, headers=None, target="/-/me?counted=no"):
    answer = ask(pair.address, "POST", target, headers, b"")
    return answer.status, answer.header("set-cookie")


def test_the_cookie_has_a_constant_value_and_is_only_set_on_me(pair, face):
    assert set_by(pair) == (303, COOKIE + "; Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax")
    assert set_by(pair, {"X-Forwarded-Proto": "https"}) == (
        303, COOKIE + "; Max-Age=34560000; Path=/; HttpOnly; Secure; SameSite=None")
    assert set_by(pair, target="/-/me?counted=yes")[1].startswith(COOKIE + "; Max-Age=0;")
    for target in ("/a", "/-/me", "/-/", "/-/paths", "/-/hit/a.svg", "/-/badge/a.svg", "/-/openapi.yml", "/-/nothing"):
        for headers in ({}, LEFT_OUT):
            assert get(pair.address, target, headers).header("set-cookie") is None
    for query in ("", "?counted=", "?counted=maybe", "?counted=no&x=1", "?counted=no&counted=yes"):
        assert set_by(pair, target="/-/me" + query) == (400, None)
    assert face.get("/-/me").header("access-control-allow-origin") is None


def test_the_path_of_the_cookie_is_the_base_path(stage):
    pair = stage.pair(render_keys={"base_path": "/hits"})
    status, cookie = set_by(pair, target="/hits/-/me?counted=no")
    assert status == 303 and re.search("; Path=/hits/;", cookie)
    assert 'action="/hits/-/me?counted=no"' in get(pair.address, "/hits/-/me").text


@pytest.mark.parametrize("headers, status", [
    ({"Sec-Fetch-Site": "same-origin"}, 303), ({"Sec-Fetch-Site": "none"}, 303),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403), ({"Origin": "https://elsewhere.example"}, 403), ({"Origin": "null"}, 403),
    ({"Origin": "http://pathcount.test"}, 303), ({"Origin": "https://pathcount.test"}, 303),
    ({"Origin": "https://pathcount.test.example"}, 403),
    ({"Origin": "http://pathcount.test", "Sec-Fetch-Site": "cross-site"}, 403)])
def test_another_site_cannot_exclude_a_browser(pair, headers, status):
    found, cookie = set_by(pair, headers)
    assert found == status and (cookie is not None) == (status == 303)
    answer = ask(pair.address, "OPTIONS", "/-/me", {
        "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"})
    assert answer.header("access-control-allow-origin") is None


def test_a_count_that_cannot_be_read_is_503(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 500})
    assert hit(pair.address, "/a") == 1
    pair.counter.freeze()
    for target in ("/a", "/-/hit/a.svg"):
        assert get(pair.address, target, {**JSON, **LEFT_OUT}).status == 503
    pair.counter.thaw()
