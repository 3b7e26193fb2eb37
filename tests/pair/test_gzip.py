"""Compressed answers. curl, requests and Python's gzip decompress them to the same bytes as the uncompressed
answers."""

import gzip
import json
import re
import subprocess
import zlib
from urllib.parse import quote

import pytest
import requests

from harness import page
from harness.face import Face
from harness.http import JSON, MINIMAL, ask, get, hit
from harness.proxy import Gate, refuse, without_rows
from harness.wait import PATIENCE_S, Later, until

GZIP = {"Accept-Encoding": "gzip"}
ROWS = {f"/row/{n:03}/{'<&' * (n % 9)}": 10_000 - 10 * n for n in range(150)}
BY_COUNT = sorted(ROWS, key=ROWS.get, reverse=True)


@pytest.fixture(scope="module")
def full(module_stage):
    """A pair with more rows than a page shows."""
    pair = module_stage.pair()
    pair.api.count(ROWS)
    return pair


def inflated(answer):
    """The text of one gzip member. Checks that nothing follows it."""
    assert answer.header("content-encoding") == "gzip", answer.start
    assert "accept-encoding" in answer.header("vary")
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    text = reader.decompress(answer.body)
    assert reader.eof and reader.unused_data == b""
    return text


def packed(pair, target, headers=None):
    return get(pair.address, target, {**GZIP, **(headers or {})})


def curl(pair, target, *options):
    return subprocess.run(
        ["curl", "--silent", "--fail", "--compressed", *options, "http://%s:%d%s" % (*pair.address, target)],
        capture_output=True, timeout=PATIENCE_S, check=False)


# --- a visit

@pytest.mark.parametrize("place", [0, 1, 4, 9, 10, 19, 20, 98, 99, 100, 149])
def test_a_compressed_page_is_the_same_page(full, place):
    """For rows at both ends of a piece and within, for the last row, and for a path that is not in the table."""
    path = BY_COUNT[place]
    plain, small = get(full.address, quote(path)), packed(full, quote(path))
    html = inflated(small).decode()
    assert re.sub(r"\d[\d,]*", "#", html) == re.sub(r"\d[\d,]*", "#", plain.text)
    before, after = page.read(plain), page.Page(html)
    assert before.marked == [(path, after.marked[0][1] - 1)] and after.marked[0][0] == path
    assert set(before.rows) - set(before.marked) == set(after.rows) - set(after.marked)
    assert len(small.body) < len(plain.body) / 3


def test_compressed_json_is_the_same_json(full):
    plain, small = get(full.address, "/json", JSON), packed(full, "/json", JSON)
    assert len(small.body) < len(plain.body) / 2
    document, expected = json.loads(inflated(small)), plain.json()
    assert document["count"] == expected["count"] + 1
    assert document["totals"]["hits"] == expected["totals"]["hits"] + 1
    assert document["rows"] == expected["rows"] and len(document["rows"]) == 100


def test_each_visitor_of_a_batch_gets_their_own_page(stage):
    """They share compressed pieces, except for the one with the marked row."""
    pair = stage.pair(render_keys={"lanes": 1, "call_deadline_ms": 4000})
    pair.api.count(ROWS)
    paths = BY_COUNT[:12] + BY_COUNT[95:100] + ["/new/1", "/new/2"]
    gate = Gate()
    pair.proxy.next(gate, "POST", "/v1/hits")
    first = Later(hit, pair.address, "/first")
    gate.until_held()
    asked = [Later(packed, pair, quote(path)) for path in paths for _ in range(2)]
    until(lambda: pair.render.metric('pathcount_hits_waiting{state="open"}') == len(asked), "them to wait together")
    gate.open()
    assert first.result() == 1
    for path, answer in zip([path for path in paths for _ in range(2)], asked):
        assert [path] == [marked for marked, _ in page.Page(inflated(answer.result()).decode()).marked]
    assert len(pair.proxy.requests("POST", "/v1/hits")) == 2
    assert {path: pair.ledger.count(path) for path in paths} == {path: ROWS.get(path, 0) + 2 for path in paths}


def test_short_answers_are_not_compressed(full):
    for answer in (packed(full, "/short", MINIMAL), packed(full, "/-/nothing"), packed(full, "/-/health"),
                   packed(full, "/-/badge/short.svg"), packed(full, "/-/paths?limit=1&format=json")):
        assert answer.header("content-encoding") is None


