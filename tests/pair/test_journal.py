"""The journal's rules on a real PostgreSQL. Each test has a situation that breaks counting without its rule.

counter-svc/journal/README.md lists the rules.
"""

import itertools

import psycopg
import pytest

from harness.api import counts_of
from harness.wait import Later, until
from harness.wire import Halt

from journal_helpers import (  # noqa: F401 (fixtures)
    api, clear, counter, counters_know_their_apis, end_folds, folds_kept_from, hit_all, metric,
    positions, until_answered)

PATIENT = {"batch_deadline_ms": 20000, "statement_timeout_ms": 20000, "lock_timeout_ms": 20000}
"""So that nothing that a test holds up is given up, however slow the machine is."""


# --- entries


def test_all_waiting_batches_are_committed_as_one_entry(ledger, api):
    lanes = [api.lane() for _ in range(6)]
    with ledger.held_appends() as release:
        first = api.post_later(lanes[0], 1, {"/first": 1})
        ledger.until_waiting(1)
        before = positions(ledger)[1]
        posts = [api.post_later(lane, 1, {"/all": 2, f"/{lane}": 1}) for lane in lanes[1:]]
        until(lambda: metric(api, "pathcount_ledger_batches_waiting") == 6, "the batches to wait")
        release()
        assert first.result().status == 200
        answers = [counts_of(post.result(), {"/all": 2, f"/{lane}": 1})
                   for lane, post in zip(lanes[1:], posts)]
    assert sorted(answer["/all"] for answer in answers) == [2, 4, 6, 8, 10]
    assert ledger.run("SELECT cardinality(lanes) FROM pathcount_journal WHERE position > %s "
                      "ORDER BY position", before) == [(1,), (5,)]


def test_two_counters_that_append_by_turns_count_each_hit_once(stage, ledger):
    """Rule 3, and the chain: each counter finds an entry of the other one, and reads it first."""
    apis = [stage.counter(ledger).api for _ in range(2)]
    lanes = [apis[0].lane(), apis[1].lane()]
    for number in range(1, 41):
        at = number % 2
        counts = counts_of(apis[at].post(lanes[at], (number + at) // 2, {"/a": 1, f"/{at}": 1}),
                           {"/a": 1, f"/{at}": 1})
        assert counts["/a"] == number
    assert ledger.counts() == {"/a": 40, "/0": 20, "/1": 20}
    assert sum(metric(api, "pathcount_journal_conflicts_total") for api in apis) >= 20


def test_two_counters_that_append_at_once_count_each_hit_once(stage, ledger):
    apis = [stage.counter(ledger).api for _ in range(2)]
    clients = [Later(hit_all, api, {"/a": 1, f"/{n}": 1}, 60)
               for n, api in enumerate(apis * 3)]
    for client in clients:
        client.result(60)
    assert ledger.counts() == {"/a": 360, **{f"/{n}": 60 for n in range(6)}}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 7, "hits": 720}


def test_an_append_cannot_take_the_position_of_a_cleared_entry(stage, ledger):
    """The entry before it is kept. Otherwise a delayed append could take a position that is already folded, and
    its hits would be lost."""
    one, other = (stage.counter(ledger, **PATIENT).api for _ in range(2))
    lane = one.lane()
    with ledger.held_writing("/held") as release:
        post = one.post_later(lane, 1, {"/held": 1})
        ledger.until_waiting(1)
        hit_all(other, {"/a": 1}, 3)
        ledger.folded()
        with ledger.connect() as connection:
            connection.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                clear(connection)
        release()
        assert post.result().json()["counts"] == [1]
    assert ledger.counts() == {"/a": 3, "/held": 1}


def test_a_replaced_entry_is_noticed(stage, ledger):
    """As after a failover to a standby that lacks the last entry: the next entry there has the same position."""
    api = stage.counter(ledger, batch_deadline_ms=20000).api
    lane = api.lane()
    api.post(lane, 1, {"/a": 1})
    assert ledger.folded() == {"/a": 1}
    with ledger.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE pathcount_quarantine")  # everything except appends waits for this lock
        assert api.post(lane, 2, {"/a": 1}).status == 200
        ledger.run("UPDATE pathcount_journal SET id = id + 1, lanes = '{}', sequences = '{}', hits = '{10}' "
                   "WHERE position = %s", positions(ledger)[1])
        post = api.post_later(lane, 2, {"/a": 1})
        until(lambda: post.done or metric(api, "pathcount_journal_conflicts_total") != 0, "an append")
        end_folds(ledger)  # a fold may have read the replaced entry
        connection.execute("ROLLBACK")
    answer = until_answered(post, lambda: api.post(lane, 2, {"/a": 1}))
    assert answer.json() == {"lane": lane, "sequence": 2, "repeat": False, "counts": [12]}
    assert ledger.folded() == {"/a": 12}


