"""Changes of counts: exactly once, in order with hits, and correct at once everywhere."""

import itertools
import json
import secrets
from urllib.parse import quote, urlencode

import pytest

from harness.services import ADMIN_TOKEN
from harness.wait import Later, until

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture(scope="module")
def ledger(module_stage):
    return module_stage.ledger()


@pytest.fixture(scope="module")
def counters(module_stage, ledger):
    """Two of them, of which the second folds seldom."""
    return [module_stage.counter(ledger, admin_token=ADMIN_TOKEN, fold_interval_ms=interval)
            for interval in (100, 60000)]


@pytest.fixture
def api(counters):
    return counters[0].api


@pytest.fixture
def root():
    """The prefix of the test's own paths."""
    return f"/{secrets.token_hex(4)}/"


def ask(api, kind, **request):
    """Asks for a change until it is made or refused: it may have to wait too long for a lock."""
    body = {"id": secrets.token_hex(8), "kind": kind, "why": "a test", **request}
    return until(lambda: (answer := api.ask("POST", "/v1/changes", body, ADMIN)).status != 503 and answer,
                 "a change to be made or refused")


def change(api, kind, **request):
    """Makes a change; returns its result."""
    answer = ask(api, kind, **request)
    assert answer.status == 200, answer.body
    return answer.json()


def refusal(api, kind, **request):
    """Asks for a change that cannot be made; returns why not."""
    answer = ask(api, kind, **request)
    assert answer.status == 409, answer.body
    return answer.json()["detail"]


def rows(result):
    return [(row["path"], row["before"], row["after"]) for row in result["rows"]]


def audit(api, path=None, **query):
    query |= {"path": path} if path else {}
    answer = api.ask("GET", "/v1/changes?" + urlencode(query, quote_via=quote), headers=ADMIN)
    assert answer.status == 200, answer.body
    return answer.json()["changes"]


def check(ledger, counters, counts):
    """Every counter has these counts, 0 for none, and totals that agree with a scan."""
    for path, count in counts.items():
        assert ledger.count(path) == count
        for counter in counters:
            assert (counter.api.get_count(path) or 0) == count
    kept, scanned = ledger.totals_both_ways()
    assert kept == scanned
    for counter in counters:
        assert counter.api.totals() == kept


# --- each change


def test_a_path_is_deleted_and_begins_anew(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3, b: 1})
    result = change(api, "delete", path=a)
    assert rows(result) == [(a, 3, None)]
    assert (result["changed"], result["paths"], result["hits"]) == (1, -1, -3)
    check(ledger, counters, {a: 0, b: 1})
    assert counters[1].api.count({a: 1}) == {a: 1}
    check(ledger, counters, {a: 1, b: 1})


def test_a_prefix_is_deleted_in_parts(ledger, counters, api, root):
    paths = [f"{root}{n:03}" for n in range(25)]
    api.count({path: 2 for path in paths} | {root[:-1] + "0": 1})
    id_, after, deleted = secrets.token_hex(8), None, []
    for part in itertools.count():
        result = change(api, "delete-prefix", id=id_, part=part, prefix=root, limit=10, after=after)
        deleted += [row["path"] for row in result["rows"]]
        after = result["next"]
        if after is None:
            break
    assert part == 2 and deleted == paths
    check(ledger, counters, {path: 0 for path in paths} | {root[:-1] + "0": 1})


