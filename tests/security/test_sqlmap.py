"""sqlmap finds no parameter, path or header that reaches PostgreSQL as SQL, in either API."""

import json

import pytest

import holes
import tools
from harness.services import TOKEN

TECHNIQUES = "BEUSTQ" if tools.THOROUGH else "BEU"  # blind tests measure time
LEVEL = "5" if tools.THOROUGH else "1"

PUBLIC = {
    "the query of the table": "/-/paths?order=count&prefix=/a&limit=10&after=/a&format=json",
    "a path of the table": "/-/paths/a*?format=json",
    "a path that is counted": "/visited*",
    "a badge": "/-/badge/a*.svg?label=x&color=red",
    "a hit of another site": "/-/hit/elsewhere*.gif",
    "a page of the table as CSV": "/-/paths?order=path&before=/b&format=csv",
}
INTERNAL = {
    "the rows": "/v1/paths?order=count&prefix=/a&limit=10&after=/a",
    "a path": "/v1/paths/a*",
}
ACCEPT = "Accept: application/json"


def sqlmap(address, target, folder, *options, dbms="postgresql"):
    return tools.run(
        ["sqlmap", "-u", "http://%s:%d" % address + target, "--batch", "--flush-session", "--disable-coloring",
         f"--output-dir={folder}", f"--dbms={dbms}", f"--level={LEVEL}", f"--risk={3 if tools.THOROUGH else 1}",
         f"--technique={TECHNIQUES}", "--timeout=10", "--retries=0", "--ignore-code=400", *options],
        folder, 3000 if tools.THOROUGH else 300)


def assert_found_nothing(said):
    assert "all tested parameters do not appear to be injectable" in said
    assert "identified the following injection point" not in said


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_api_has_no_injection(pair, tmp_path, name):
    assert_found_nothing(sqlmap(pair.address, PUBLIC[name], tmp_path, "-H", ACCEPT))


def test_no_header_has_an_injection(pair, tmp_path):
    assert_found_nothing(sqlmap(pair.address, "/header", tmp_path, "-H", ACCEPT + "*", "-H", "Prefer: return=minimal*"))


@pytest.mark.parametrize("name", INTERNAL)
def test_the_internal_api_has_no_injection(pair, tmp_path, name):
    assert_found_nothing(sqlmap(pair.counter.address, INTERNAL[name], tmp_path, "-H", f"Authorization: Bearer {TOKEN}"))


def test_a_batch_has_no_injection(pair, tmp_path):
    batch = json.dumps({"lane": pair.api.lane(), "sequence": 1, "paths": ["/a*"], "hits": [1]})
    assert_found_nothing(sqlmap(pair.counter.address, "/v1/hits?order=count&limit=10", tmp_path, "--data", batch, "-H",
                                f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/json"))


def test_the_ledger_is_unchanged(pair):
    """Checks that the tables still exist, and that their totals agree with their rows."""
    assert pair.ledger.totals() == pair.ledger.totals_by_scanning()
    assert pair.ledger.count("/blog/x") == 1


def test_sqlmap_finds_a_planted_vulnerability(tmp_path):
    with holes.Server() as server:
        said = sqlmap(server.address, "/?path=/a", tmp_path, dbms="sqlite")
        assert "identified the following injection point" in said
