"""Changes of counts: exactly once, in order with hits, and visible at every counter at once."""

import itertools
import json
import secrets

import pytest

from harness.services import ADMIN_TOKEN
from harness.wait import Later, until

from changes_helpers import (  # noqa: F401 (fixtures)
    ADMIN, api, audit, change, check, counters, ledger, refusal, root, rows)


# --- each change


def test_a_deleted_path_counts_from_zero(ledger, counters, api, root):
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
        api.count({paths[0]: 1})  # it stays: the next part continues after it
    assert part == 2 and deleted == paths
    check(ledger, counters, {path: 0 for path in paths} | {root[:-1] + "0": 1, paths[0]: 2})


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


def test_a_renamed_path_keeps_its_times(ledger, counters, api, root):
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


def test_paths_are_normalised(ledger, counters, api, root):
    """Rows move to paths with a row and to one without. A source without a row is skipped."""
    a, b, upper, slash, other = root + "a", root + "b", root + "A", root + "a/", root + "B"
    api.count({slash: 4})
    last = api.get(slash)["last"]
    api.count({a: 1, upper: 2, other: 8})
    result = change(api, "normalise", moves=[
        {"source": source, "target": target}
        for source, target in [(upper, a), (slash, a), (other, b), (root + "none", root + "also-none")]])
    assert rows(result) == [(upper, 2, None), (other, 8, None), (a, 1, 7), (slash, 4, None), (b, None, 8)]
    assert (result["paths"], result["hits"]) == (-2, 0)
    check(ledger, counters, {a: 7, b: 8, upper: 0, slash: 0, other: 0})
    assert api.get(a)["first"] <= last <= api.get(a)["last"]
    counters[1].api.count({a: 1})
    assert change(api, "undo", path=other)["undoes"] == result["change"]
    check(ledger, counters, {a: 2, b: 0, upper: 2, slash: 4, other: 8})


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


def day(number):
    return f"2020-01-{number:02}T00:00:00Z"


def times(api, path):
    row = api.get(path)
    return row["first"][8:10], row["last"][8:10]


@pytest.mark.parametrize("kind", ["merge", "normalise"])
def test_merged_rows_keep_the_first_and_the_last_hit(api, root, kind):
    """Of three rows one source has the earliest hit, another one the latest hit; the third is the target."""
    a, b, c, d = (root + name for name in "abcd")
    change(api, "import", mode="add", rows=[
        {"path": path, "count": 1, "first": day(first), "last": day(last)}
        for path, first, last in [(a, 3, 4), (b, 2, 5), (c, 4, 9), (d, 1, 6)]])
    change(api, "merge", **{"from": [d], "to": c})
    assert times(api, c) == ("01", "09")
    if kind == "merge":
        change(api, "merge", **{"from": [b, c], "to": a})
    else:
        change(api, "normalise", moves=[{"source": source, "target": a} for source in (b, c)])
    assert times(api, a) == ("01", "09")
    change(api, "rename", **{"from": [a], "to": b})
    change(api, "import", mode="add", rows=[{"path": a, "count": 1, "first": day(5), "last": day(6)}])
    request = {"from": [a], "to": b} if kind == "merge" else {"moves": [{"source": a, "target": b}]}
    change(api, kind, **request)
    assert times(api, b) == ("01", "09")


def test_an_import_adds_all_rows_of_a_path_and_widens_its_times(ledger, counters, api, root):
    a = root + "a"
    change(api, "import", mode="add", rows=[{"path": a, "count": 1, "first": day(3), "last": day(8)}])
    result = change(api, "import", mode="add", rows=[
        {"path": a, "count": 2, "first": day(4), "last": day(5)}, {"path": a, "count": 4}])
    assert rows(result) == [(a, 1, 7)] and times(api, a) == ("03", "08")
    change(api, "import", mode="add", rows=[{"path": a, "count": 8, "first": day(2), "last": day(9)}])
    assert times(api, a) == ("02", "09")
    change(api, "import", mode="replace", rows=[{"path": a, "count": 5, "first": day(4)}])
    assert times(api, a) == ("04", "09")
    check(ledger, counters, {a: 5})