def test_a_page_without_rows_is_not_compressed(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 700})
    pair.proxy.always(without_rows, "POST", "/v1/hits")
    pair.proxy.always(refuse, "GET", "/v1/paths")
    answer = packed(pair, "/no/rows")
    assert answer.status == 200 and answer.header("content-encoding") is None
    assert "cannot be shown at the moment" in answer.text


# --- everything else

@pytest.mark.parametrize("target", [
    "/-/", "/-/paths", "/-/paths?format=json", "/-/paths?format=csv&limit=120", "/-/paths?format=csv",
    "/-/openapi.yml"])
def test_a_compressed_text_is_the_same_text(full, target):
    plain, small = get(full.address, target), packed(full, target)
    assert inflated(small) == plain.body
    assert plain.header("content-encoding") is None and "accept-encoding" in plain.header("vary")
    assert len(small.body) < len(plain.body) / 2
    assert small.header("content-type") == plain.header("content-type")


def test_compressed_files_are_the_same_files(full):
    total = 0
    for target in {link for link in page.read(get(full.address, "/files")).links if link.startswith("/-/assets/")}:
        plain, small = get(full.address, target), packed(full, target)
        assert plain.header("vary") == "accept-encoding"
        if small.header("content-encoding"):
            assert inflated(small) == plain.body
        total += len(small.body)
    assert total < 10_000


@pytest.mark.parametrize("rows", [0, 1000, 3500])
def test_a_compressed_export_is_one_member(stage, rows):
    pair = stage.pair()
    pair.ledger.edited(f"INSERT INTO pathcount (path, count) SELECT '/' || lpad(n::text, 9, '0'), n "
                       f"FROM generate_series(1, {rows}) AS n")
    answer = Face(pair.address).get("/-/paths?format=csv", GZIP)
    assert inflated(answer) == get(pair.address, "/-/paths?format=csv").body
    done = curl(pair, "/-/paths?format=csv")
    assert done.returncode == 0 and done.stdout == gzip.decompress(answer.body)


@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
def test_a_compressed_export_that_is_cut_short_is_an_error(stage, version):
    pair = stage.pair()
    pair.ledger.edited("INSERT INTO pathcount (path, count) SELECT '/' || lpad(n::text, 900, '0'), n "
                       "FROM generate_series(1, 2500) AS n")
    pair.proxy.always(lambda exchange: refuse(exchange) if "after=" in exchange.request.target
                      else (exchange.forward(), exchange.reply()), "GET", "/v1/paths")
    done = curl(pair, "/-/paths?format=csv", version)
    assert done.returncode == 56 and 0 < done.stdout.count(b"\r\n") < 2500


# --- negotiation

@pytest.mark.parametrize("accept, is_packed", [
    ("gzip", True), ("gzip, deflate, br, zstd", True), ("GZIP", True), ("x-gzip", True), ("*", True),
    ("br, *;q=0.5", True),
    ("gzip;q=0.001", True), ("identity;q=0.5, gzip;q=1.0", True), ("", False), ("br", False), ("identity", False),
    ("gzip;q=0", False), ("*, gzip;q=0", False), ("identity, gzip;q=0.5", False), ("gzipped", False), ("*;q=0", False)])
def test_the_client_chooses_compression(full, accept, is_packed):
    for target in ("/-/paths", "/chosen"):
        answer = get(full.address, target, {"Accept-Encoding": accept})
        assert (answer.header("content-encoding") == "gzip") == is_packed
        assert answer.status == 200 and "accept-encoding" in answer.header("vary")


def test_compression_can_be_switched_off(stage, full):
    render = stage.render(full.counter, gzip="false")
    for target in ("/off", "/-/paths", "/-/openapi.yml", "/-/paths?format=csv"):
        answer = get(render.address, target, GZIP)
        assert answer.status == 200 and answer.header("content-encoding") is None


def test_head_has_no_body_and_counts_nothing(full):
    for target in ("/-/paths", "/head", "/-/openapi.yml"):
        assert ask(full.address, "HEAD", target, GZIP).status == 200
    assert full.ledger.count("/head") == 0


def test_requests_decompresses_answers(full):
    base = "http://%s:%d" % full.address
    with requests.Session() as session:
        answer = session.get(base + "/-/paths?format=json", timeout=PATIENCE_S)
        assert answer.headers["content-encoding"] == "gzip" and len(answer.json()["rows"]) == 100
        answer = session.get(base + "/by/requests", timeout=PATIENCE_S)
        assert answer.headers["content-encoding"] == "gzip" and answer.text.endswith("</html>\n")
    assert curl(full, "/by/curl").stdout.endswith(b"</html>\n")
