"""The rules by which counter-svc counts every batch exactly once, each with a situation that would break it."""

import itertools

import pytest

from harness.api import BEARER, counts_of
from harness.http import Connection, request_bytes
from harness.wait import until

from exactly_once_helpers import PATIENT, api, counter, other, until_applied  # noqa: F401 (fixtures)

MAXIMUM = 2**63 - 1  # the maximum of BIGINT


# --- repeats, gaps, and unknown lanes


def test_a_repeat_changes_nothing_and_is_answered_with_the_counts(ledger, api):
    lane = api.lane()
    first = api.post(lane, 1, {"/a": 2, "/b": 1})
    for _ in range(3):
        repeat = api.post(lane, 1, {"/a": 2, "/b": 1})
        assert repeat.json() == {**first.json(), "repeat": True}
    assert ledger.counts() == {"/a": 2, "/b": 1}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 2, "hits": 3}


def test_every_counter_recognises_a_repeat(ledger, api, other):
    lane = api.lane()
    assert api.post(lane, 1, {"/a": 1}).json()["repeat"] is False
    assert other.post(lane, 1, {"/a": 1}).json()["repeat"] is True
    assert other.post(lane, 2, {"/a": 1}).json()["repeat"] is False
    assert api.post(lane, 2, {"/a": 1}).json()["repeat"] is True
    assert ledger.counts() == {"/a": 2}


def test_a_repeat_is_recognised_after_a_restart(stage, ledger, counter):
    lane = counter.api.lane()
    counter.api.post(lane, 1, {"/a": 1})
    counter.kill()
    counter.restart().until_ready()
    assert counter.api.post(lane, 1, {"/a": 1}).json()["repeat"] is True
    assert ledger.counts() == {"/a": 1}


def test_a_repeat_is_recognised_after_a_crash_of_postgresql(outage, ledger, counter):
    lane = counter.api.lane()
    counter.api.post(lane, 1, {"/a": 1})
    outage.kill()
    outage.start()
    counter.until_ready()
    assert counter.api.post(lane, 1, {"/a": 1}).json()["repeat"] is True
    assert ledger.counts() == {"/a": 1}


def test_the_count_in_a_repeats_answer_is_at_least_the_first_one(api, other):
    lane = api.lane()
    first = counts_of(api.post(lane, 1, {"/a": 1}), {"/a": 1})
    other.count({"/a": 5})
    assert counts_of(api.post(lane, 1, {"/a": 1}), {"/a": 1})["/a"] >= first["/a"]


@pytest.mark.parametrize("sequence", [2, 3, 1000, 2**53 - 1])
def test_a_gap_is_409_and_changes_nothing(ledger, api, sequence):
    lane = api.lane()
    assert api.post(lane, sequence, {"/a": 1}).status == 409
    assert ledger.counts() == {}
    assert ledger.lanes() == {lane: 0}
    assert api.post(lane, 1, {"/a": 1}).status == 200  # the lane has not changed


def test_a_batch_before_the_last_one_is_409_and_changes_nothing(ledger, api):
    lane = api.lane()
    for sequence in (1, 2, 3):
        api.post(lane, sequence, {"/a": 1})
    for sequence in (1, 2):
        assert api.post(lane, sequence, {"/a": 1}).status == 409
    assert api.post(lane, 3, {"/a": 1}).json()["repeat"] is True
    assert ledger.counts() == {"/a": 3}


@pytest.mark.parametrize("lane", [1, 10**9, 2**53 - 1])
def test_a_batch_of_an_unknown_lane_is_409(ledger, api, lane):
    for sequence in (1, 2):
        assert api.post(lane, sequence, {"/a": 1}).status == 409
    assert ledger.counts() == {} and ledger.lanes() == {}


def test_lane_0_is_invalid(ledger, api):
    assert api.post(0, 1, {"/a": 1}).status == 400
    assert ledger.counts() == {}


