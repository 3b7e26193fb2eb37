"""Pages of other sites count hits and show counts, with badges, images and beacons."""

from urllib.parse import quote

import pytest

from harness.face import Face
from harness.http import Connection, ask, get
from harness.wait import Later

from beacon_helpers import assert_is_for_all_origins, face, texts  # noqa: F401 (fixtures)

# The Accept of a browser's navigation, and that of an <img>.
NAVIGATION = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}

IMAGE = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}


# --- hits


def test_each_way_to_hit_counts_once(pair, face):
    assert texts(face.get("/-/hit/ways/a.svg")) == ["hits", "1"]
    assert face.get("/-/hit/ways/a.gif").status == 200
    assert face.ask("POST", "/-/hit/ways/a").status == 204
    assert get(pair.address, "/ways/a").status == 200
    assert pair.ledger.count("/ways/a") == 4


def test_the_pixel_is_a_transparent_gif(face):
    answer = face.get("/-/hit/pixel.gif?t=123&anything")
    assert answer.media_type == "image/gif" and len(answer.body) == 43
    assert answer.body.startswith(b"GIF89a\x01\x00\x01\x00") and answer.body.endswith(b";")


@pytest.mark.parametrize("method, target", [("GET", "/-/hit/fresh.svg"), ("GET", "/-/hit/fresh.gif"),
                                            ("POST", "/-/hit/fresh")])
def test_hits_are_never_cached_and_allow_every_origin(face, method, target):
    answer = face.ask(method, target, {"Origin": "https://elsewhere.example"})
    assert answer.header("cache-control") == "no-store"
    assert_is_for_all_origins(answer, "https://elsewhere.example")


ORIGINS = [
    ("OPTIONS", "/-/hit/origin", 204), ("POST", "/-/hit/origin", 204), ("GET", "/-/hit/origin.svg", 200),
    ("GET", "/-/hit/origin.gif", 200), ("HEAD", "/-/hit/origin.gif", 200), ("GET", "/-/badge/origin.svg", 200),
    ("POST", "/-/hit/%zz", 400), ("GET", "/-/hit/%FF.gif", 400), ("GET", "/-/hit/x.svg?color=none", 400),
    ("GET", "/-/badge/origin", 404), ("GET", "/-/hit/origin", 405), ("PUT", "/-/hit/origin", 405),
    ("POST", "/-/badge/origin.svg", 405), ("POST", "/-/hit/" + "a" * 2048, 414)]


@pytest.mark.parametrize("method, target, status", ORIGINS)
def test_answers_to_hits_allow_the_requesting_origin_with_credentials(face, method, target, status):
    for origin in ("https://elsewhere.example", "http://127.0.0.1:8000", "null"):
        answer = face.ask(method, target, {"Origin": origin})
        assert answer.status == status
        assert_is_for_all_origins(answer, origin)
    answer = face.ask(method, target)
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None
    assert answer.header("vary") == "origin"


PUBLIC = ["/public", "/-/", "/-/paths", "/-/paths?format=json", "/-/paths?format=csv", "/-/paths/none?format=json",
          "/-/live?x", "/-/openapi.yml", "/-/health", "/-/nothing", "/%zz", "/-/paths?limit=x"]


@pytest.mark.parametrize("target", PUBLIC)
def test_other_answers_allow_every_origin_without_credentials(face, target):
    """A browser refuses the origin * for a request with credentials."""
    answer = face.get(target, {"Origin": "https://elsewhere.example"})
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None
    assert "x-request-id" in answer.header("access-control-expose-headers")
    if target != "/-/openapi.yml":
        assert face.get(target).header("access-control-allow-origin") is None


@pytest.mark.parametrize("target, origin", [
    ("/public", "*"), ("/-/paths", "*"), ("/-/live", "*"), ("/-/openapi.yml", "*"),
    ("/-/badge/a.svg", "https://elsewhere.example"), ("/-/hit/a", "https://elsewhere.example")])
