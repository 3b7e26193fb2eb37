"""Views that count nothing: /-/paths and /-/paths/ANY/PATH as a page, as JSON and as CSV."""

import re
from urllib.parse import quote, urlencode

import pytest

from harness import contract, page
from harness.face import Face, read_csv, rows_of
from harness.http import JSON, get, hit
from harness.proxy import drop, reset, swallow
from harness.wait import Later, until

CSV = {"Accept": "text/csv"}

ROWS = {"/": 3, "/a": 9, "/a/b": 9, "/b c": 1, "/b+c": 2, "/é": 9, "/%41": 4, "/=1+1": 5, '/"q",': 5,
        "/a?b#c": 7, "/&amp;": 6, "/line\r\nend": 8}

FORMS = [("?format=html", {}, "text/html"), ("?format=json", {}, "application/json"),
         ("?format=csv", {}, "text/csv"), ("", {}, "text/html"), ("", JSON, "application/json"),
         ("", CSV, "text/csv"), ("", {"Accept": "*/*"}, "text/html"),
         ("", {"Accept": "text/csv;q=0.9, application/json;q=0.8"}, "text/csv"),
         ("?format=json", CSV, "application/json"), ("?format=html", JSON, "text/html"),
         ("?format=csv", JSON, "text/csv")]


@pytest.fixture(scope="module")
def stocked(module_stage):
    """A pair with ROWS in its ledger. Tests do not change them."""
    pair = module_stage.pair()
    pair.api.count(ROWS)
    pair.face = Face(pair.address)
    return pair


@pytest.fixture(scope="module")
def face(stocked):
    return stocked.face


def ranking(rows):
    return sorted(rows.items(), key=lambda row: (-row[1], row[0].encode()))


# --- the rows of a view


@pytest.mark.parametrize("query, headers, form", FORMS)
def test_format_goes_before_accept(face, query, headers, form):
    for target in ("/-/paths", "/-/paths/a"):
        answer = face.get(target + query, headers)
        assert (answer.status, answer.media_type) == (200, form)


def test_the_page_the_json_and_the_csv_show_the_same_rows(face):
    expected = ranking(ROWS)
    assert rows_of(face.json("/-/paths")) == expected
    assert [(path, int(count)) for path, count in read_csv(face.get("/-/paths?limit=100", CSV))] == expected
    shown = page.read(face.get("/-/paths"))
    assert len(shown.rows) == len(expected)


def test_views_have_the_totals(face):
    assert face.json("/-/paths?limit=1")["totals"] == {
        "paths": len(ROWS), "hits": sum(ROWS.values()), "bots": 0}


@pytest.mark.parametrize("order, key", [("count", lambda row: (-row[1], row[0].encode())),
                                        ("path", lambda row: row[0].encode())])
@pytest.mark.parametrize("limit", [1, 5, 12, 1000])
def test_next_leads_through_all_rows_and_previous_back(face, order, key, limit):
    pages = list(face.pages(f"/-/paths?order={order}&limit={limit}"))
    assert [row for one in pages for row in rows_of(one)] == sorted(ROWS.items(), key=key)
    for before, after in zip(reversed(pages[:-1]), reversed(pages[1:])):
        assert rows_of(face.json(after["previous"])) == rows_of(before)
    assert pages[0]["previous"] is None


def test_a_page_links_to_its_neighbours(face):
    target = "/-/paths?limit=5"
    seen = []
    for _ in range(3):
        html = face.get(target).text
        links = {text: href.replace("&amp;", "&") for href, text in re.findall(
            r'<a[^>]* href="([^"]*)"[^>]*>(?:<[^>]*>)*([A-Z]\w*)', html)}
        seen.append((target, links))
        target = links.get("Next")
    assert target is None
    assert seen[2][1]["Previous"] != seen[1][0]  # before the first row of this page, not after the last one
    back = face.get(seen[2][1]["Previous"])
    assert page.read(back).rows == page.read(face.get(seen[1][0])).rows


@pytest.mark.parametrize("prefix", ["/a", "/b c", "/b+c", "/é", "/%41", "/=", '/"', "/a?", "/&", "/none",
                                    "a", "b c", ""])
def test_a_prefix_may_be_encoded_as_forms_do(face, prefix):
    expected = {path: n for path, n in ROWS.items() if path.startswith("/" + prefix.lstrip("/"))}
    for query in (urlencode({"prefix": prefix}), "prefix=" + quote(prefix, safe="")):
        assert rows_of(face.json("/-/paths?" + query)) == ranking(expected)


def test_a_short_first_page_redirects_to_the_first_page(stage):
    pair = stage.pair()
    pair.api.count({f"/{n}": 10 for n in range(6)})
    face = Face(pair.address)
    answer = face.get("/-/paths?limit=3&before=10:/1")
    assert (answer.status, answer.header("location")) == (303, "/-/paths?limit=3")
    assert face.get("/-/paths?limit=3&before=10:/3").status == 200  # the page is full
    assert rows_of(face.json("/-/paths?limit=3&before=10:/1")) == [("/0", 10)]  # programs get the rows as requested


