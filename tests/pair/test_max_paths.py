"""max_paths: beyond the limit the hits of new paths are counted exactly, together in one row."""

import pytest

from harness import page
from harness.api import counts_of
from harness.face import Face, Watcher, read_csv, rows_of
from harness.http import get, hit, hit_in_full
from harness.wait import Later, until

OTHERS = "(other paths)"
LARGEST_BATCH = 1024  # paths

PATIENT = {"batch_deadline_ms": 20000, "statement_timeout_ms": 20000, "lock_timeout_ms": 20000}
"""So that a batch which a test holds up is not answered 503 first, however slow the machine is."""


def counted(answer, hits):
    """path → (count, whether it is the overflow row's) of an answer to a batch."""
    counts = counts_of(answer, hits)
    places = answer.json().get("overflow", [])
    return {path: (count, place in places) for place, (path, count) in enumerate(counts.items())}


def post(api, hits):
    return counted(api.post(api.lane(), 1, hits), hits)


def with_max_paths(counter, most):
    """Restarts a counter with another max_paths."""
    counter.stop()
    counter.keys["max_paths"] = most
    return counter.restart().until_ready().api


# --- own row or overflow row


def test_new_paths_beyond_the_limit_are_counted_in_the_overflow_row(stage, ledger):
    api = stage.counter(ledger, max_paths=3).api
    assert post(api, {"/a": 1, "/b": 2, "/c": 1}) == {
        "/a": (1, False), "/b": (2, False), "/c": (1, False)}
    assert post(api, {"/a": 1, "/d": 2}) == {"/a": (2, False), "/d": (2, True)}
    assert post(api, {"/c": 5, "/d": 1, "/e": 1}) == {
        "/c": (6, False), "/d": (3, True), "/e": (4, True)}
    assert ledger.counts() == {"/a": 2, "/b": 2, "/c": 6, OTHERS: 4}
    assert ledger.totals() == ledger.totals_by_scanning() == api.totals() == {"paths": 3, "hits": 14}


def test_the_first_paths_of_a_batch_take_the_remaining_room(stage, ledger):
    api = stage.counter(ledger, max_paths=3).api
    post(api, {"/known": 1})
    assert post(api, {"/d": 1, "/c": 1, "/b": 2, "/a": 1, "/known": 1}) == {
        "/a": (1, False), "/b": (2, False), "/c": (1, True), "/d": (2, True), "/known": (2, False)}
    assert ledger.counts() == {"/a": 1, "/b": 2, "/known": 2, OTHERS: 2}
    assert ledger.totals() == ledger.totals_by_scanning()


def test_the_largest_batch_may_have_only_new_paths(stage, ledger):
    counter = stage.counter(ledger, max_paths=1)
    hits = {f"/{n:04}": 1 for n in range(LARGEST_BATCH)}
    assert list(post(counter.api, hits).values()) == [(1, False)] + [
        (n, True) for n in range(1, LARGEST_BATCH)]
    assert ledger.counts() == {"/0000": 1, OTHERS: LARGEST_BATCH - 1}
    assert len(counter.events("paths-full")) == 1


def test_a_repeat_has_the_same_answer_as_the_batch(stage, ledger):
    api = stage.counter(ledger, max_paths=1).api
    other = stage.counter(ledger, max_paths=1).api
    lane, hits = api.lane(), {"/a": 1, "/b": 2}
    first = api.post(lane, 1, hits)
    assert counted(first, hits) == {"/a": (1, False), "/b": (2, True)}
    for again in (api, other):
        assert again.post(lane, 1, hits).json() == {**first.json(), "repeat": True}
    assert ledger.counts() == {"/a": 1, OTHERS: 2}


def test_hits_of_different_batches_of_an_entry_get_different_numbers(stage, ledger):
    counter = stage.counter(ledger, max_paths=2, **PATIENT)
    post(counter.api, {"/known": 1})
    batches = [{"/x": 3, "/known": 1}, {"/x": 1, "/y": 2}, {"/w": 1, "/x": 1, "/y": 1}]
    answers = counted_together(ledger, counter, batches)
    taken = [number for answer, hits in zip(answers, batches) for path, (count, is_other)
             in answer.items() if is_other for number in range(count - hits[path] + 1, count + 1)]
    assert sorted(taken) == list(range(1, 10))
    assert ledger.counts() == {"/known": 2, OTHERS: 9, "/first": 1}


def test_batches_of_one_entry_take_room_in_order_of_arrival(stage, ledger):
    counter = stage.counter(ledger, max_paths=3, **PATIENT)
    batches = [{"/z": 1}, {"/b": 1, "/c": 2}, {"/a": 1, "/b": 1, "/z": 1}]
    assert counted_together(ledger, counter, batches) == [
        {"/z": (1, False)}, {"/b": (1, False), "/c": (2, True)},
        {"/a": (3, True), "/b": (2, False), "/z": (2, False)}]
    assert ledger.folded() == {"/first": 1, "/z": 2, "/b": 2, OTHERS: 3}