def test_a_preflight_allows_the_headers_that_scripts_send(pair, target, origin):
    before = pair.ledger.totals()
    answer = ask(pair.address, "OPTIONS", target, {
        "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "prefer,traceparent"})
    assert answer.status == 204
    assert answer.header("access-control-allow-origin") == origin
    assert {"prefer", "traceparent"} <= set(answer.header("access-control-allow-headers").split(", "))
    assert "GET" in answer.header("access-control-allow-methods").split(", ")
    assert pair.ledger.totals() == before


def test_a_post_that_accepts_json_gets_the_count(pair, face):
    for number in (1, 2):
        answer = face.ask("POST", "/-/hit/posted.svg", {"Accept": "application/json", "Origin": "https://a.example"})
        assert answer.status == 200 and answer.media_type == "application/json"
        assert answer.json() == {"path": "/posted.svg", "count": number}
        assert answer.header("cache-control") == "no-store"
        assert_is_for_all_origins(answer, "https://a.example")
    for accept in ("*/*", "text/html", "application/json;q=0.5, text/html", ""):
        assert face.ask("POST", "/-/hit/posted.svg", {"Accept": accept}).status == 204
    assert pair.ledger.count("/posted.svg") == 6


def test_the_answer_to_a_post_says_that_its_path_has_no_row(stage):
    pair = stage.pair(counter_keys={"max_paths": 1})
    for path, document in (("/a", {"path": "/a", "count": 1}), ("/b", {"path": "/b", "count": 1, "overflow": True})):
        assert Face(pair.address).ask("POST", "/-/hit" + path, {"Accept": "application/json"}).json() == document


# --- in a browser


@pytest.mark.parametrize("target", ["/-/badge/framed.svg", "/-/hit/framed.svg", "/-/hit/framed.gif"])
def test_images_may_be_framed_by_any_page_and_load_nothing(face, target):
    for method in ("GET", "HEAD"):
        answer = face.ask(method, target)
        assert answer.header("x-frame-options") is None
        assert answer.header("content-security-policy") == \
            "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@pytest.mark.parametrize("target", [
    "/-/paths?format=json", "/-/paths?format=csv", "/-/paths?format=csv&limit=5", "/-/paths/none?format=json",
    "/-/openapi.yml", "/-/live?limit=x", "/-/badge/none", "/-/hit/none", "/-/hit/x.svg?color=none",
    "/" + "a" * 20_000])
def test_answers_other_than_pages_forbid_all_subresources(pair, target):
    answer = get(pair.address, target)
    assert answer.media_type != "text/html"
    assert answer.header("content-security-policy") == "default-src 'none'; frame-ancestors 'none'"
    assert answer.header("x-frame-options") == "DENY"


@pytest.mark.parametrize("target, status", [
    ("/-/badge/none", 404), ("/-/hit/none", 405), ("/-/hit/x.svg?color=none", 400), ("/-/hit/%zz.gif", 400),
    ("/-/live?limit=x", 400), ("/-/paths?format=json&x", 400), ("/-/paths/none?format=json", 404)])
def test_an_error_is_a_page_to_a_browser_that_opens_it_and_a_problem_to_an_image(face, target, status):
    page = face.get(target, NAVIGATION)
    assert (page.status, page.media_type) == (status, "text/html")
    assert page.header("content-disposition") is None and 'rel="icon"' in page.text
    problem = face.get(target, IMAGE)
    assert (problem.status, problem.media_type) == (status, "application/problem+json")


@pytest.mark.parametrize("target", ["/-/paths", "/-/paths/saved"])
@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_browser_saves_answers_that_are_not_pages(pair, face, target, form):
    pair.api.count({"/saved": 1})
    answer = face.get(f"{target}?format={form}", NAVIGATION)
    assert answer.header("content-disposition") == f'attachment; filename="pathcount.{form}"'


# --- paths


@pytest.mark.parametrize("target, path", [
    ("/-/hit/a%20b.gif", "/a b"), ("/-/hit/.gif", "/"), ("/-/hit//x.gif", "//x"), ("/-/hit/x.svg.gif", "/x.svg"),
    ("/-/hit/%C3%A9.svg", "/é"), ("/-/hit/s/.svg", "/s/"), ("/-/hit/y/../z.gif", "/z"),
    ("/-/hit/%25zz.gif", "/%zz"), ("/-/hit/" + "m" * 2047 + ".gif", "/" + "m" * 2047)])
def test_the_path_ends_before_the_suffix(pair, face, target, path):
    before = pair.ledger.count(path)
    assert face.get(target).status == 200
    assert pair.ledger.count(path) == before + 1