# --- rule 1: the outcome of an append whose connection was lost is unknown


def test_an_append_that_commits_after_its_connection_was_lost_is_counted_once(stage, ledger):
    """If the entry is missing after a reconnect, its backend may still commit it."""
    wire = stage.wire(ledger.cluster.address)
    counter = stage.counter(ledger, postgres_url=f"127.0.0.1:{wire.address[1]}",
                            lock_timeout_ms=20000, statement_timeout_ms=20000)
    lane = counter.api.lane()
    with ledger.held_appends() as release:
        post = counter.api.post_later(lane, 1, {"/a": 1})
        zombie, = ledger.until_waiting(1)
        wire.cut_all()
        assert post.result().status == 503
        assert zombie in ledger.backends()
        again = Later(until_answered, post, lambda: counter.api.post(lane, 1, {"/a": 1}))
        ledger.until_waiting(2)
        release()
        assert again.result().json()["counts"] == [1]
    assert ledger.counts() == {"/a": 1}
    assert counter.api.post(lane, 2, {"/a": 1}).json()["counts"] == [2]


def test_a_batch_whose_connection_was_lost_is_503_at_once(stage, ledger):
    """The batch does not wait for another connection until its deadline."""
    counter = stage.counter(ledger, **PATIENT)
    lane = counter.api.lane()
    with ledger.held_appends():
        post = counter.api.post_later(lane, 1, {"/a": 1})
        victim, = ledger.until_waiting(1)
        ledger.run("SELECT pg_terminate_backend(%s)", victim)
        assert post.result().status == 503  # while the position is still taken
    assert until_answered(Later(counter.api.post, lane, 1, {"/a": 1}),
                          lambda: counter.api.post(lane, 1, {"/a": 1})).json()["counts"] == [1]


# --- rules 1, 2 and 5: behind a synchronous standby


def wait_for_standby(ledger):
    return until(lambda: ledger.backends("wait_event = 'SyncRep'"), "a commit to wait for its standby")


def test_repeats_and_conflicts_are_answered_after_the_standby_has_the_commit(outage, ledger, api):
    """A plain read also sees commits that the standby lacks, and an old primary answers reads."""
    lane = api.lane()
    api.post(lane, 1, {"/a": 1})
    with ledger.cluster.without_standby():
        repeat = api.post_later(lane, 1, {"/a": 1})
        wait_for_standby(ledger)
        conflict = api.post_later(lane, 7, {"/a": 1})
        unknown = api.post_later(12345, 1, {"/a": 1})
        until(lambda: metric(api, "pathcount_ledger_batches_waiting") == 3, "the batches to wait")
        assert not (repeat.done or conflict.done or unknown.done)
        for pid in wait_for_standby(ledger):
            ledger.run("SELECT pg_cancel_backend(%s)", pid)
        assert repeat.result().status == 503  # after the warning
    assert until_answered(conflict, lambda: api.post(lane, 7, {"/a": 1})).status == 409
    assert until_answered(unknown, lambda: api.post(12345, 1, {"/a": 1})).status == 409
    assert until_answered(Later(api.post, lane, 1, {"/a": 1}),
                          lambda: api.post(lane, 1, {"/a": 1})).json()["repeat"] is True
    assert ledger.counts() == {"/a": 1}


def test_a_lane_is_not_issued_after_a_warning_at_its_commit(outage, ledger, counter):
    api = counter.api
    with ledger.cluster.without_standby():
        opened = Later(api.ask, "POST", "/v1/lanes")
        for pid in wait_for_standby(ledger):
            ledger.run("SELECT pg_cancel_backend(%s)", pid)
        assert opened.result().status == 503
    counter.until_ready()
    assert until(lambda: api.ask("POST", "/v1/lanes").status == 201, "a lane")


# --- rule 4: memory


