"""Changes of counts: exactly once, in order with hits, and correct at once everywhere."""

import itertools
import json
import secrets

import psycopg
import pytest

from harness.wait import Later, until


@pytest.fixture(scope="module")
def ledger(module_stage):
    return module_stage.ledger()


@pytest.fixture(scope="module")
def counters(module_stage, ledger):
    """Two of them, of which the second folds seldom."""
    return [module_stage.counter(ledger, fold_interval_ms=interval) for interval in (100, 60000)]


@pytest.fixture
def api(counters):
    return counters[0].api


@pytest.fixture
def root():
    """The prefix of the test's own paths."""
    return f"/{secrets.token_hex(4)}/"


def change(ledger, kind, max_paths=10**9, **request):
    """Makes a change in SQL; returns its result."""
    asked = {"id": secrets.token_hex(8), "part": 0, "kind": kind, "why": "a test", **request}
    return ledger.value("SELECT pathcount_change(%s::jsonb, %s)", json.dumps(asked), max_paths)


def rows(result):
    return [(row["path"], row["before"], row["after"]) for row in result["rows"]]


def audit(ledger, path=None, below=None, size=100):
    return ledger.value("SELECT pathcount_audit(%s::text, %s::bigint, %s)", path, below, size)["changes"]


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
    result = change(ledger, "delete", path=a)
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
        result = change(ledger, "delete-prefix", id=id_, part=part, prefix=root, above=root[:-1] + "0",
                        limit=10, after=after)
        deleted += [row["path"] for row in result["rows"]]
        after = result["next"]
        if after is None:
            break
    assert part == 2 and deleted == paths
    check(ledger, counters, {path: 0 for path in paths} | {root[:-1] + "0": 1})


