"""HEAD and other methods, the service's own files, and connections. See test_page.py."""

import hashlib
import json

import pytest

from harness import page
from harness.http import JSON, MINIMAL, Connection, ask, get, hit
from harness.wait import until


# --- HEAD and other methods


@pytest.mark.parametrize("headers", [{}, JSON, MINIMAL])
def test_head_has_the_headers_of_get_and_no_body(pair, headers):
    head, got = (ask(pair.address, method, "/head", headers) for method in ("HEAD", "GET"))
    assert head.status == got.status == 200
    assert head.body == b""
    for name in ("content-type", "cache-control", "preference-applied"):
        assert head.header(name) == got.header(name), name


def test_head_counts_nothing(pair):
    for _ in range(3):
        assert ask(pair.address, "HEAD", "/only/looked/at").status == 200
    assert pair.ledger.count("/only/looked/at") == 0
    assert hit(pair.address, "/only/looked/at") == 1


@pytest.mark.parametrize("target, status", [("/%zz", 400), ("/-/unknown", 404),
                                            ("/" + "a" * 2048, 414)])
def test_head_is_refused_like_get(pair, target, status):
    with Connection(pair.address) as connection:
        answer = connection.ask("HEAD", target)
        assert (answer.status, answer.body) == (status, b"")
        assert connection.ask("GET", "/after/head", MINIMAL).status == 200  # no body followed


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_405_with_allow(pair, method):
    answer = ask(pair.address, method, "/method", JSON, b"" if method == "POST" else None)
    assert answer.status == 405
    assert {name.strip() for name in answer.header("allow").split(",")} == {"GET", "HEAD", "OPTIONS"}
    assert answer.json()["status"] == 405
    assert pair.ledger.count("/method") == 0


# --- the service's own paths


@pytest.mark.parametrize("target", ["/-/unknown", "/-/icon.svg", "/-/../-/x", "/a/../-/b",
                                    "/%2d/unknown", "/-%2Funknown", "/-/unknown?x=1"])
def test_unknown_names_below_the_reserved_prefix_are_404_and_not_counted(pair, target):
    before = pair.ledger.totals()
    assert get(pair.address, target).status == 404
    assert pair.ledger.totals() == before


@pytest.mark.parametrize("form", ["{}", "/%2D{}", "/x/..{}", "{}?v=1"])
def test_own_files_are_found_by_their_canonical_path(pair, form):
    icon = page.read(get(pair.address, "/own/files")).icon
    before = pair.ledger.totals()
    target = form.format(icon.removeprefix("/-") if "%2D" in form else icon)
    assert get(pair.address, target).media_type == "image/svg+xml"
    assert pair.ledger.totals() == before


def assets_of(pair):
    return sorted({link for link in page.read(get(pair.address, "/assets")).links
                   if link.startswith("/-/assets/")})


def test_own_files_have_a_hash_in_their_name_and_are_cached_for_ever(pair):
    assets = assets_of(pair)
    assert [asset.rpartition(".")[2] for asset in assets] == ["svg", "js", "css"]
    for asset in assets:
        answer = get(pair.address, asset)
        assert answer.status == 200
        assert hashlib.sha256(answer.body).hexdigest()[:10] in asset
        assert answer.header("cache-control") == "public, max-age=31536000, immutable"
        assert answer.header("vary") == "accept-encoding"
        assert answer.header("x-content-type-options") == "nosniff"


def test_own_files_of_another_version_are_the_present_ones_and_not_cached(pair):
    for asset in assets_of(pair):
        stem, _, ending = asset.rsplit(".", 2)
        answer = get(pair.address, f"{stem}.0123456789.{ending}")
        assert answer.body == get(pair.address, asset).body
        assert answer.header("cache-control") == "no-store"


@pytest.mark.parametrize("name", ["", "style.css", "style.0123456789.js", "style.012345678.css",
                                  "style.01234567890.css", "style.012345678G.css",
                                  "style.0123456789.css.map", "icon..svg"])
def test_other_names_among_the_own_files_are_404(pair, name):
    assert get(pair.address, f"/-/assets/{name}").status == 404


def test_style_and_script_are_small(pair):
    assert sum(len(get(pair.address, asset).body) for asset in assets_of(pair)) <= 30_000


@pytest.mark.parametrize("path", ["/-", "/-x/y", "/a/-/", "//-/icon.svg", "/favicon.ico", "/live",
                                  "/ready", "/v1/hits"])
def test_paths_that_resemble_reserved_ones_are_counted(pair, path):
    assert hit(pair.address, path) == 1


def test_writing_to_an_own_file_is_405(pair):
    answer = ask(pair.address, "POST", page.read(get(pair.address, "/")).icon, None, b"x")
    assert answer.status == 405
    assert answer.header("allow")


# --- the connection


def test_requests_sent_together_are_answered_in_order(pair):
    with Connection(pair.address) as connection:
        for number in range(20):
            connection.send("GET", f"/pipelined/{number}", MINIMAL)
        answers = [connection.receive().json() for _ in range(20)]
    assert answers == [{"path": f"/pipelined/{number}", "count": 1} for number in range(20)]


def test_an_upgrade_to_http2_is_ignored(pair):
    answer = ask(pair.address, "GET", "/h2c", {
        **MINIMAL, "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"})
    assert answer.status == 200
    assert json.loads(answer.body)["path"] == "/h2c"


def test_an_idle_connection_is_closed_after_idle_ms(stage):
    pair = stage.pair(render_keys={"idle_ms": 1000})
    with Connection(pair.address) as connection:
        assert connection.ask("GET", "/idle", MINIMAL).status == 200
        until(connection.is_closed_by_peer, "an idle connection to be closed", 5)


def test_hits_of_clients_that_disconnect_are_counted(stage):
    pair = stage.pair()
    for _ in range(20):
        with Connection(pair.address) as connection:
            connection.send("GET", "/gone", MINIMAL)
    until(lambda: hit(pair.address, "/gone") == pair.ledger.count("/gone"), "a number")
    assert 1 <= pair.ledger.count("/gone")
    assert hit(pair.address, "/still/there") == 1
