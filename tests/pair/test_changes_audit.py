"""The audit trail of changes, undo, and the format of requests. See test_changes.py."""

import json

import pytest

from harness.api import BEARER
from harness.services import ADMIN_TOKEN, run
from harness.wait import until

from changes_helpers import (  # noqa: F401 (fixtures)
    ADMIN, api, audit, change, check, counters, ledger, refusal, root, rows)


# --- the audit trail, and undo


def test_the_audit_trail_lists_each_change_with_its_reason(ledger, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    first = change(api, "set", path=a, count=9, why="a typo")
    second = change(api, "rename", **{"from": [a], "to": b})
    assert [(entry["change"], entry["kind"], entry["why"], rows(entry)) for entry in audit(api, a)] == [
        (second["change"], "rename", "a test", [(a, 9, None)]), (first["change"], "set", "a typo", [(a, 3, 9)])]
    newest = audit(api, limit=1)[0]
    assert newest["change"] == second["change"] and rows(newest) == [(a, 9, None), (b, None, 9)]
    assert audit(api, before=second["change"], limit=1)[0]["change"] == first["change"]


@pytest.mark.parametrize("kind, request_", [
    ("delete", {"path": "a"}), ("set", {"path": "a", "count": 100}), ("set", {"path": "c", "count": 100}),
    ("rename", {"from": ["a"], "to": "c"}), ("merge", {"from": ["b"], "to": "a"}),
    ("normalise", {"moves": [{"source": "a", "target": "c"}, {"source": "b", "target": "c"}]}),
    ("import", {"mode": "add", "rows": [{"path": "a", "count": 5}]})])
def test_undo_restores_counts_and_keeps_later_hits(ledger, counters, api, root, kind, request_):
    a, b, c = paths = [root + name for name in "abc"]
    api.count({a: 3, b: 2})
    first = api.get(a)["first"]
    request_ = json.loads(json.dumps(request_).replace('"a"', json.dumps(a)).replace('"b"', json.dumps(b))
                          .replace('"c"', json.dumps(c)))
    made = change(api, kind, **request_)
    path = made["rows"][0]["path"]
    counters[1].api.count({path: 7 for path in paths})
    last = {path: api.get(path)["last"] for path in paths}
    undone = change(api, "undo", path=path)
    assert undone["undoes"] == made["change"]
    check(ledger, counters, {a: 10, b: 9, c: 7})
    assert api.get(a)["first"] == first
    assert {path: api.get(path)["last"] for path in paths} == last
    assert refusal(api, "undo", path=path) == f"There is no change of {path} to undo."


def test_a_change_followed_by_another_one_is_not_undone(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    made = change(api, "rename", **{"from": [a], "to": b})
    change(api, "set", path=b, count=50)
    assert refusal(api, "undo", path=a) == (
        f"Change {made['change']} cannot be undone: {b} was changed again later. Undo that first.")
    assert rows(change(api, "undo", path=b)) == [(b, 50, 3)]
    change(api, "undo", path=b)
    check(ledger, counters, {a: 3, b: 0})


def test_undoing_an_import_leaves_the_hits_since_then(ledger, counters, api, root):
    a = root + "a"
    change(api, "import", mode="add", rows=[{"path": a, "count": 5, "first": "2020-01-02T03:04:05Z"}])
    counters[1].api.count({a: 2})
    assert api.get(a)["first"] == "2020-01-02T03:04:05.000Z"
    change(api, "undo", path=a)
    check(ledger, counters, {a: 2})
    assert api.get(a)["first"] > "2020-01-03"


def test_undo_of_one_path_keeps_the_rest_of_an_import(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    change(api, "import", mode="add", rows=[{"path": a, "count": 5}, {"path": b, "count": 6}])
    change(api, "undo", path=a)
    check(ledger, counters, {a: 0, b: 6})


def test_old_changes_are_deleted_from_the_audit_trail(stage):
    """Deletion stops at the first change that is not old. The undo after it stays, too."""
    ledger = stage.ledger()
    api = stage.counter(ledger, admin_token=ADMIN_TOKEN, audit_days=1).api

    def age(*numbers):
        ledger.run("UPDATE pathcount_changes SET at = at - interval '25 hours' WHERE change = ANY(%s)", list(numbers))

    def kept():
        changes = [entry["change"] for entry in audit(api)]
        assert {change for change, in ledger.run("SELECT change FROM pathcount_changed_rows")} == set(changes)
        return changes

    first, second = (change(api, "set", path="/a", count=count)["change"] for count in (1, 2))
    undo = change(api, "undo", path="/a")["change"]
    age(first, undo)
    fourth = change(api, "set", path="/b", count=1)["change"]
    assert kept() == [fourth, undo, second]  # old changes are deleted before the next request is served
    fifth = change(api, "set", path="/b", count=2)["change"]
    assert kept() == [fifth, fourth, undo, second]
    age(second)
    sixth = change(api, "set", path="/b", count=3)["change"]
    assert kept() == [sixth, fifth, fourth]
    assert refusal(api, "undo", path="/a") == "There is no change of /a to undo."
    assert ledger.counts() == {"/a": 1, "/b": 3}
    change(api, "undo", path="/b")
    check(ledger, [], {"/a": 1, "/b": 2})


def test_audit_days_0_keeps_every_change(stage):
    ledger = stage.ledger()
    api = stage.counter(ledger, admin_token=ADMIN_TOKEN, audit_days=0).api
    for count in range(1, 4):
        change(api, "set", path="/a", count=count)
        ledger.run("UPDATE pathcount_changes SET at = at - interval '1000 days'")
    assert len(audit(api)) == 3


# --- authorization, and invalid requests


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("headers", [BEARER, {"Authorization": "Bearer x"}, {"Authorization": ""}])
def test_a_change_needs_the_admin_token(api, method, headers):
    answer = api.ask(method, "/v1/changes", {"id": "a", "kind": "delete", "path": "/a"}, headers)
    assert answer.status == 401 and "admin_token" in answer.json()["detail"]


def test_the_admin_token_opens_only_changes(api):
    assert api.ask("GET", "/v1/totals", headers=ADMIN).status == 401
    assert api.ask("POST", "/v1/lanes", headers=ADMIN).status == 401


def test_changes_are_refused_without_a_configured_admin_token(stage):
    api = stage.counter(stage.ledger()).api
    for headers in (ADMIN, BEARER, {"Authorization": "Bearer "}):
        assert api.ask("GET", "/v1/changes", headers=headers).status == 401


def test_the_admin_token_must_differ_from_the_counter_token():
    done = run("counter-svc", "--check-config", env={"COUNTER_TOKEN": "same", "ADMIN_TOKEN": "same"})
    assert done.returncode == 2 and "admin_token must differ from counter_token" in done.stderr


ROW = {"path": "/a", "count": 1}


@pytest.mark.parametrize("request_, word", [
    ({"id": None}, "id"), ({"id": "a b"}, "id"), ({"id": "a" * 65}, "id"), ({"part": -1}, "part"),
    ({"part": "0"}, "part"), ({"why": 5}, "why"), ({"why": "x" * 1001}, "why"), ({"dry_run": 1}, "dry_run"),
    ({"kind": "drop"}, "kind"), ({"kind": None}, "kind"), ({"path": "a"}, "path"), ({"path": "/a/../b"}, "path"),
    ({"path": "/" + "a" * 2048}, "path"), ({"path": 1}, "path"), ({"path": "(other paths)"}, "path"),
    ({"kind": "set", "path": "/a", "count": -1}, "count"), ({"kind": "set", "path": "/a", "count": 1.5}, "count"),
    ({"kind": "delete-prefix", "prefix": ""}, "prefix"),
    ({"kind": "delete-prefix", "prefix": "/", "limit": 10001}, "limit"),
    ({"kind": "rename", "from": ["/a", "/b"], "to": "/c"}, "from"), ({"kind": "rename", "from": ["/a"]}, "to"),
    ({"kind": "merge", "from": [], "to": "/c"}, "from"), ({"kind": "merge", "from": ["/a", "/a"], "to": "/c"}, "from"),
    ({"kind": "normalise", "moves": []}, "moves"), ({"kind": "normalise", "moves": [{"source": "/a"}]}, "moves"),
    ({"kind": "normalise", "moves": [{"source": "/a", "target": "/b"}] * 2}, "moves"),
    ({"kind": "normalise", "moves": [{"source": "/a", "target": "/a"}]}, "moves"),
    ({"kind": "normalise", "moves": [{"source": f"/{n}/", "target": f"/{n}"} for n in range(5001)]}, "moves"),
    ({"kind": "normalise", "moves": [{"source": "/b", "target": "/c"}, {"source": "/a", "target": "/b"}]}, "moves"),
    ({"kind": "import", "rows": [ROW]}, "mode"), ({"kind": "import", "mode": "add", "rows": []}, "rows"),
    ({"kind": "import", "mode": "add", "rows": [ROW] * 10001}, "rows"),
    ({"kind": "import", "mode": "replace", "rows": [ROW] * 2}, "once"),
    ({"kind": "import", "mode": "add", "rows": [{"path": "/a", "count": "1"}]}, "rows"),
])
def test_an_invalid_change_is_400(api, request_, word):
    body = {"id": "x", "kind": "delete", "path": "/a", **request_}
    answer = api.ask("POST", "/v1/changes", body, ADMIN)
    assert answer.status == 400 and word in answer.json()["detail"], answer.body


@pytest.mark.parametrize("query", ["limit=0", "limit=21", "limit=x", "before=", "path=a", "path=%2", "other=1"])
def test_an_invalid_audit_query_is_400(api, query):
    assert api.ask("GET", f"/v1/changes?{query}", headers=ADMIN).status == 400


def test_a_change_that_the_table_refuses_changes_nothing(ledger, counters, api, root):
    a = root + "a"
    ledger.fail_folding(a, "23514")
    assert "made by a test" in refusal(api, "set", path=a, count=5)
    ledger.forget_failures()
    check(ledger, counters, {a: 0})


def test_a_path_with_quarantined_hits_is_not_changed(stage):
    ledger = stage.ledger()
    api = stage.counter(ledger, admin_token=ADMIN_TOKEN).api
    api.count({"/b": 1})
    ledger.fail_folding("/a", "23514")
    api.count({"/a": 3})
    until(ledger.quarantine, "hits in the quarantine")
    ledger.forget_failures()
    message = "/a has hits in pathcount_quarantine: settle those first."
    assert refusal(api, "set", path="/a", count=5) == message
    assert refusal(api, "merge", **{"from": ["/b"], "to": "/a"}) == message
    check(ledger, [], {"/a": 3, "/b": 1})
