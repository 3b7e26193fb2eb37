"""GET of any path counts it, and the answer is the page or the same as JSON."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from harness import page
from harness.http import JSON, MINIMAL, get, hit, hit_in_full
from harness.wait import Later, Stopwatch, until

HOSTILE = [
    "/<script>alert(1)</script>", "/\"><img src=x onerror=alert(1)>", "/'-alert(1)-'",
    "/&lt;b&gt;&amp;", "/</td></table></title><h1>", "/a\r\nSet-Cookie: b=c", "/\x01\x1b[31m\x7f",
    "/\u202egpj.exe", "/\u2028\u2029", "/back\\slash", "/javascript:alert(1)", "/{{7*7}}%s%n$1",
]


# --- the page


def test_a_get_of_a_path_is_answered_with_the_page(pair):
    answer = get(pair.address, "/the/page")
    assert answer.status == 200
    assert page.read(answer).title == "Path Count"


def test_the_page_shows_the_visited_path_and_its_new_count(pair):
    pair.api.count({"/visited": 4711})
    shown = page.read(get(pair.address, "/visited"))
    assert "/visited" in shown.outside
    assert 4712 in shown.numbers


def test_the_page_shows_a_table_with_the_hit_just_counted(pair):
    pair.api.count({"/in/the/table": 5000})
    assert ("/in/the/table", 5001) in page.read(get(pair.address, "/in/the/table")).rows


def test_the_page_shows_the_totals(stage):
    pair = stage.pair()
    pair.api.count({f"/{n}": 31 for n in range(611)})
    until(lambda: {612, 611 * 31 + hit(pair.address, "/one") + 1}.issubset(
        page.read(get(pair.address, "/one")).numbers), "the totals on the page", 5, pause=1.1)


def test_the_page_and_the_json_show_the_same_rows(stage):
    pair = stage.pair()
    pair.api.count({f"/{n}": n % 7 + 1 for n in range(50)})
    hit(pair.address, "/seen")
    shown = page.read(get(pair.address, "/seen")).rows
    document = hit_in_full(pair.address, "/seen")
    assert {path: n for path, n in shown if path != "/seen"} == {
        row["path"]: row["count"] for row in document["rows"] if row["path"] != "/seen"}


def test_each_get_is_one_hit(pair):
    assert [hit(pair.address, "/counted") for _ in range(3)] == [1, 2, 3]
    assert pair.ledger.count("/counted") == 3


def test_the_ledger_holds_the_hit_when_the_answer_comes(pair):
    for number in range(1, 6):
        assert get(pair.address, "/durable").status == 200
        assert pair.ledger.count("/durable") == number


def test_the_root_is_a_path_like_any_other(pair):
    assert (hit(pair.address, "/"), hit(pair.address, "/")) == (1, 2)


def test_the_page_contains_its_icon(pair):
    icon = page.read(get(pair.address, "/with/icon")).icon
    assert re.fullmatch(r"/-/assets/icon\.[0-9a-f]{10}\.svg", icon)
    answer = get(pair.address, icon)
    assert answer.status == 200
    assert answer.media_type == "image/svg+xml"
    assert answer.body.lstrip().startswith((b"<svg", b"<?xml"))
    assert "/favicon.ico" not in pair.ledger.counts()


def test_the_page_loads_nothing_from_other_origins(pair):
    shown = page.read(get(pair.address, "/alone"))
    assert all(re.match(r"/-/|#", link) for link in shown.links), shown.links
    assert [re.match(r"/-/assets/", src) is not None for src in shown.scripts] == [True]


def test_the_page_may_only_load_its_own_files_and_not_be_framed(pair):
    answer = get(pair.address, "/strict")
    policy = dict(rule.strip().split(" ", 1)
                  for rule in answer.header("content-security-policy").split(";"))
    assert policy.pop("default-src") == policy.pop("base-uri") == "'none'"
    assert policy.pop("frame-ancestors") == "'none'"
    assert set(policy.values()) == {"'self'"}
    assert answer.header("x-frame-options") == "DENY"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("referrer-policy") == "no-referrer"
    assert " style=" not in answer.text and " onload" not in answer.text


def test_the_visited_row_is_marked(stage):
    pair = stage.pair()
    pair.api.count({f"/{n}": 1000 - n for n in range(150)})
    for number in (0, 1, 50, 98, 99):
        shown = page.read(get(pair.address, f"/{number}"))
        assert [path for path, _ in shown.marked] == [f"/{number}"]
        assert len(shown.rows) == 100


def test_a_visited_path_below_the_table_has_a_separate_row(stage):
    pair = stage.pair()
    pair.api.count({f"/{n}": 10 for n in range(150)})
    shown = page.read(get(pair.address, "/apart"))
    assert shown.marked == [("/apart", 1)]
    assert shown.rows[-1] == ("/apart", 1) and len(shown.rows) == 101


@pytest.mark.parametrize("headers", [{}, JSON, MINIMAL])
def test_answers_to_counted_requests_are_not_cached(pair, headers):
    assert "no-store" in get(pair.address, "/fresh", headers).header("cache-control")


def test_every_answer_states_its_length(pair):
    for headers in ({}, JSON, MINIMAL):
        answer = get(pair.address, "/length", headers)
        assert int(answer.header("content-length")) == len(answer.body)
        assert answer.header("transfer-encoding") is None


# --- JSON


def test_the_json_has_the_path_its_count_the_totals_and_the_rows(stage):
    pair = stage.pair()
    pair.api.count({"/a": 3, "/b": 9})
    answer = get(pair.address, "/a", JSON)
    assert answer.media_type == "application/json"
    document = answer.json()
    assert set(document.pop("totals")) == {"paths", "hits", "bots"}
    assert document == {"path": "/a", "count": 4, "rows": [
        {"path": "/b", "count": 9, "bots": 0}, {"path": "/a", "count": 4, "bots": 0}]}


def test_the_totals_are_all_paths_and_all_hits(stage):
    pair = stage.pair()
    pair.api.count({"/a": 3, "/b": 9})
    until(lambda: hit_in_full(pair.address, "/c")["totals"] == {
        "paths": 3, "hits": 12 + pair.ledger.count("/c"), "bots": 0}, "the totals", 5, pause=1.1)


def test_minimal_json_has_only_the_path_and_its_count(pair):
    answer = get(pair.address, "/minimal", MINIMAL)
    assert answer.media_type == "application/json"
    assert answer.json() == {"path": "/minimal", "count": 1}
    assert answer.header("preference-applied") == "return=minimal"


def test_minimal_json_reads_no_rows(pair):
    before = len(pair.proxy.requests("GET", "/v1/paths"))
    hit(pair.address, "/no/rows")
    assert len(pair.proxy.requests("GET", "/v1/paths")) == before
    assert "rows" not in pair.proxy.batches[-1].answer.document()


@pytest.mark.parametrize("headers", [{}, JSON])
def test_the_rows_of_a_visit_are_in_the_answer_to_its_batch(pair, headers):
    before = len(pair.proxy.requests("GET", "/v1/paths"))
    get(pair.address, "/rows", headers)
    assert len(pair.proxy.requests("GET", "/v1/paths")) == before
    assert "/rows" in pair.proxy.batches[-1].answer.document()["rows"]["paths"]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_are_text_on_the_page(pair, path):
    answer = get(pair.address, quote(path))
    assert answer.status == 200
    shown = page.read(answer)
    assert shown.title == "Path Count" and len(shown.scripts) == 1 and shown.scripts[0]
    assert page.visible(path) in shown.outside
    assert page.visible(path) in dict(shown.rows)
    assert answer.text.count("<script") == answer.text.count("<img") == answer.text.count("<h1") == 1
    assert answer.header("set-cookie") is None


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_are_unchanged_in_json(pair, path):
    document = hit_in_full(pair.address, quote(path))
    assert document["path"] == path
    assert path in [row["path"] for row in document["rows"]]


# --- the rows


def test_rows_are_ordered_by_descending_count_and_then_by_path(stage):
    pair = stage.pair()
    hits = {f"/{name}": count for name, count in
            [("z", 5), ("é", 5), ("a", 5), ("A", 5), ("b", 70), ("c", 1), ("c/", 1), ("𝄞", 5)]}
    pair.api.count(hits)
    rows = hit_in_full(pair.address, "/b")["rows"]
    hits["/b"] += 1
    assert [(row["path"], row["count"]) for row in rows] == sorted(
        hits.items(), key=lambda item: (-item[1], item[0].encode()))
    assert page.read(get(pair.address, "/b")).rows[1:] == [
        (row["path"], row["count"]) for row in rows[1:]]


def test_there_are_at_most_a_hundred_rows(stage):
    pair = stage.pair()
    pair.api.count({f"/{n:03}": 200 - n for n in range(150)})
    document = hit_in_full(pair.address, "/000")
    assert [row["path"] for row in document["rows"]] == [f"/{n:03}" for n in range(100)]
    assert len(page.read(get(pair.address, "/000")).rows) == 100


def test_a_path_below_the_hundredth_row_gets_its_count(stage):
    pair = stage.pair()
    pair.api.count({f"/{n}": 10 for n in range(120)})
    document = hit_in_full(pair.address, "/last")
    assert document["count"] == 1
    assert "/last" not in [row["path"] for row in document["rows"]]


def test_rows_always_include_the_hit_just_counted(stage):
    pair = stage.pair()

    def visit(number):
        path = f"/{number % 10}"
        document = hit_in_full(pair.address, path)
        row = {row["path"]: row["count"] for row in document["rows"]}
        return row.get(path, 0) >= document["count"]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(visit, range(400)))


def test_totals_are_at_most_a_second_old(stage):
    pair = stage.pair()
    hit_in_full(pair.address, "/seen")
    pair.api.count({"/elsewhere": 1000})
    counted = Stopwatch()
    until(lambda: hit_in_full(pair.address, "/seen")["totals"]["hits"] > 1000, "new totals")
    assert counted.seconds < 3  # a second, and the time of a request on a slow machine


# --- numbers


def test_concurrent_hits_of_one_path_get_different_numbers(pair):
    with ThreadPoolExecutor(32) as pool:
        numbers = list(pool.map(lambda _: hit(pair.address, "/everybody"), range(320)))
    assert sorted(numbers) == list(range(1, 321))


def test_hits_of_one_batch_get_different_numbers(stage):
    pair = stage.pair(render_keys={"lanes": 1})
    with pair.ledger.held_appends():
        held = Later(hit, pair.address, "/held")
        pair.ledger.until_waiting()
        waiting = [Later(hit, pair.address, "/same") for _ in range(20)]
        pair.render.events()
    assert held.result() == 1
    assert sorted(one.result() for one in waiting) == list(range(1, 21))
