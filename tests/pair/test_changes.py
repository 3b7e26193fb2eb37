"""Changes of counts: exactly once, in order with hits, and correct at once everywhere."""

import itertools
import json
import secrets
import subprocess
from urllib.parse import quote, urlencode

import pytest

from harness.api import BEARER
from harness.http import get
from harness.services import ADMIN_TOKEN, TOKEN, environment, program, run
from harness.wait import Later, until

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}

# Counters wait for longer than a slow machine takes.
PATIENT = dict.fromkeys(("batch_deadline_ms", "read_deadline_ms", "statement_timeout_ms", "lock_timeout_ms"), 20000)


@pytest.fixture(scope="module")
def ledger(module_stage):
    return module_stage.ledger()


@pytest.fixture(scope="module")
def counters(module_stage, ledger):
    """Two of them, of which the second folds seldom."""
    return [module_stage.counter(ledger, admin_token=ADMIN_TOKEN, fold_interval_ms=interval, **PATIENT)
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
        api.count({paths[0]: 1})  # it stays: the parts go on behind it
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


def test_paths_are_normalised(ledger, counters, api, root):
    """Rows move to paths that have a row and to one that has none; a source without a row is left out."""
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
def test_rows_that_become_one_have_the_first_and_the_last_hit_of_all(api, root, kind):
    """The source with the earliest hit, the one with the latest hit and the target are three rows."""
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


def test_of_repeats_at_once_one_changes(ledger, counters, api, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    results = [Later(change, api, "import", **request) for _ in range(6)]
    assert sorted(result.result()["repeat"] for result in results) == [False] + [True] * 5
    check(ledger, counters, {a: 5})


def test_of_repeats_at_two_counters_one_changes(ledger, counters, root):
    a = root + "a"
    request = {"id": secrets.token_hex(8), "mode": "add", "rows": [{"path": a, "count": 5}]}
    with ledger.locked(a) as release:
        results = [Later(change, counter.api, "import", **request) for counter in counters]
        ledger.until_waiting(2)
        release()
        assert sorted(result.result()["repeat"] for result in results) == [False, True]
    check(ledger, counters, {a: 5})


def test_neither_a_change_nor_its_repeat_is_confirmed_before_the_standby_has_it(ledger, counters, root):
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


def test_a_hit_whose_commit_a_change_waits_for_comes_before_it(ledger, counters, api, root):
    """It is appended when the change has folded all others, and waits for the journal."""
    a = root + "a"
    api.count({a: 3})
    until(lambda: ledger.unfolded() == 0, "everything to be folded")
    with ledger.held_appends(paths=[a], hits=[1]) as release:
        deleted = Later(change, counters[1].api, "delete", path=a)
        ledger.until_waiting(1)
        release("COMMIT")
        assert rows(deleted.result()) == [(a, 4, None)]
    check(ledger, counters, {a: 0})


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


def test_pages_are_read_while_counts_are_changed(counters, api, root):
    """A counter reads its state anew after each change: who reads a page then waits for it."""
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


def test_hits_do_not_wait_for_a_dry_run(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    api.count({a: 1})
    with ledger.locked(a) as release:
        dry = Later(change, api, "set", path=a, count=5, dry_run=True)
        ledger.until_waiting(1)
        assert counters[1].api.count({b: 1}) == {b: 1}
        assert not dry.done
        release()
        assert rows(dry.result()) == [(a, 1, 5)]


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
    ("normalise", {"moves": [{"source": "a", "target": "c"}, {"source": "b", "target": "c"}]}),
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
    last = {path: api.get(path)["last"] for path in paths}
    undone = change(api, "undo", path=path)
    assert undone["undoes"] == made["change"]
    check(ledger, counters, {a: 10, b: 9, c: 7})
    assert api.get(a)["first"] == first
    assert {path: api.get(path)["last"] for path in paths} == last
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


def test_a_row_that_an_import_has_made_keeps_only_the_hits_since(ledger, counters, api, root):
    a = root + "a"
    change(api, "import", mode="add", rows=[{"path": a, "count": 5, "first": "2020-01-02T03:04:05Z"}])
    counters[1].api.count({a: 2})
    assert api.get(a)["first"] == "2020-01-02T03:04:05.000Z"
    change(api, "undo", path=a)
    check(ledger, counters, {a: 2})
    assert api.get(a)["first"] > "2020-01-03"


def test_of_an_import_the_path_alone_is_undone(ledger, counters, api, root):
    a, b = root + "a", root + "b"
    change(api, "import", mode="add", rows=[{"path": a, "count": 5}, {"path": b, "count": 6}])
    change(api, "undo", path=a)
    check(ledger, counters, {a: 0, b: 6})


def test_old_changes_leave_the_audit_trail_from_the_oldest_on(stage):
    """The second one is kept since it is not old, and with it the undo of it."""
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


def test_without_audit_days_the_audit_trail_keeps_everything(stage):
    ledger = stage.ledger()
    api = stage.counter(ledger, admin_token=ADMIN_TOKEN, audit_days=0).api
    for count in range(1, 4):
        change(api, "set", path="/a", count=count)
        ledger.run("UPDATE pathcount_changes SET at = at - interval '1000 days'")
    assert len(audit(api)) == 3


# --- who may, and what is wrong in form


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("headers", [BEARER, {"Authorization": "Bearer x"}, {"Authorization": ""}])
def test_a_change_needs_the_admin_token(api, method, headers):
    answer = api.ask(method, "/v1/changes", {"id": "a", "kind": "delete", "path": "/a"}, headers)
    assert answer.status == 401 and "admin_token" in answer.json()["detail"]


def test_the_admin_token_is_good_for_changes_alone(api):
    assert api.ask("GET", "/v1/totals", headers=ADMIN).status == 401
    assert api.ask("POST", "/v1/lanes", headers=ADMIN).status == 401


def test_without_admin_token_there_are_no_changes(stage):
    api = stage.counter(stage.ledger()).api
    for headers in (ADMIN, BEARER, {"Authorization": "Bearer "}):
        assert api.ask("GET", "/v1/changes", headers=headers).status == 401


def test_the_admin_token_is_not_that_of_renderers():
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
def test_a_change_that_is_wrong_in_form_is_400(api, request_, word):
    body = {"id": "x", "kind": "delete", "path": "/a", **request_}
    answer = api.ask("POST", "/v1/changes", body, ADMIN)
    assert answer.status == 400 and word in answer.json()["detail"], answer.body


@pytest.mark.parametrize("query", ["limit=0", "limit=21", "limit=x", "before=", "path=a", "path=%2", "other=1"])
def test_an_audit_query_that_is_wrong_is_400(api, query):
    assert api.ask("GET", f"/v1/changes?{query}", headers=ADMIN).status == 400


def test_a_row_that_the_table_refuses_is_no_change(ledger, counters, api, root):
    a = root + "a"
    ledger.fail_folding(a, "23514")
    assert "made by a test" in refusal(api, "set", path=a, count=5)
    ledger.forget_failures()
    check(ledger, counters, {a: 0})


def test_a_path_with_hits_in_the_quarantine_is_not_changed(stage):
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


# --- the command


@pytest.fixture
def command(counters, ledger, tmp_path):
    """Runs `counter-svc change` at the first counter, or at another one with its ledger; returns its status,
    output and errors."""
    config = tmp_path / "counter.yml"

    def run_change(*words, stdin=None, at=(counters[0], ledger), **keys):
        host, port = at[0].address
        config.write_text(json.dumps({**at[1].keys, "listen": f"{host}:{port}", "counter_token": TOKEN,
                                      "admin_token": ADMIN_TOKEN, **keys}))
        done = subprocess.run([program("counter-svc"), "change", "--config", str(config), *map(str, words)],
                              input=stdin, stdin=None if stdin else subprocess.DEVNULL, capture_output=True,
                              env=environment(), timeout=120, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    return run_change


def test_each_action_of_the_command(ledger, counters, api, command, root):
    a, b, c = root + "a", root + "b é", root + "c"
    api.count({a: 3, c: 1})
    status, said, errors = command("set", a, 10, "--why", "a typo", "--dry-run")
    assert (status, errors) == (0, "") and f"{a}: 3 -> 10" in said and "would change: rows=1" in said
    check(ledger, counters, {a: 3})
    assert command("set", a, 10, "--why", "a typo")[0] == 0
    assert command("rename", a, b)[0] == 0
    assert command("merge", b, c, a)[0] == 0
    check(ledger, counters, {a: 11, b: 0, c: 0})
    status, said, _ = command("log", a)
    assert status == 0 and "merge" in said and 'why="a typo"' in said
    assert command("undo", a)[0] == 0
    check(ledger, counters, {a: 0, b: 10, c: 1})
    assert command("delete", b)[0] == 0
    status, said, _ = command("delete", "--prefix", root)
    assert status == 0 and "rows=1 paths=-1 hits=-1" in said
    check(ledger, counters, {a: 0, b: 0, c: 0})
    status, said, errors = command("delete", a)
    assert status == 1 and "has no count." in errors and not said


def test_the_command_repeats_a_change_that_was_not_made_in_time(module_stage, ledger, counters, command, root):
    """A row is held for longer than the lock timeout."""
    a = root + "a"
    counter = module_stage.counter(ledger, admin_token=ADMIN_TOKEN)
    with ledger.locked(a) as release:
        done = Later(command, "set", a, 7, at=(counter, ledger))
        until(lambda: counter.events("change-failed"), "a change that was not made in time")
        release()
        status, said, errors = done.result()
    assert status == 0 and "waiting" in errors and "rows=1 paths=+0 hits=+7" in said
    check(ledger, counters, {a: 7})


@pytest.mark.parametrize("words", [
    [], ["drop", "/a"], ["set", "/a"], ["set", "a", "1"], ["delete"], ["delete", "/a", "--prefix", "/"],
    ["import", "x.csv"], ["import", "--add", "x.csv", "y.csv"], ["set", "/a", "1", "--prefix", "/b"],
    ["normalise", "/a"], ["normalise", "--id", "x"], ["set", "/a", "1", "--before", "1"], ["log", "--before", "x"],
    ["set", "/a", "1", "--add"], ["delete", "/a", "--why"], ["delete", "/a", "--unknown"]])
def test_a_wrong_command_line_is_said_in_one_line(command, words):
    status, said, errors = command(*words)
    assert status == 2 and not said and errors.count("\n") == 1 and "--help" in errors


SCRIPTS = ["latin-ÆŁß", "ελληνικά", "кириллица", "العربية", "עברית", "देवनागरी", "ไทย", "漢字かな", "한국어", "አማርኛ",
           "👩\u200d👩\u200d👧", "e\u0301", "\u202eabc", "\ufeff", "\U0010ffff", "\x01\x7f", " a ", "a\tb", "a\rb", "a\nb",
           "a\r\nb", '"', '""', ",", ";", "'=1", "=1", "\\", "?a=b#c", "%25", "a//b", "a/", "z" * 2000]


@pytest.mark.parametrize("bom", ["", "&bom=1"])
def test_an_export_of_everything_makes_the_same_ledger(module_stage, ledger, counters, api, command, root, bom):
    """Paths in all scripts, and with everything that CSV has to quote; the second export is the first one."""
    api.count({f"{root}{name}": n for n, name in enumerate(SCRIPTS, 1)})
    target = f"/-/paths?format=csv{bom}"
    exported = get(module_stage.render(counters[0]).address, target).body
    copy = module_stage.ledger()
    counter = module_stage.counter(copy, admin_token=ADMIN_TOKEN, **PATIENT)
    status, _, errors = command("import", "--replace", "-", stdin=exported, at=(counter, copy))
    assert status == 0 and "left out" not in errors, errors
    assert {path: copy.count(path) for path in copy.counts()} == ledger.counts()
    assert counter.api.totals() == ledger.totals()
    assert get(module_stage.render(counter).address, target).body == exported


def test_hits_of_other_paths_are_left_out_of_an_import(module_stage, command):
    """An export has them in one row, which is not the row of a path."""
    ledger, copy = module_stage.ledger(), module_stage.ledger()
    counter = module_stage.counter(ledger, max_paths=2, **PATIENT)
    counter.api.count({"/a": 1, "/b": 2})
    counter.api.count({"/c": 4, "/d": 8})
    exported = get(module_stage.render(counter).address, "/-/paths?format=csv").body
    assert b"(other paths),12" in exported
    at = (module_stage.counter(copy, admin_token=ADMIN_TOKEN, **PATIENT), copy)
    status, said, errors = command("import", "--add", "-", stdin=exported, at=at)
    assert status == 0 and "rows=2 paths=+2 hits=+3" in said and "left out" in errors
    check(copy, [at[0]], {"/a": 1, "/b": 2})


def test_what_was_exported_can_be_imported(module_stage, ledger, counters, api, command, root, tmp_path):
    hits = {f"{root}{name}": n + 1 for n, name in enumerate(["a", "b,c", 'd"e', "é\nf", "=1"])}
    api.count(hits)
    render = module_stage.render(counters[0])
    csv = get(render.address, "/-/paths?" + urlencode({"prefix": root}), {"Accept": "text/csv"}).body
    file = tmp_path / "counts.csv"
    file.write_bytes(csv)
    command("delete", "--prefix", root)
    status, said, errors = command("import", "--replace", file)
    assert status == 0 and f"rows={len(hits)} paths=+{len(hits)}" in said, errors
    check(ledger, counters, hits)
    assert command("import", "--add", "-", stdin=b"\xef\xbb\xbf" + csv)[0] == 0
    check(ledger, counters, {path: 2 * count for path, count in hits.items()})


def test_a_deletion_by_prefix_is_made_in_parts(ledger, counters, command, api, root):
    """Hits wait for each, and it moves the history of its paths."""
    api.count_all({f"{root}{n:04}": 1 for n in range(1200)}, 1000)
    status, said, errors = command("delete", "--prefix", root)
    assert status == 0 and "rows=1200" in said, errors
    parts = ledger.run("SELECT count(*) FROM pathcount_changed_rows WHERE starts_with(path, %s) AND after IS NULL "
                       "GROUP BY change ORDER BY change", root)
    assert parts == [(1000,), (200,)]
    check(ledger, counters, {f"{root}{n:04}": 0 for n in (0, 999, 1000, 1199)})


@pytest.mark.parametrize("line, message", [
    ("a,1", "The path is not canonical"), ("/a,-1", "The count is not"), ("/a,01", "The count is not"),
    ("/a,9223372036854775808", "The count is not"), ("/a,", "The count is not"), ("/a,1,today", "A time is not"),
    ('"/a', "has no end"), ('"/a"b,1', "behind a field")])
def test_nothing_is_imported_of_a_file_with_an_error(ledger, counters, command, root, tmp_path, line, message):
    file = tmp_path / "counts.csv"
    file.write_text(f"{root}a,1\n\n{line}\n")
    status, _, errors = command("import", "--add", file)
    assert status == 1 and "counts.csv:3: " in errors and message in errors
    check(ledger, counters, {root + "a": 0})


def test_an_interrupted_import_goes_on_where_it_was(ledger, counters, command, root, tmp_path):
    """The second part is refused at first: the first one is done, and is not done again."""
    paths = [f"{root}{n:05}" for n in range(3000)]
    file = tmp_path / "counts.csv"
    file.write_text("path,count\n" + "".join(f"{path},2\n" for path in paths))
    ledger.fail_folding(paths[2900], "23514")
    status, _, errors = command("import", "--add", file, "--id", "my-import")
    assert status == 1 and "1 parts are done" in errors and "--id my-import" in errors
    check(ledger, counters, {paths[0]: 2, paths[2499]: 2, paths[2500]: 0, paths[2900]: 0})
    ledger.forget_failures()
    status, said, errors = command("import", "--add", file, "--id", "my-import")
    assert status == 0 and "rows=3000" in said, errors
    check(ledger, counters, {paths[0]: 2, paths[2499]: 2, paths[2500]: 2, paths[2999]: 2})


def test_a_change_whose_answer_is_lost_is_made_once(module_stage, ledger, counters, api, root):
    """The connection to PostgreSQL is lost after the commit began: the same change again says what it did."""
    a = root + "a"
    with ledger.locked(a):
        body = {"id": secrets.token_hex(8), "kind": "import", "mode": "add", "rows": [{"path": a, "count": 5}]}
        later = Later(api.ask, "POST", "/v1/changes", body, ADMIN)
        until(lambda: ledger.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                   "AND query LIKE '%%pathcount_change%%'") >= 1, "the change to wait")
        ledger.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                   "WHERE wait_event_type = 'Lock' AND query LIKE '%%pathcount_change%%'")
        assert later.result().status == 503
    ask(api, "import", **{key: body[key] for key in ("id", "mode", "rows")})
    assert ask(api, "import", **{key: body[key] for key in ("id", "mode", "rows")}).json()["repeat"]
    check(ledger, counters, {a: 5})


# --- normalise


ALL_RULES = dict.fromkeys(("path_lower_case", "path_collapse_slashes", "path_strip_index", "path_strip_slash"), "true")


@pytest.fixture
def table(module_stage, command):
    """A ledger of the test's own: what it has is normalised."""
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger, admin_token=ADMIN_TOKEN, **PATIENT)

    def normalise(*words, **keys):
        return command("normalise", *words, at=(counter, ledger), **keys)
    return ledger, counter, normalise


def test_rows_are_normalised_as_visits_are(module_stage, table):
    ledger, counter, normalise = table
    hits = {"/": 1, "/index.html": 2, "//": 4, "/A": 8, "/a/": 16, "/a//index.html": 32, "/É/б": 64, "/b": 128,
            "/Only//Upper": 256, "/ΣΑΣ": 512, "/İ": 1024}
    counter.api.count(hits)
    normal = {"/": 7, "/a": 56, "/é/б": 64, "/b": 128, "/only/upper": 256, "/σασ": 512, "/i": 1024}
    render = module_stage.render(counter, **ALL_RULES)
    before = ledger.counts()
    status, said, errors = normalise("--dry-run", **ALL_RULES)
    assert (status, errors) == (0, "") and "would change: rows=15 paths=-4 hits=+0" in said
    assert ledger.counts() == before and audit(counter.api) == []
    status, said, errors = normalise("--why", "one form", **ALL_RULES)
    assert (status, errors) == (0, "") and "changed: rows=15 paths=-4 hits=+0" in said
    check(ledger, [counter], normal)
    assert ledger.counts() == normal
    made, = audit(counter.api)
    assert (made["kind"], made["why"], made["changed"]) == ("normalise", "one form", 15)
    for path in hits:  # a visit of each old path counts on in the row that it has moved to
        assert get(render.address, quote(path), {"Accept": "application/json"}).json()["path"] in normal
    assert ledger.totals() == {"paths": len(normal), "hits": sum(hits.values()) + len(hits)}
    status, said, errors = normalise(**ALL_RULES)
    assert (status, errors) == (0, "") and "changed: rows=0 paths=+0 hits=+0" in said
    assert change(counter.api, "undo", path="/a//index.html")["undoes"] == made["change"]
    assert {path: count for path, count in ledger.counts().items() if path in hits and path not in normal} == {
        path: count for path, count in hits.items() if path not in normal}
    assert ledger.totals()["hits"] == sum(hits.values()) + len(hits)


def test_a_large_table_is_normalised_in_parts_while_hits_are_counted(table):
    """Rows of several parts have the same targets; of these the last part is undone before the first one."""
    ledger, counter, normalise = table
    numbers = [f"{number:04}" for number in range(1500)]
    for id_, form in enumerate(["/a/{}/", "/b/{}//", "/A/{}"]):
        change(counter.api, "import", mode="add", rows=[
            {"path": form.format(number), "count": 10 ** id_} for number in numbers])
    lane, stop = counter.api.lane(), []

    def hammer():
        for sequence in itertools.count(1):
            if stop:
                return sequence - 1
            assert counter.api.post(lane, sequence, {"/a/0000": 1, "/b/0000": 1}).status == 200
    hits = Later(hammer)
    rules = {"path_lower_case": "true", "path_strip_slash": "true"}
    status, said, errors = normalise(**rules)
    stop.append(True)
    counted = hits.result()
    assert status == 0 and "hits=+0" in said, errors
    check(ledger, [counter], {"/a/0001": 101, "/b/1499": 10, "/a/0000": 101 + counted, "/b/0000": 10 + counted})
    assert ledger.totals()["paths"] == 3000
    parts = [entry["change"] for entry in audit(counter.api) if entry["kind"] == "normalise"]
    assert len(parts) == 9  # of 500 rows: three of /A/, of /a/ and of /b/
    assert refusal(counter.api, "undo", path="/A/0001").startswith(f"Change {parts[8]} cannot be undone")
    assert change(counter.api, "undo", path="/a/0001/")["undoes"] == parts[5]
    assert change(counter.api, "undo", path="/A/0001")["undoes"] == parts[8]
    assert change(counter.api, "undo", path="/b/0001//")["undoes"] == parts[2]
    check(ledger, [counter], {"/a/0001": 0, "/a/0001/": 1, "/A/0001": 100, "/b/1499//": 0, "/b/0000": counted,
                              "/b/1499": 10, "/a/0000": counted})


def test_rows_without_a_place_stay_as_they_are(table):
    ledger, counter, normalise = table
    hits = {"//-/x": 1, "/" + "Ⱥ" * 1000: 2, "/A": 4}
    counter.api.count(hits)
    status, said, errors = normalise(path_lower_case="true", path_collapse_slashes="true")
    assert status == 0 and "rows=2 paths=+0" in said
    assert "//-/x stays as it is: its normal path is below /-/" in errors and "2,048 bytes" in errors
    assert ledger.counts() == {"//-/x": 1, "/" + "Ⱥ" * 1000: 2, "/a": 4}


def test_an_interrupted_normalisation_goes_on_when_it_is_run_again(table):
    ledger, counter, normalise = table
    change(counter.api, "import", mode="add", rows=[{"path": f"/{n:04}/", "count": 2} for n in range(3000)])
    ledger.fail_folding("/2900", "23514")
    status, _, errors = normalise(path_strip_slash="true")
    assert status == 1 and "made by a test" in errors and "run the command again" in errors and "--id" not in errors
    check(ledger, [counter], {"/0000": 2, "/2499": 2, "/2499/": 0, "/2500/": 2, "/2900/": 2})
    ledger.forget_failures()
    status, said, errors = normalise(path_strip_slash="true")
    assert (status, errors) == (0, "") and "rows=1000" in said
    check(ledger, [counter], {"/0000": 2, "/2999": 2, "/2999/": 0})


def test_without_a_rule_nothing_is_normalised(command):
    status, said, errors = command("normalise")
    assert status == 2 and not said and "no rule is set" in errors


def test_the_log_is_read_page_by_page(command, api, root):
    numbers = [change(api, "set", path=root + "a", count=count)["change"] for count in range(1, 23)]
    status, said, errors = command("log", root + "a")
    assert status == 0 and [int(line.split()[0]) for line in said.splitlines()[::2]] == numbers[:1:-1]
    assert f"--before {numbers[2]}\n" in errors
    status, said, errors = command("log", root + "a", "--before", numbers[2])
    assert (status, errors) == (0, "") and [int(line.split()[0]) for line in said.splitlines()[::2]] == numbers[1::-1]