def test_a_count_is_set(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    assert rows(change(api, "set", path=a, count=10)) == [(a, 3, 10)]
    assert rows(change(api, "set", path=b, count=2**63 - 1)) == [(b, None, 2**63 - 1)]
    assert change(api, "set", path=a, count=10)["changed"] == 0
    assert counters[1].api.count({a: 1}) == {a: 11}
    assert rows(change(api, "set", path=b, count=0)) == [(b, 2**63 - 1, None)]
    check(ledger, counters, {a: 11, b: 0})
    assert api.get(b) is None and api.get(a)["first"] is not None


def test_a_path_is_renamed_with_its_times(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    first = api.get(a)["first"]
    assert rows(change(api, "rename", **{"from": [a], "to": b})) == [(a, 3, None), (b, None, 3)]
    check(ledger, counters, {a: 0, b: 3})
    assert api.get(b)["first"] == first


def test_paths_are_merged(ledger, counters, api, root):
    a, b, c = root + "a", root + "b", root + "c"
    api.count({a: 1, b: 2, c: 4})
    result = change(api, "merge", **{"from": [a, b], "to": c})
    assert rows(result) == [(a, 1, None), (b, 2, None), (c, 4, 7)]
    assert (result["paths"], result["hits"]) == (-2, 0)
    check(ledger, counters, {a: 0, b: 0, c: 7})


@pytest.mark.parametrize("mode, count", [("add", 8), ("replace", 5)])
def test_counts_are_imported(ledger, counters, api, root, mode, count):
    a, b = root + "a", root + "b, \"é"
    api.count({a: 3})
    result = change(api, "import", mode=mode, rows=[
        {"path": a, "count": 5, "first": "2020-01-02T03:04:05Z", "last": "2021-01-02T03:04:05+01:00"},
        {"path": b, "count": 7}])
    assert rows(result) == [(a, 3, count), (b, None, 7)]
    check(ledger, counters, {a: count, b: 7})
    assert api.get(a)["first"] == "2020-01-02T03:04:05.000Z"
    assert (api.get(a)["last"] == "2021-01-02T02:04:05.000Z") == (mode == "replace")
    assert api.get(b)["first"] is None


# --- what is refused


@pytest.mark.parametrize("kind, request_, message", [
    ("delete", {"path": "{}none"}, "{}none has no count."),
    ("rename", {"from": ["{}none"], "to": "{}b"}, "{}none has no count."),
    ("rename", {"from": ["{}a"], "to": "{}b"}, "{}b has a count already: merge into it instead."),
    ("merge", {"from": ["{}a", "{}b"], "to": "{}a"}, "{}a cannot be merged into itself."),
    ("import", {"mode": "add", "rows": [{"path": "{}c", "count": 1}, {"path": "{}a", "count": 2**63 - 1}]},
     "The count of {}a would not be between 0 and 9223372036854775807."),
    ("import", {"mode": "add", "rows": [{"path": "{}c", "count": 1, "first": "now"}]},
     '"now" is not a time such as 2026-01-31T12:00:00Z.'),
    ("undo", {"path": "{}a"}, "There is no change of {}a to undo."),
])
def test_what_cannot_be_done_changes_nothing_and_says_why(ledger, counters, api, root, kind, request_, message):
    api.count({root + "a": 1, root + "b": 2})
    before = audit(api, limit=1)
    request_ = json.loads(json.dumps(request_).replace("{}", root))
    assert refusal(api, kind, **request_) == message.replace("{}", root)
    check(ledger, counters, {root + "a": 1, root + "b": 2, root + "c": 0})
    assert audit(api, limit=1) == before


def test_a_change_keeps_to_max_paths_and_frees_room(module_stage, ledger, counters, api, root):
    a, b, c = root + "a", root + "b", root + "c"
    api.count({a: 1})
    most = ledger.totals()["paths"] + 1
    limited = module_stage.counter(ledger, admin_token=ADMIN_TOKEN, max_paths=most).api
    change(limited, "set", path=b, count=1)
    assert refusal(limited, "set", path=c, count=1) == f"There would be more paths than max_paths ({most})."
    change(limited, "rename", **{"from": [a], "to": c})
    check(ledger, counters, {a: 0, b: 1, c: 1})


# --- exactly once, in order


def test_a_repeat_changes_nothing_and_has_the_same_result(ledger, counters, api, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    first = change(api, "import", **request)
    api.count({a: 1})
    assert change(api, "import", **request) == {**first, "repeat": True}
    assert refusal(api, "import", **{**request, "mode": "replace"}) == "The id was used for another change."
    check(ledger, counters, {a: 6})


def test_of_repeats_at_once_one_changes(ledger, counters, api, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    results = [Later(change, api, "import", **request) for _ in range(6)]
    assert sorted(result.result()["repeat"] for result in results) == [False] + [True] * 5
    check(ledger, counters, {a: 5})


def test_changes_while_hits_are_counted_lose_none(ledger, counters, api, root):
    """Both counters count; each change adds relative to what was counted before it."""
    paths, stop, counted = [root + "a", root + "b"], [], {}

    def hammer(counter, path):
        lane = counter.api.lane()
        for sequence in itertools.count(1):
            if stop:
                return
            assert counter.api.post(lane, sequence, {path: 1, root + "moved": 1}).status == 200
            counted[path] = sequence

    clients = [Later(hammer, counter, path) for counter, path in zip(counters, paths)]
    until(lambda: len(counted) == 2, "both to count")
    for _ in range(15):
        change(api, "import", mode="add", rows=[{"path": path, "count": 1000} for path in paths])
        change(api, "merge", **{"from": [root + "moved"], "to": root + "sum"})
        seen = dict(counted)
        until(lambda: all(counted[path] > seen[path] for path in paths), "further hits")
    stop.append(True)
    for client in clients:
        client.result()
    check(ledger, counters, {path: 15000 + counted[path] for path in paths})
    assert ledger.count(root + "moved") + ledger.count(root + "sum") == sum(counted.values())


def test_a_change_of_rows_that_are_held_waits_and_is_exact(ledger, counters, api, root):
    a = root + "a"
    api.count({a: 1})
    with ledger.locked(a) as release:
        later = Later(change, api, "import", mode="add", rows=[{"path": a, "count": 5}])
        until(lambda: ledger.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                   "AND query LIKE '%%pathcount_change%%'") >= 1, "the change to wait")
        release()
        later.result()
    check(ledger, counters, {a: 6})


def test_a_dry_run_shows_the_effect_and_changes_nothing(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    before = audit(api, limit=1)
    generation = ledger.value("SELECT generation FROM pathcount_checkpoint")
    result = change(api, "rename", **{"from": [a], "to": b, "dry_run": True})
    assert rows(result) == [(a, 3, None), (b, None, 3)] and result["dry_run"] and result["change"] is None
    assert ledger.value("SELECT generation FROM pathcount_checkpoint") == generation
    assert audit(api, limit=1) == before
    check(ledger, counters, {a: 3, b: 0})


# --- the audit trail, and undo


def test_the_audit_trail_has_what_was_changed_and_why(ledger, api, root):
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
    ("import", {"mode": "add", "rows": [{"path": "a", "count": 5}]})])
def test_undo_restores_what_was_and_keeps_the_hits_since(ledger, counters, api, root, kind, request_):
    a, b, c = paths = [root + name for name in "abc"]
    api.count({a: 3, b: 2})
    first = api.get(a)["first"]
    request_ = json.loads(json.dumps(request_).replace('"a"', json.dumps(a)).replace('"b"', json.dumps(b))
                          .replace('"c"', json.dumps(c)))
    made = change(api, kind, **request_)
    path = made["rows"][0]["path"]
    counters[1].api.count({path: 7 for path in paths})
    undone = change(api, "undo", path=path)
    assert undone["undoes"] == made["change"]
    check(ledger, counters, {a: 10, b: 9, c: 7})
    assert api.get(a)["first"] == first
    assert refusal(api, "undo", path=path) == f"There is no change of {path} to undo."


def test_a_change_is_not_undone_beneath_a_later_one(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    made = change(api, "rename", **{"from": [a], "to": b})
    change(api, "set", path=b, count=50)
    assert refusal(api, "undo", path=a) == (
        f"Change {made['change']} cannot be undone: {b} was changed again later. Undo that first.")
    assert rows(change(api, "undo", path=b)) == [(b, 50, 3)]
    change(api, "undo", path=b)
    check(ledger, counters, {a: 3, b: 0})


def test_of_an_import_the_path_alone_is_undone(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    change(api, "import", mode="add", rows=[{"path": a, "count": 5}, {"path": b, "count": 6}])
    change(api, "undo", path=a)
    check(ledger, counters, {a: 0, b: 6})