@pytest.mark.parametrize("query", [
    "order=size", "limit=0", "limit=1001", "limit=x", "limit=", "after=x", "before=x", "format=xml",
    "format=", "format=json&format=json", "format", "prefix=%FF", "prefix=%zz", "prefix=/" + "a" * 2048,
    "prefix=" + "a" * 2048, "prefx=/", "page=2", "after=1:/a&before=1:/a", "order=path&after=1:/a",
    "format=csv&order=count", "format=csv&order=path&before=/a"])
def test_an_invalid_view_is_400(face, query):
    assert face.get("/-/paths?" + query, JSON).status == 400
    answer = face.get("/-/paths?" + query)
    is_csv_of_everything = query.startswith("format=csv&")  # for programs
    assert answer.status == 400
    assert answer.media_type == ("application/problem+json" if is_csv_of_everything else "text/html")


# --- one path


@pytest.mark.parametrize("path", ROWS)
def test_each_path_has_an_address(face, path):
    row = face.path(path)
    assert (row["path"], row["count"]) == (path, ROWS[path])
    assert row["rank"] == [one for one, _ in ranking(ROWS)].index(path) + 1
    assert row["first"] == row["last"] is not None


def test_a_path_as_csv_has_two_lines(face):
    path = '/"q",'
    row = face.path(path)
    assert read_csv(face.get("/-/paths" + quote(path), CSV)) == [
        [path, str(row["count"]), str(row["rank"]), row["first"], row["last"]]]


def test_the_page_of_a_path_shows_it_as_text(stage):
    pair = stage.pair()
    hit(pair.address, "/%3Cb%3E%22")
    shown = Face(pair.address).get("/-/paths/%3Cb%3E%22").text
    assert "<b>" not in shown and "&lt;b&gt;" in shown


def test_a_path_that_was_not_counted_is_404(face):
    for headers, form in (({}, "text/html"), (JSON, "application/problem+json"),
                          (CSV, "application/problem+json")):
        answer = face.get("/-/paths/never", headers)
        assert (answer.status, answer.media_type) == (404, form)


@pytest.mark.parametrize("target, status", [
    ("/-/paths/%zz", 400), ("/-/paths/%00", 400), ("/-/paths/%FF", 400), ("/-/paths/" + "a" * 2048, 414),
    ("/-/paths/a?format=xml", 400), ("/-/paths/a?limit=1", 400), ("/-/paths/" + "a" * 2047, 404),
    ("/-/paths/..", 200), ("/-/paths/../../a", 200), ("/-/pathsa", 404), ("/-/paths/a/../b", 404)])
def test_targets_below_paths_are_resolved_as_a_whole(pair, target, status):
    assert get(pair.address, target, JSON).status == status


# --- nothing is counted


@pytest.mark.parametrize("target", ["/-/paths", "/-/paths/a", "/-/paths/never", "/-/paths?format=csv",
                                    "/-/openapi.yml", "/-/badge/a.svg", "/-/none", "/-/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_views_count_nothing(stocked, method, target):
    stocked.face.ask(method, target, JSON)
    assert stocked.ledger.counts() == ROWS


@pytest.mark.parametrize("target", ["/-/paths", "/-/paths/a", "/-/paths?format=csv&limit=3", "/-/openapi.yml",
                                    "/-/live", "/-/badge/a.svg", "/-/paths?format=csv"])
def test_head_answers_as_get_does_without_a_body(face, target):
    answer = face.ask("HEAD", target)
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("target", ["/-/paths", "/-/paths/a", "/-/live", "/-/badge/a.svg", "/-/openapi.yml"])
def test_views_refuse_other_methods(face, method, target):
    answer = face.ask(method, target, JSON)
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")


# --- when counter-svc does not answer


def test_a_view_without_counter_svc_is_503_within_the_deadline(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 500})
    pair.counter.freeze()
    for target in ("/-/paths", "/-/paths/a", "/-/paths?format=csv", "/-/badge/a.svg"):
        answer = Face(pair.address).get(target, JSON)
        assert answer.status == 503 and answer.header("retry-after")
        contract.check_problem(answer)
    pair.counter.thaw()
    pair.api.count({"/a": 1})
    assert Face(pair.address).path("/a")["count"] == 1


@pytest.mark.parametrize("mishap", [drop, reset, swallow])
def test_a_failed_read_is_repeated(stage, mishap):
    pair = stage.pair(render_keys={"call_deadline_ms": 300})
    pair.api.count({"/a": 1})
    for target in ("/v1/paths/a", "/v1/paths"):
        pair.proxy.next(mishap, "GET", target)
    face = Face(pair.address)
    assert face.path("/a")["count"] == 1
    assert rows_of(face.json("/-/paths")) == [("/a", 1)]


def test_reads_beyond_the_limit_get_503(stage):
    pair = stage.pair(render_keys={"max_reads": 1, "request_deadline_ms": 15000, "call_deadline_ms": 15000})
    pair.counter.freeze()
    asked = []
    for n in range(1, 10):  # 8 in flight and one in the queue
        asked.append(Later(get, pair.address, f"/-/paths?limit={n}", JSON))
        until(lambda n=n: pair.render.metric("pathcount_reads_waiting") == n, "the read to wait")
    assert get(pair.address, "/-/paths?limit=10", JSON).status == 503
    pair.counter.thaw()
    assert [one.result().status for one in asked] == [200] * 9