def test_a_count_is_set(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    assert rows(change(ledger, "set", path=a, count=10)) == [(a, 3, 10)]
    assert rows(change(ledger, "set", path=b, count=2**63 - 1)) == [(b, None, 2**63 - 1)]
    assert change(ledger, "set", path=a, count=10)["changed"] == 0
    assert counters[1].api.count({a: 1}) == {a: 11}
    assert rows(change(ledger, "set", path=b, count=0)) == [(b, 2**63 - 1, None)]
    check(ledger, counters, {a: 11, b: 0})
    assert api.get(b) is None and api.get(a)["first"] is not None


def test_a_path_is_renamed_with_its_times(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    first = api.get(a)["first"]
    assert rows(change(ledger, "rename", **{"from": [a], "to": b})) == [(a, 3, None), (b, None, 3)]
    check(ledger, counters, {a: 0, b: 3})
    assert api.get(b)["first"] == first


def test_paths_are_merged(ledger, counters, api, root):
    a, b, c = root + "a", root + "b", root + "c"
    api.count({a: 1, b: 2, c: 4})
    result = change(ledger, "merge", **{"from": [a, b], "to": c})
    assert rows(result) == [(a, 1, None), (b, 2, None), (c, 4, 7)]
    assert (result["paths"], result["hits"]) == (-2, 0)
    check(ledger, counters, {a: 0, b: 0, c: 7})


@pytest.mark.parametrize("mode, count", [("add", 8), ("replace", 5)])
def test_counts_are_imported(ledger, counters, api, root, mode, count):
    a, b = root + "a", root + "b, \"é"
    api.count({a: 3})
    result = change(ledger, "import", mode=mode, rows=[
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
    ("set", {"path": "{}a", "count": 2**63},
     "The count of {}a would not be between 0 and 9223372036854775807."),
    ("import", {"mode": "add", "rows": [{"path": "{}c", "count": 1}, {"path": "{}a", "count": 2**63 - 1}]},
     "The count of {}a would not be between 0 and 9223372036854775807."),
    ("import", {"mode": "add", "rows": [{"path": "{}c", "count": 1, "first": "now"}]},
     '"now" is not a time such as 2026-01-31T12:00:00Z.'),
    ("undo", {"path": "{}a"}, "There is no change of {}a to undo."),
])
def test_what_cannot_be_done_changes_nothing_and_says_why(ledger, counters, api, root, kind, request_, message):
    api.count({root + "a": 1, root + "b": 2})
    before = len(audit(ledger))
    request_ = json.loads(json.dumps(request_).replace("{}", root))
    with pytest.raises(psycopg.Error) as caught:
        change(ledger, kind, **request_)
    assert caught.value.sqlstate == "PC001"
    assert caught.value.diag.message_primary == message.replace("{}", root)
    check(ledger, counters, {root + "a": 1, root + "b": 2, root + "c": 0})
    assert len(audit(ledger)) == before


def test_a_change_keeps_to_max_paths_and_frees_room(ledger, counters, api, root):
    a, b, c = root + "a", root + "b", root + "c"
    api.count({a: 1})
    most = ledger.totals()["paths"] + 1
    change(ledger, "set", most, path=b, count=1)
    with pytest.raises(psycopg.Error, match="There would be more paths than max_paths"):
        change(ledger, "set", most, path=c, count=1)
    change(ledger, "rename", most, **{"from": [a], "to": c})
    check(ledger, counters, {a: 0, b: 1, c: 1})


# --- exactly once, in order


def test_a_repeat_changes_nothing_and_has_the_same_result(ledger, counters, api, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    first = change(ledger, "import", **request)
    api.count({a: 1})
    assert change(ledger, "import", **request) == {**first, "repeat": True}
    with pytest.raises(psycopg.Error, match="The id was used for another change."):
        change(ledger, "import", **{**request, "mode": "replace"})
    check(ledger, counters, {a: 6})


def test_of_repeats_at_once_one_changes(ledger, counters, api, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    results = [Later(change, ledger, "import", **request) for _ in range(6)]
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
        change(ledger, "import", mode="add", rows=[{"path": path, "count": 1000} for path in paths])
        change(ledger, "merge", **{"from": [root + "moved"], "to": root + "sum"})
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
        later = Later(change, ledger, "import", mode="add", rows=[{"path": a, "count": 5}])
        until(lambda: ledger.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                   "AND query LIKE '%%pathcount_change%%'") >= 1, "the change to wait")
        release()
        later.result()
    check(ledger, counters, {a: 6})


def test_a_dry_run_shows_the_effect_and_changes_nothing(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    before = len(audit(ledger))
    generation = ledger.value("SELECT generation FROM pathcount_checkpoint")
    result = change(ledger, "rename", **{"from": [a], "to": b, "dry_run": True})
    assert rows(result) == [(a, 3, None), (b, None, 3)] and result["dry_run"] and result["change"] is None
    assert ledger.value("SELECT generation FROM pathcount_checkpoint") == generation
    assert len(audit(ledger)) == before
    check(ledger, counters, {a: 3, b: 0})


# --- the audit trail, and undo


def test_the_audit_trail_has_what_was_changed_and_why(ledger, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    first = change(ledger, "set", path=a, count=9, why="a typo")
    second = change(ledger, "rename", **{"from": [a], "to": b})
    assert [(entry["change"], entry["kind"], entry["why"], rows(entry)) for entry in audit(ledger, a)] == [
        (second["change"], "rename", "a test", [(a, 9, None)]), (first["change"], "set", "a typo", [(a, 3, 9)])]
    newest = audit(ledger, size=1)[0]
    assert newest["change"] == second["change"] and rows(newest) == [(a, 9, None), (b, None, 9)]
    assert audit(ledger, below=second["change"], size=1)[0]["change"] == first["change"]


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
    made = change(ledger, kind, **request_)
    path = made["rows"][0]["path"]
    counters[1].api.count({path: 7 for path in paths})
    undone = change(ledger, "undo", path=path)
    assert undone["undoes"] == made["change"]
    check(ledger, counters, {a: 10, b: 9, c: 7})
    assert api.get(a)["first"] == first
    with pytest.raises(psycopg.Error, match="There is no change of .* to undo."):
        change(ledger, "undo", path=path)


def test_a_change_is_not_undone_beneath_a_later_one(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 3})
    made = change(ledger, "rename", **{"from": [a], "to": b})
    change(ledger, "set", path=b, count=50)
    with pytest.raises(psycopg.Error) as caught:
        change(ledger, "undo", path=a)
    assert caught.value.diag.message_primary == (
        f"Change {made['change']} cannot be undone: {b} was changed again later. Undo that first.")
    assert rows(change(ledger, "undo", path=b)) == [(b, 50, 3)]
    change(ledger, "undo", path=b)
    check(ledger, counters, {a: 3, b: 0})


def test_of_an_import_the_path_alone_is_undone(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    change(ledger, "import", mode="add", rows=[{"path": a, "count": 5}, {"path": b, "count": 6}])
    change(ledger, "undo", path=a)
    check(ledger, counters, {a: 0, b: 6})