def test_lane_sequence_and_counts_change_in_one_transaction(ledger, api):
    lane = api.lane()
    api.post(lane, 1, {"/a": 1, "/b": 2})
    assert ledger.run("SELECT sequences, paths, hits, new_paths FROM pathcount_journal "
                      "WHERE lanes = ARRAY[%s::bigint]", lane) == [([1], ["/a", "/b"], [1, 2], 2)]
    assert ledger.folded() == {"/a": 1, "/b": 2}
    assert ledger.value(
        "SELECT count(DISTINCT xmin::text) FROM ("
        "SELECT xmin FROM pathcount UNION ALL SELECT xmin FROM pathcount_lanes UNION ALL "
        "SELECT xmin FROM pathcount_totals UNION ALL SELECT xmin FROM pathcount_checkpoint) AS t") == 1


def test_lanes_are_never_issued_again(stage, ledger, counter, other):
    issued = [api.lane() for api in (counter.api, other) for _ in range(5)]
    ledger.end_lanes()
    counter.kill()
    counter.restart().until_ready()
    issued += [api.lane() for api in (counter.api, other) for _ in range(5)]
    assert len(set(issued)) == 20


# --- repeats that race their original


def test_a_batch_sent_to_two_counters_at_once_is_applied_once(ledger, api, other):
    lane = api.lane()
    with ledger.held_appends() as release:
        posts = [api.post_later(lane, 1, {"/a": 1})]
        ledger.until_waiting(1)
        posts.append(other.post_later(lane, 1, {"/a": 1}))
        ledger.until_waiting(2)
        release()
        answers = sorted((post.result().json() for post in posts), key=lambda a: a["repeat"])
    assert answers == [{"lane": lane, "sequence": 1, "repeat": repeat, "counts": [1]}
                       for repeat in (False, True)]
    assert ledger.counts() == {"/a": 1}


def test_a_repeat_that_races_its_committed_original_is_not_applied(ledger, api):
    lane = api.lane()
    with ledger.held_appends(lanes=[lane], sequences=[1], paths=["/a"], hits=[1], new_paths=1) as release:
        repeat = api.post_later(lane, 1, {"/a": 1})
        ledger.until_waiting(1)
        release("COMMIT")
        assert repeat.result().json() == {
            "lane": lane, "sequence": 1, "repeat": True, "counts": [1]}
    assert ledger.counts() == {"/a": 1}


def test_a_repeat_that_races_its_original_at_the_same_counter_is_not_applied(ledger, api):
    lane = api.lane()
    with ledger.held_appends() as release:
        posts = [api.post_later(lane, 1, {"/a": 1}) for _ in range(5)]
        ledger.until_waiting(1)
        release()
        answers = [post.result() for post in posts]
    assert sorted(answer.json()["repeat"] for answer in answers) == [False] + [True] * 4
    assert ledger.counts() == {"/a": 1}


def test_a_repeat_is_applied_if_its_original_is_rolled_back(ledger, api, other):
    lane = api.lane()
    with ledger.held_appends() as release:
        original = api.post_later(lane, 1, {"/a": 1})
        victim, = ledger.until_waiting(1)
        repeat = other.post_later(lane, 1, {"/a": 1})
        ledger.until_waiting(2)
        ledger.run("SELECT pg_terminate_backend(%s)", victim)
        release()
        answers = [until_applied(post, lambda: api.post(lane, 1, {"/a": 1}))
                   for post in (original, repeat)]
    assert sorted(answer.json()["repeat"] for answer in answers) == [False, True]
    assert ledger.counts() == {"/a": 1}


def test_a_batch_that_races_its_predecessor_is_applied_or_refused(ledger, api, other):
    lane = api.lane()
    with ledger.held_appends() as release:
        first = api.post_later(lane, 1, {"/a": 1})
        ledger.until_waiting(1)
        second = other.post_later(lane, 2, {"/a": 10})
        third = other.post_later(lane, 3, {"/a": 100})
        ledger.until_waiting(2)
        release()
        assert first.result().status == 200
        applied = [answer.result().status == 200 for answer in (second, third)]
    assert applied in ([False, False], [True, False], [True, True])
    assert ledger.counts() == {"/a": 1 + 10 * applied[0] + 100 * applied[1]}
    assert ledger.lanes() == {lane: 1 + sum(applied)}