# --- refused changes


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
def test_an_impossible_change_is_refused_with_the_reason(ledger, counters, api, root, kind, request_, message):
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
    beyond = module_stage.counter(ledger, admin_token=ADMIN_TOKEN, max_paths=1).api
    change(beyond, "set", path=b, count=2)
    change(beyond, "merge", **{"from": [b], "to": c})
    check(ledger, counters, {a: 0, b: 0, c: 3})


# --- exactly once, in order


def test_a_repeat_changes_nothing_and_has_the_same_result(ledger, counters, api, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    first = change(api, "import", **request)
    api.count({a: 1})
    assert change(api, "import", **request) == {**first, "repeat": True}
    assert refusal(api, "import", **{**request, "mode": "replace"}) == "The id was used for another change."
    check(ledger, counters, {a: 6})


def test_of_simultaneous_repeats_one_is_applied(ledger, counters, api, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    results = [Later(change, api, "import", **request) for _ in range(6)]
    assert sorted(result.result()["repeat"] for result in results) == [False] + [True] * 5
    check(ledger, counters, {a: 5})


def test_of_repeats_at_two_counters_one_is_applied(ledger, counters, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    with ledger.locked(a) as release:
        results = [Later(change, counter.api, "import", **request) for counter in counters]
        ledger.until_waiting(2)
        release()
        assert sorted(result.result()["repeat"] for result in results) == [False, True]
    check(ledger, counters, {a: 5})


def test_changes_and_repeats_are_confirmed_after_the_standby_has_them(ledger, counters, root):
    request = {"id": secrets.token_hex(8), "kind": "set", "path": root + "a", "count": 5}
    with ledger.cluster.without_standby():
        for counter in counters:
            answer = Later(counter.api.ask, "POST", "/v1/changes", request, ADMIN)
            backend, = until(lambda: ledger.backends("wait_event = 'SyncRep'"), "the commit to wait for its standby")
            ledger.run("SELECT pg_cancel_backend(%s)", backend)
            assert answer.result().status == 503
    answer = until(lambda: (answer := counters[0].api.ask("POST", "/v1/changes", request, ADMIN)).status != 503
                   and answer, "the change to be confirmed")
    assert answer.json()["repeat"]
    check(ledger, counters, {root + "a": 5})


def test_a_hit_that_is_appended_before_a_change_is_counted_before_it(ledger, counters, api, root):
    """The hit is appended after the change has folded all others and while it waits for the journal."""
    a = root + "a"
    api.count({a: 3})
    ledger.until_folded()
    with ledger.held_appends(paths=[a], hits=[1]) as release:
        deleted = Later(change, counters[1].api, "delete", path=a)
        ledger.until_waiting(1)
        release("COMMIT")
        assert rows(deleted.result()) == [(a, 4, None)]
    check(ledger, counters, {a: 0})


def test_changes_while_hits_are_counted_lose_none(ledger, counters, api, root):
    """Both counters count. Each change adds a number to the present count."""
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


def test_views_are_read_while_counts_change(counters, api, root):
    """After each change a counter reloads its state. A view waits for this."""
    paths = [f"{root}{number:03}" for number in range(30)]
    api.count_all(dict.fromkeys(paths, 1))
    stop = []

    def browse(counter):
        pages = 0
        while not stop:
            assert [path for path, _ in counter.api.pages(order="path", prefix=root, limit=10)] == paths
            pages += 3
        return pages
    readers = [Later(browse, counter) for counter in counters]
    for count in range(2, 42):
        change(api, "set", path=paths[0], count=count)
    stop.append(True)
    assert all(reader.result() for reader in readers)


def test_a_change_waits_for_locked_rows_and_is_exact(ledger, counters, api, root):
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


def test_a_dry_run_delays_no_hit(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 1})
    with ledger.locked(a) as release:
        dry = Later(change, api, "set", path=a, count=5, dry_run=True)
        ledger.until_waiting(1)
        assert counters[1].api.count({b: 1}) == {b: 1}
        assert not dry.done
        release()
        assert rows(dry.result()) == [(a, 1, 5)]