def test_evicted_paths_are_looked_up_and_counted_on(stage, ledger):
    """A megabyte holds few of these paths. The others are looked up again, here and at another counter that
    reads their hits in the journal."""
    apis = [stage.counter(ledger, max_cached_bytes=1048576).api for _ in range(2)]
    paths = [f"/{n:04}/" + "x" * 1500 for n in range(3000)]
    lanes, sequences = [api.lane() for api in apis], [itertools.count(1) for _ in apis]
    for round_ in range(1, 4):
        at = round_ % 2
        for first in range(0, len(paths), 80):
            hits = {path: 1 for path in paths[first:first + 80]}
            counts = counts_of(until_answered(
                Later(apis[at].post, lanes[at], sequence := next(sequences[at]), hits),
                lambda: apis[at].post(lanes[at], sequence, hits)), hits)
            assert set(counts.values()) == {round_}
    assert metric(apis[0], "pathcount_looked_up_paths_total") >= 1000
    assert metric(apis[1], "pathcount_looked_up_paths_total") >= 3000 + 1000
    assert metric(apis[0], "pathcount_cached_bytes") < 3 * 1048576
    assert set(ledger.counts().values()) == {3}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 3000, "hits": 9000}


def test_hits_beyond_the_memory_for_unfolded_paths_are_503(stage, ledger):
    api = stage.counter(ledger, max_cached_bytes=1048576, batch_deadline_ms=300,
                        statement_timeout_ms=20000).api
    names = (f"/{n:05}/" + "x" * 1500 for n in itertools.count())
    counted, statuses = [], set()
    with folds_kept_from(ledger, "/held"):
        api.count({"/held": 1})
        lane, sequence = api.lane(), 1
        while 503 not in statuses:
            hits = {next(names): 1 for _ in range(80)}
            answer = api.post(lane, sequence, hits)
            statuses.add(answer.status)
            if answer.status == 200:
                counted += hits
                sequence += 1
            assert len(counted) < 5000
        assert 500 < len(counted)
        assert metric(api, "pathcount_cached_bytes") < 2 * 1048576
    until(lambda: api.post(lane, sequence, hits).status == 200, "hits to be counted again")
    assert ledger.folded() == {"/held": 1, **{path: 1 for path in [*counted, *hits]}}


def test_hits_beyond_the_maximum_of_unfolded_entries_are_503(stage, ledger):
    api = stage.counter(ledger, max_unfolded=1000, batch_deadline_ms=300).api
    with folds_kept_from(ledger, "/a"):
        lane = api.lane()
        for sequence in range(1, 1200):
            if api.post(lane, sequence, {"/a": 1}).status == 503:
                break
        assert 900 < sequence < 1010
        assert ledger.count("/a") == sequence - 1
    until(lambda: api.post(lane, sequence, {"/a": 1}).status == 200, "hits to be counted again")
    assert ledger.folded() == {"/a": sequence}


# --- rule 5: answers to reads


def test_every_counter_shows_a_hit_at_once(stage, ledger):
    one, other = (stage.counter(ledger).api for _ in range(2))
    lane = one.lane()
    for number in range(1, 31):
        one.post(lane, number, {"/a": 1, f"/{number}": 1})
        assert other.totals() == {"paths": number + 1, "hits": 2 * number}
        assert other.view(limit=1)["counts"] == [number]
        assert other.get_count("/a") == number


def test_a_read_is_answered_by_a_statement_sent_after_it(stage, ledger):
    wire = stage.wire(ledger.cluster.address)
    one = stage.counter(ledger).api
    other = stage.counter(ledger, postgres_url=f"127.0.0.1:{wire.address[1]}", **PATIENT).api
    one.count({"/a": 1})
    ledger.folded()
    assert other.totals() == {"paths": 1, "hits": 1}
    halt = Halt(160)  # of the journal: the answers to the session of folds are shorter
    with wire.treating(halt):
        until(halt.reached.is_set, "an answer of PostgreSQL to be held")
        one.count({"/a": 1})
        read = Later(other.totals)
        until(lambda: metric(other, "pathcount_ledger_reads_waiting") == 1, "the read to wait")
        halt.go_on()
        assert read.result() == {"paths": 1, "hits": 2}


def test_a_read_waits_until_every_entry_is_in_the_state(stage, ledger):
    """More entries than one statement reads."""
    one, other = (stage.counter(ledger) for _ in range(2))
    other.freeze()
    hit_all(one.api, {"/a": 1}, 300)
    read = Later(other.api.totals)
    other.thaw()
    assert read.result() == {"paths": 1, "hits": 300}


# --- rule 6: lanes are entries


def test_every_counter_knows_a_lane_until_it_is_deleted(stage, ledger):
    one, other = (stage.counter(ledger).api for _ in range(2))
    lane = one.lane()
    assert other.post(lane, 1, {"/a": 1}).status == 200
    ledger.end_lanes(lane)
    for api in (one, other):
        for sequence in (1, 2):
            assert api.post(lane, sequence, {"/a": 1}).status == 409
    assert ledger.counts() == {"/a": 1}