def test_a_stale_batch_that_races_the_next_one_is_409(ledger, api):
    lane = api.lane()
    api.post(lane, 1, {"/a": 1})
    with ledger.held_appends(lanes=[lane], sequences=[2], paths=["/a"], hits=[1]) as release:
        stale = api.post_later(lane, 1, {"/a": 1})
        ledger.until_waiting(1)
        release("COMMIT")
        assert stale.result().status == 409
    assert ledger.counts() == {"/a": 2}


def test_a_batch_that_races_the_end_of_its_lane_is_409(ledger, api):
    lane = api.lane()
    with ledger.held_appends(ended=[lane]) as release:
        post = api.post_later(lane, 1, {"/a": 1})
        ledger.until_waiting(1)
        release("COMMIT")
        assert post.result().status == 409
    assert ledger.counts() == {}


# --- merging


def test_batches_that_wait_together_are_one_entry_and_get_different_counts(stage, ledger):
    counter = stage.counter(ledger, **PATIENT)
    lanes = [counter.api.lane() for _ in range(13)]
    with ledger.held_appends() as release:
        held = counter.api.post_later(lanes[0], 1, {"/held": 1})
        ledger.until_waiting(1)
        posts = [counter.api.post_later(lane, 1, {"/all": 2, f"/own/{lane}": 7}) for lane in lanes[1:]]
        until(lambda: counter.metric("pathcount_ledger_batches_waiting") == 13, "all batches to wait")
        release()
        held.result()
        answers = [counts_of(post.result(), {"/all": 2, f"/own/{lane}": 7})
                   for post, lane in zip(posts, lanes[1:])]
    assert sorted(answer["/all"] for answer in answers) == list(range(2, 25, 2))
    assert all(answer[f"/own/{lane}"] == 7 for answer, lane in zip(answers, lanes[1:]))
    assert ledger.totals()["hits"] == 1 + 12 * 9
    entries = ledger.run("SELECT lanes, paths FROM pathcount_journal WHERE '/all' = ANY (paths)")
    assert [(sorted(in_it), len(paths)) for in_it, paths in entries] == [(sorted(lanes[1:]), 13)]


def test_an_entry_has_at_most_one_batch_of_a_lane(ledger, counter):
    api = counter.api
    api.count({"/a": 1})  # so that no batch waits until the path is looked up
    lane, first = api.lane(), api.lane()
    with ledger.held_appends() as release:
        held = api.post_later(first, 1, {"/held": 1})
        ledger.until_waiting(1)
        posts = []
        for waiting, sequence in enumerate((1, 1, 2, 1), 2):
            posts.append(api.post_later(lane, sequence, {"/a": 1}))
            until(lambda waiting=waiting: counter.metric("pathcount_ledger_batches_waiting") == waiting,
                  "the batch to wait")
        release()
        held.result()
        answers = [post.result() for post in posts]
    assert [answer.status for answer in answers] == [200, 200, 200, 409]
    assert [answer.json()["repeat"] for answer in answers[:3]] == [False, True, False]
    assert (ledger.count("/a"), ledger.lanes()[lane]) == (3, 2)
    assert ledger.value("SELECT count(*) FROM pathcount_journal WHERE %s = ANY (lanes)", lane) == 2


def test_large_batches_of_two_counters_do_not_deadlock(ledger, api, other):
    paths = {f"/{n:03}": 1 for n in range(300)}
    before = len(ledger.cluster.log())
    posts = [at.post_later(at.lane(), 1, paths) for _ in range(10) for at in (api, other)]
    for post in posts:
        assert post.result().status == 200
    assert set(ledger.folded().values()) == {20}
    assert " 40P01 " not in ledger.cluster.log(before)


# --- limits