def counted_together(ledger, counter, batches):
    """The answers to batches that wait together while an append is held."""
    first, *lanes = [counter.api.lane() for _ in range(len(batches) + 1)]
    with ledger.held_appends() as release:
        posts = [counter.api.post_later(first, 1, {"/first": 1})]
        ledger.until_waiting(1)
        for lane, hits in zip(lanes, batches):
            posts.append(counter.api.post_later(lane, 1, hits))
            until(lambda: counter.metric("pathcount_ledger_batches_waiting") == len(posts),
                  "the batch to wait")
        release()
        answers = [later.result() for later in posts]
    assert ledger.value("SELECT lanes FROM pathcount_journal WHERE %s = ANY (lanes)", lanes[0]) == lanes
    return [counted(answer, hits) for answer, hits in zip(answers[1:], batches)]


def test_the_count_of_the_overflow_row_stays_at_the_maximum(stage, ledger):
    api = stage.counter(ledger, max_paths=1).api
    post(api, {"/a": 1, "/b": 1})
    ledger.edited("UPDATE pathcount SET count = 9223372036854775806 WHERE path = %s", OTHERS)
    assert post(api, {"/c": 1, "/d": 1}) == {"/c": (2**63 - 1, True), "/d": (2**63 - 1, True)}
    assert post(api, {"/e": 1}) == {"/e": (2**63 - 1, True)}


# --- the limit


def test_existing_paths_are_counted_after_max_paths_was_lowered(stage, ledger):
    counter = stage.counter(ledger, max_paths=10)
    post(counter.api, {f"/{n}": 1 for n in range(5)})
    api = with_max_paths(counter, 2)
    assert post(api, {"/0": 1, "/4": 1, "/new": 1}) == {
        "/0": (2, False), "/4": (2, False), "/new": (1, True)}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 5, "hits": 8}


def test_after_max_paths_was_raised_new_paths_get_rows_again(stage, ledger):
    counter = stage.counter(ledger, max_paths=1)
    post(counter.api, {"/a": 1, "/b": 7})
    api = with_max_paths(counter, 2)
    assert post(api, {"/b": 1}) == {"/b": (1, False)}
    assert post(api, {"/c": 1}) == {"/c": (8, True)}
    assert ledger.counts() == {"/a": 1, "/b": 1, OTHERS: 8}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 2, "hits": 10}


def test_rows_that_an_operator_adds_or_deletes_change_the_room_at_once(stage, ledger):
    api = stage.counter(ledger, max_paths=3).api
    post(api, {"/a": 1})
    ledger.edited("INSERT INTO pathcount (path, count) VALUES ('/b', 5), ('/c', 0)")
    assert post(api, {"/b": 1, "/c": 1, "/d": 1}) == {
        "/b": (6, False), "/c": (1, False), "/d": (1, True)}
    ledger.edited("DELETE FROM pathcount WHERE path = '/b'")
    assert post(api, {"/b": 1, "/d": 1}) == {"/b": (1, False), "/d": (2, True)}
    assert ledger.folded() == {"/a": 1, "/b": 1, "/c": 1, OTHERS: 2}
    assert ledger.totals() == ledger.totals_by_scanning() == api.totals() == {"paths": 3, "hits": 5}


def test_a_full_ledger_is_logged_but_not_for_every_batch(stage, ledger):
    counter = stage.counter(ledger, max_paths=1)
    post(counter.api, {"/a": 1})
    assert counter.events("paths-full") == []
    for name in ("/b", "/a", "/c", "/d"):
        post(counter.api, {name: 1})
    event, = counter.events("paths-full")
    assert (event["level"], event["max_paths"]) == ("warning", "1")


# --- several counters


def test_new_paths_of_another_counter_take_room(stage, ledger):
    api = stage.counter(ledger, max_paths=3, **PATIENT).api
    lane, hits = api.lane(), {"/a": 1, "/b": 1, "/c": 1}
    with ledger.held_appends(paths=["/b", "/z"], hits=[5, 1], new_paths=2) as release:
        held = api.post_later(lane, 1, hits)
        ledger.until_waiting(1)
        release("COMMIT")
        assert counted(held.result(), hits) == {"/a": (1, False), "/b": (6, False), "/c": (1, True)}
    assert ledger.folded() == {"/a": 1, "/b": 6, "/z": 1, OTHERS: 1}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 3, "hits": 9}