@pytest.mark.parametrize("path", ["/post.svg", "/post.gif", "/post", "/", "/" + "p" * 2047, "/a b", "/%"])
def test_a_post_counts_the_path_with_its_suffix(pair, face, path):
    before = pair.ledger.count(path)
    assert face.ask("POST", "/-/hit" + quote(path)).status == 204
    assert pair.ledger.count(path) == before + 1


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 65536])
@pytest.mark.parametrize("kind", ["text/plain;charset=UTF-8", "application/json", "image/gif"])
def test_the_body_of_a_beacon_is_ignored(pair, face, body, kind):
    before = pair.ledger.count("/body")
    assert face.ask("POST", "/-/hit/body?query=x", {"Content-Type": kind}, body).status == 204
    assert pair.ledger.count("/body") == before + 1


def test_a_beacon_that_is_too_long_is_413(pair, face):
    with Connection(pair.address) as connection:
        connection.send("POST", "/-/hit/long", {"Content-Length": 65537})
        assert connection.receive().status == 413
    assert pair.ledger.count("/long") == 0


def test_beacons_keep_their_connection(pair):
    with Connection(pair.address) as connection:
        for body in (None, b"", b"x" * 1000):
            answer = connection.ask("POST", "/-/hit/kept/alive", body=body)
            assert answer.status == 204 and not answer.closes and answer.header("content-length") is None
    assert pair.ledger.count("/kept/alive") == 3


def test_a_preflight_allows_a_beacon(pair, face):
    answer = face.ask("OPTIONS", "/-/hit/preflight", {
        "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type"})
    assert answer.status == 204
    assert_is_for_all_origins(answer, "https://elsewhere.example")
    assert "POST" in answer.header("access-control-allow-methods")
    assert "content-type" in answer.header("access-control-allow-headers").split(", ")
    assert pair.ledger.count("/preflight") == 0


@pytest.mark.parametrize("target", ["/-/hit/head.svg", "/-/hit/head.gif"])
def test_head_counts_nothing(pair, face, target):
    assert face.ask("HEAD", target).status == 200
    assert pair.ledger.count("/head") == 0


@pytest.mark.parametrize("method, target, status, allow", [
    ("GET", "/-/hit/plain", 405, "POST, OPTIONS"), ("PUT", "/-/hit/plain", 405, "GET, HEAD, POST, OPTIONS"),
    ("DELETE", "/-/hit/plain.gif", 405, "GET, HEAD, POST, OPTIONS"), ("GET", "/-/hit", 404, None),
    ("GET", "/-/badge/plain", 404, None), ("GET", "/-/badge/plain.gif", 404, None),
    ("GET", "/-/hit/-/x.gif", 400, None), ("POST", "/-/hit/-/paths", 400, None),
    ("POST", "/-/hit/-/hit/a", 400, None), ("GET", "/-/badge/-/x.svg", 400, None),
    ("GET", "/-/hit/x/...gif", 400, None), ("GET", "/-/hit/..svg", 400, None),
    ("POST", "/-/hit/%zz", 400, None), ("POST", "/-/hit/%FF", 400, None), ("GET", "/-/hit/%00.gif", 400, None),
    ("GET", "/-/hit/" + "a" * 2048 + ".gif", 414, None), ("POST", "/-/hit/" + "a" * 2048, 414, None),
    ("GET", "/-/badge/" + "a" * 2048 + ".svg", 414, None)])
def test_an_invalid_hit_is_refused_and_counts_nothing(pair, method, target, status, allow):
    before = pair.ledger.totals()
    answer = Face(pair.address).ask(method, target, {"Accept": "application/json"})
    assert (answer.status, answer.header("allow")) == (status, allow)
    assert pair.ledger.totals() == before


def test_hits_are_confirmed_or_503(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 500})
    pair.counter.freeze()
    asked = [Later(Face(pair.address).ask, method, target) for method, target in (
        ("GET", "/-/hit/late.svg"), ("GET", "/-/hit/late.gif"), ("POST", "/-/hit/late"))]
    for one in asked:
        answer = one.result()
        assert answer.status == 503 and answer.header("retry-after")
    pair.counter.thaw()