def test_a_count_stays_at_the_maximum_of_bigint(ledger, api):
    api.count({"/a": 1, "/near": 1})
    ledger.edited("UPDATE pathcount SET count = %s - CASE path WHEN '/a' THEN 0 ELSE 2 END", MAXIMUM)
    hits = {"/a": 1, "/b": 1, "/near": 5}
    assert api.count(hits) == {"/a": MAXIMUM, "/b": 1, "/near": MAXIMUM}
    assert api.count(hits) == {"/a": MAXIMUM, "/b": 2, "/near": MAXIMUM}
    assert ledger.folded() == ledger.counts() == {"/a": MAXIMUM, "/b": 2, "/near": MAXIMUM}
    assert api.view(limit=1)["counts"] == [MAXIMUM]
    assert api.pages(limit=1) == [("/a", MAXIMUM), ("/near", MAXIMUM), ("/b", 2)]


def test_the_largest_batches_of_many_lanes_are_counted(ledger, api, other):
    paths = {f"/{n:04}/{'x' * 110}": 10**9 for n in range(1000)}
    posts = [at.post_later(at.lane(), 1, paths) for _ in range(4) for at in (api, other)]
    for post in posts:
        assert post.result().status == 200
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 1000, "hits": 8 * 10**12}


# --- lanes without batches for a long time


def test_unused_lanes_are_deleted_and_their_counts_stay(stage, ledger):
    api = stage.counter(ledger, lane_ttl_s=10).api
    old, fresh = api.lane(), api.lane()
    api.post(old, 1, {"/a": 3, "/b": 1})
    ledger.edited("UPDATE pathcount_lanes SET used_at = now() - interval '11 s' WHERE lane = %s", old)
    sequence = itertools.count(1)
    until(lambda: api.post(fresh, next(sequence), {"/c": 1}).status == 200
          and old not in ledger.lanes(), "the old lane to end", 20, pause=0.2)
    for number in (1, 2):
        assert api.post(old, number, {"/a": 1}).status == 409
    assert api.post(fresh, next(sequence), {"/a": 1}).status == 200
    used = next(sequence) - 2
    assert ledger.folded() == {"/a": 4, "/b": 1, "/c": used}
    assert list(ledger.lanes()) == [fresh]
    assert ledger.totals() == ledger.totals_by_scanning() == api.totals() == {"paths": 3, "hits": 5 + used}


def test_a_lane_in_use_is_not_deleted(stage, ledger):
    api = stage.counter(ledger, lane_ttl_s=60).api
    lane = api.lane()
    ledger.edited("UPDATE pathcount_lanes SET used_at = now() - interval '50 s' WHERE lane = %s", lane)
    api.post(lane, 1, {"/a": 1})
    ledger.folded()
    age = ledger.value("SELECT extract(epoch FROM now() - used_at)::int FROM pathcount_lanes "
                       "WHERE lane = %s", lane)
    assert age < 10


# --- a counter-svc that stops in the middle


def test_a_frozen_counter_does_not_hold_a_position(ledger, counter, other):
    paths = {f"/{n:04}": 1 for n in range(1000)}
    lanes = [counter.api.lane() for _ in range(20)]
    with ledger.held_appends() as release:
        posts = [counter.api.post_later(lane, 1, paths) for lane in lanes]
        ledger.until_waiting(1)
        counter.freeze()
        release()
    until(lambda: not ledger.backends("state <> 'idle'"), "PostgreSQL to finish", 5)
    assert other.count(paths)["/0999"] == 2
    counter.thaw()
    for post in posts:
        assert post.result().status == 200
    assert set(ledger.counts().values()) == {21}


def test_a_client_that_disconnects_does_not_cancel_its_batch(ledger, api):
    lane = api.lane()
    with ledger.held_appends() as release:
        with Connection(api.address) as connection:
            connection.sock.sendall(request_bytes(
                "POST", "/v1/hits", BEARER,
                b'{"lane":%d,"sequence":1,"paths":["/a"],"hits":[1]}' % lane))
            ledger.until_waiting(1)
        release()
    until(lambda: ledger.count("/a") == 1, "the batch to be counted")
    assert api.post(lane, 1, {"/a": 1}).json()["repeat"] is True