def test_several_counters_keep_the_limit_and_count_every_hit_once(stage, ledger):
    most = 100
    apis = [stage.counter(ledger, max_paths=most).api for _ in range(2)]

    def hammer(number):
        api, answers = apis[number % 2], {}
        lane = api.lane()
        for sequence in range(1, 31):
            hits = {f"/{number}/{sequence}/{n}": 1 for n in range(30)} | {"/all": 1}
            answers |= counted(api.post(lane, sequence, hits), hits)
        del answers["/all"]
        return answers

    clients = [Later(hammer, number) for number in range(8)]
    answers = {path: answer for client in clients for path, answer in client.result(60).items()}
    counts = ledger.folded()
    rows = {path for path, (_, is_other) in answers.items() if not is_other}
    numbers = [count for count, is_other in answers.values() if is_other]
    assert len(answers) == 8 * 30 * 30
    assert {path: 1 for path in rows} | {"/all": 240, OTHERS: len(numbers)} == counts
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": most, "hits": 8 * 30 * 31}


# --- the overflow row is not a path


def test_no_request_can_name_the_overflow_row(stage, ledger):
    counter = stage.counter(ledger, max_paths=1)
    api, render = counter.api, stage.render(counter)
    post(api, {"/a": 1, "/b": 1})
    assert api.post(api.lane(), 1, {OTHERS: 1}).status == 400
    assert api.ask("GET", "/v1/paths/(other%20paths)").status == 404
    assert get(render.address, "(other%20paths)").status == 400
    assert get(render.address, "/-/paths/(other%20paths)").status == 404
    with_max_paths(counter, 5)
    assert hit(render.address, "/(other%20paths)") == 1
    assert ledger.counts() == {"/a": 1, "/(other paths)": 1, OTHERS: 1}


def test_a_row_of_the_same_name_from_an_old_server_is_not_the_overflow_row(stage, ledger):
    with ledger.connect_as_owner() as old:
        old.execute("CREATE TABLE pathcount (path TEXT PRIMARY KEY, count INT DEFAULT 0)")
        old.execute("INSERT INTO pathcount VALUES (%s, 5)", (OTHERS,))
    api = stage.counter(ledger, max_paths=1).api
    assert ledger.counts() == {"/(other paths)": 5}
    assert post(api, {"/a": 1, "/(other paths)": 1}) == {"/(other paths)": (6, False), "/a": (1, True)}
    assert ledger.counts() == {"/(other paths)": 6, OTHERS: 1}


# --- in views


@pytest.fixture(scope="module")
def full(module_stage):
    """A pair with two paths and seven hits of other paths."""
    pair = module_stage.pair(counter_keys={"max_paths": 2})
    post(pair.api, {"/a": 9, "/b": 3, "/c": 4, "/d": 3})
    pair.face = Face(pair.address)
    return pair


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_overflow_row_has_its_place_in_every_view(full, limit):
    by_path, by_count = ((OTHERS, 7), ("/a", 9), ("/b", 3)), (("/a", 9), (OTHERS, 7), ("/b", 3))
    for order, rows in (("path", by_path), ("count", by_count)):
        assert full.api.pages(order=order, limit=limit) == list(rows)
        assert full.api.pages_back(order=order, limit=limit) == list(rows)
        pages = full.face.pages(f"/-/paths?order={order}&limit={limit}&format=json")
        assert [row for page in pages for row in rows_of(page)] == list(rows)
        assert full.api.pages(order=order, limit=limit, prefix="/") == [
            row for row in rows if row[0] != OTHERS]
    assert full.api.get("/b")["rank"] == 3


def test_programs_can_recognise_the_overflow_row(full):
    rows = full.face.json("/-/paths?format=json")["rows"]
    assert [row for row in rows if "overflow" in row] == [
        {"path": OTHERS, "count": 7, "bots": 0, "overflow": True}]
    lines = read_csv(full.face.get("/-/paths?format=csv"))
    assert lines == [[OTHERS, "7"], ["/a", "9"], ["/b", "3"]]
    assert read_csv(full.face.get("/-/paths?format=csv&after=(other%20paths)")) == lines[1:]
    with Watcher(full.address) as watcher:
        assert {"path": OTHERS, "count": 7, "bots": 0, "overflow": True} in watcher.next()[2]["rows"]


def test_the_page_of_a_path_without_a_row_mentions_it(stage):
    pair = stage.pair(counter_keys={"max_paths": 1})
    face = Face(pair.address)
    assert hit(pair.address, "/a") == 1
    shown = page.read(face.get("/new", {"Accept": "text/html"}))
    assert shown.rows == [("other paths", 1), ("/a", 1)]
    assert shown.marked == [("other paths", 1)]
    assert "Your visit is counted among the other paths." in shown.outside
    assert "/new" in shown.outside
    document = hit_in_full(pair.address, "/new/2")
    assert (document["path"], document["count"], document["overflow"]) == ("/new/2", 2, True)
    assert "overflow" not in hit_in_full(pair.address, "/a")
    assert ">counted<" in face.get("/-/hit/new/3.svg").text
    assert ">0<" in face.get("/-/badge/new/3.svg").text
    assert face.get("/-/paths/new").status == 404
    assert pair.ledger.counts() == {"/a": 2, OTHERS: 3}
