"""The journal's rules on a real PostgreSQL, each with the situation that breaks counting without it.

counter-svc/journal/README.md lists the rules; the names of the tests say which one they are about.
"""

import contextlib
import itertools
import os
import re
import signal
import time

import psycopg
import pytest

from harness.api import Api, counts_of
from harness.services import ROOT
from harness.wait import Later, Stopwatch, until
from harness.wire import Halt

APPEND = """
INSERT INTO pathcount_journal
    (position, id, kind, writer, lanes, sequences, opened, ended, paths, hits, new_paths)
VALUES ((SELECT max(position) + 1 FROM pathcount_journal), floor(random() * 9e15)::bigint, %s, 0,
        '{}', '{}', '{}', '{}', '{}', '{}', 0)"""

PATIENT = {"batch_deadline_ms": 20000, "statement_timeout_ms": 20000, "lock_timeout_ms": 20000}
"""So that nothing that a test holds up is given up, however slow the machine is."""


@pytest.fixture
def counter(stage, ledger):
    return stage.counter(ledger)


@pytest.fixture
def api(counter):
    return counter.api


@contextlib.contextmanager
def folds_kept_from(ledger, *paths):
    """An open transaction holds the rows of some paths: what has hits of them cannot be folded."""
    with ledger.connect() as connection:
        connection.execute("BEGIN")
        for path in paths:
            connection.execute(
                "INSERT INTO pathcount (path, count) VALUES (%s, 0) ON CONFLICT (path) "
                "DO UPDATE SET count = pathcount.count", (path,))
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def positions(ledger):
    first, last, number, checkpoint = ledger.run(
        "SELECT min(position), max(position), count(*), "
        "(SELECT position FROM pathcount_checkpoint) FROM pathcount_journal")[0]
    assert number == last - first + 1  # no gap, ever
    return first, last, checkpoint


def hit_all(api, hits, rounds, lane=None):
    """Has the same batch counted so many times, each in an entry of its own."""
    lane = lane or api.lane()
    for sequence in range(1, rounds + 1):
        api.post(lane, sequence, hits)


def until_answered(post, again):
    """The answer to a batch that may have been 503 a few times before."""
    answers = [post.result()]

    def is_answered():
        if answers[-1].status == 503:
            answers.append(again())
        return answers[-1].status != 503

    until(is_answered, "an answer other than 503", pause=0.05)
    return answers[-1]


# --- entries


def test_a_commit_is_one_entry_with_all_batches_that_waited(ledger, api):
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


def metric(api, name):
    return api.counter.metric(name)


@pytest.fixture(autouse=True)
def counters_know_their_apis(monkeypatch, stage):
    """An Api leads back to the metrics of its counter-svc."""
    make = stage.counter

    def counter(*arguments, **keywords):
        made = make(*arguments, **keywords)
        made.api.counter = made
        return made

    monkeypatch.setattr(stage, "counter", counter)


def test_two_counters_that_append_by_turns_never_lose_or_double_a_hit(stage, ledger):
    """Rule 3, and the chain: each finds that the other has appended, and catches up."""
    apis = [stage.counter(ledger).api for _ in range(2)]
    lanes = [apis[0].lane(), apis[1].lane()]
    for number in range(1, 41):
        at = number % 2
        counts = counts_of(apis[at].post(lanes[at], (number + at) // 2, {"/a": 1, f"/{at}": 1}),
                           {"/a": 1, f"/{at}": 1})
        assert counts["/a"] == number
    assert ledger.counts() == {"/a": 40, "/0": 20, "/1": 20}
    assert sum(metric(api, "pathcount_journal_conflicts_total") for api in apis) >= 20


def test_two_counters_that_append_at_once_never_lose_or_double_a_hit(stage, ledger):
    apis = [stage.counter(ledger).api for _ in range(2)]
    clients = [Later(hit_all, api, {"/a": 1, f"/{n}": 1}, 60)
               for n, api in enumerate(apis * 3)]
    for client in clients:
        client.result(60)
    assert ledger.counts() == {"/a": 360, **{f"/{n}": 60 for n in range(6)}}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 7, "hits": 720}


def test_the_entry_that_an_append_is_chained_to_is_not_cleared(stage, ledger):
    """Or the append, overtaken by others whose entries are cleared, would take a position that is folded,
    and its hits would be lost."""
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


def test_an_entry_that_another_has_replaced_is_noticed(stage, ledger):
    """As when a standby takes over that lacks the last entry: the next one there has its position."""
    api = stage.counter(ledger, batch_deadline_ms=20000).api
    lane = api.lane()
    api.post(lane, 1, {"/a": 1})
    assert ledger.folded() == {"/a": 1}
    with ledger.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE pathcount_quarantine")  # everything waits for it but appends
        assert api.post(lane, 2, {"/a": 1}).status == 200
        ledger.run("UPDATE pathcount_journal SET id = id + 1, lanes = '{}', sequences = '{}', hits = '{10}' "
                   "WHERE position = %s", positions(ledger)[1])
        post = api.post_later(lane, 2, {"/a": 1})
        until(lambda: post.done or metric(api, "pathcount_journal_conflicts_total") != 0, "an append")
        end_folds(ledger)  # one may have read the entry that was there before
        connection.execute("ROLLBACK")
    answer = until_answered(post, lambda: api.post(lane, 2, {"/a": 1}))
    assert answer.json() == {"lane": lane, "sequence": 2, "repeat": False, "counts": [12]}
    assert ledger.folded() == {"/a": 12}


def test_a_fold_that_takes_too_long_is_done_in_parts(stage, ledger):
    """All rows at once take twice as long as a statement may: they must not be tried for ever."""
    counter = stage.counter(ledger, statement_timeout_ms=1000, lock_timeout_ms=20000, batch_deadline_ms=20000)
    api, lane = counter.api, counter.api.lane()
    ledger.run("""
        CREATE FUNCTION slowly() RETURNS TRIGGER LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';
        CREATE TRIGGER slowly BEFORE INSERT ON pathcount FOR EACH ROW EXECUTE FUNCTION slowly()""")
    counts = {f"/{n}": 1 for n in range(200)}
    with ledger.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT FROM pathcount_checkpoint FOR UPDATE")  # no fold comes through
        for sequence in range(40):
            paths = list(counts)[5 * sequence:5 * sequence + 5]
            assert api.post(lane, sequence + 1, dict.fromkeys(paths, 1)).status == 200
        connection.execute("ROLLBACK")
    assert ledger.folded() == counts
    assert metric(api, "pathcount_journal_fold_failures_total") > 0


def end_folds(ledger):
    """Ends the sessions that fold; what they are in the middle of is undone."""
    ended = ledger.backends("query LIKE '%%pathcount_fold(%%'")
    for pid in ended:
        ledger.run("SELECT pg_terminate_backend(%s)", pid)
    until(lambda: not set(ended) & set(ledger.backends()), "the sessions to end")


# --- rule 1: the outcome of an append whose connection went is unknown


def test_an_append_that_commits_after_its_connection_was_lost_is_counted_once(stage, ledger):
    """That its entry is not there after reconnecting proves nothing: its backend may still commit."""
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
    """It does not wait for another connection until its deadline."""
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


def test_neither_a_repeat_nor_a_conflict_is_answered_before_a_commit_is_safe(outage, ledger, api):
    """A plain read also sees what a standby lacks, and a primary that was left behind answers reads."""
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


def test_a_lane_whose_commit_may_not_be_safe_is_not_given_out(outage, ledger, counter):
    api = counter.api
    with ledger.cluster.without_standby():
        opened = Later(api.ask, "POST", "/v1/lanes")
        for pid in wait_for_standby(ledger):
            ledger.run("SELECT pg_cancel_backend(%s)", pid)
        assert opened.result().status == 503
    counter.until_ready()
    assert until(lambda: api.ask("POST", "/v1/lanes").status == 201, "a lane")


# --- rule 4: memory


def test_paths_that_are_hit_after_they_were_forgotten_are_counted_on(stage, ledger):
    """A megabyte holds few of these paths: each has to be looked up again, here and at another counter
    that learns of hits from the journal."""
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


def test_beyond_the_memory_for_unfolded_paths_hits_are_503_and_none_is_lost(stage, ledger):
    api = stage.counter(ledger, max_cached_bytes=1048576, batch_deadline_ms=300).api
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


def test_beyond_the_entries_that_may_wait_for_a_fold_hits_are_503_and_none_is_lost(stage, ledger):
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


# --- rule 5: answers that are not appends


def test_what_one_counter_has_counted_every_counter_tells_at_once(stage, ledger):
    one, other = (stage.counter(ledger).api for _ in range(2))
    lane = one.lane()
    for number in range(1, 31):
        one.post(lane, number, {"/a": 1, f"/{number}": 1})
        assert other.totals() == {"paths": number + 1, "hits": 2 * number}
        assert other.view(limit=1)["counts"] == [number]
        assert other.get_count("/a") == number


def test_a_read_is_not_answered_by_a_statement_that_was_sent_before_it(stage, ledger):
    wire = stage.wire(ledger.cluster.address)
    one = stage.counter(ledger).api
    other = stage.counter(ledger, postgres_url=f"127.0.0.1:{wire.address[1]}", **PATIENT).api
    one.count({"/a": 1})
    ledger.folded()
    assert other.totals() == {"paths": 1, "hits": 1}
    halt = Halt()
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


def test_a_lane_is_known_everywhere_once_it_is_given_out_and_nowhere_once_it_has_ended(stage, ledger):
    one, other = (stage.counter(ledger).api for _ in range(2))
    lane = one.lane()
    assert other.post(lane, 1, {"/a": 1}).status == 200
    ledger.end_lanes(lane)
    for api in (one, other):
        for sequence in (1, 2):
            assert api.post(lane, sequence, {"/a": 1}).status == 409
    assert ledger.counts() == {"/a": 1}


# --- rule 8: the table and the journal together


def test_the_view_pathcount_now_is_exact_while_entries_are_folded(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=100).api
    confirmed, stop = [0], []

    def hammer():
        lane = api.lane()
        for sequence in itertools.count(1):
            if stop:
                return
            confirmed[0] = api.post(lane, sequence, {"/a": 1}).json()["counts"][0]

    client = Later(hammer)
    seen, checkpoints = 0, set()
    with ledger.connect() as connection:
        while len(checkpoints) < 15:
            before = confirmed[0]
            count, checkpoint = connection.execute(
                "SELECT coalesce((SELECT count FROM pathcount_now WHERE path = '/a'), 0), position "
                "FROM pathcount_checkpoint").fetchone()
            assert count >= before and count >= seen
            seen = count
            checkpoints.add(checkpoint)
    stop.append(True)
    client.result()
    assert ledger.count("/a") == confirmed[0]


def test_a_hit_is_in_the_table_without_anything_else_happening(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=60000).api
    api.count({"/a": 3})
    until(lambda: ledger.run("SELECT path, count FROM pathcount") == [("/a", 3)], "a fold")
    assert ledger.value("SELECT first_hit_at = last_hit_at FROM pathcount") is True


# --- rule 9: views


def test_a_view_waits_for_a_fold_of_what_was_there(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=60000).api
    lane = api.lane()
    for sequence in range(1, 4):
        for n in range(20):  # more than are folded by themselves
            api.post(lane, (sequence - 1) * 20 + n + 1, {"/a": 1, f"/{sequence}": 1})
        answer = api.ask("GET", "/v1/paths?order=path")
        assert dict(zip(answer.json()["paths"], answer.json()["counts"])) == {
            "/a": 20 * sequence, **{f"/{done}": 20 for done in range(1, sequence + 1)}}
        assert answer.header("age") is None


def test_a_view_of_rows_that_are_held_is_old_and_says_so(ledger, api):
    api.count({"/a": 1})
    assert ledger.folded() == {"/a": 1}
    with folds_kept_from(ledger, "/a"):
        assert api.count({"/a": 1}) == {"/a": 2}
        answer = api.ask("GET", "/v1/paths?order=path")
        assert (answer.status, answer.json()["counts"]) == (200, [1])
        assert int(answer.header("age")) >= 1
        assert api.view()["counts"] == [2]  # from memory
        assert api.get_count("/a") == 2
        assert api.totals() == {"paths": 1, "hits": 2}
    until(lambda: api.view(order="path")["counts"] == [2], "the view to be up to date")


def test_views_force_two_folds_a_second_at_most(stage, ledger):
    """The hits are another counter's, which this one folds only for its views."""
    api = stage.counter(ledger, fold_interval_ms=60000).api
    api.lane()
    until(lambda: metric(api, "pathcount_journal_unfolded_entries") == 0, "a fold")
    before, watch = metric(api, "pathcount_journal_fold_duration_seconds_count"), Stopwatch()
    for number in range(6):
        ledger.append(paths=[f"/{number}"], hits=[1], new_paths=1)
        api.view(order="path")
    folds = metric(api, "pathcount_journal_fold_duration_seconds_count") - before
    assert 1 <= folds <= 2 * watch.seconds + 1


# --- rule 10: what the table refuses


def test_what_the_table_refuses_is_put_aside_and_counted_and_stops_nobody(ledger, counter):
    api = counter.api
    api.count({"/before": 1})
    ledger.run("ALTER TABLE pathcount ADD CONSTRAINT no CHECK (path <> '/forbidden')")
    assert api.count({"/beside": 1, "/forbidden": 2, "/before": 1}) == {
        "/before": 2, "/beside": 1, "/forbidden": 2}
    assert ledger.folded() == {"/before": 2, "/beside": 1}
    assert ledger.run("SELECT path, count FROM pathcount_quarantine") == [("/forbidden", 2)]
    assert counter.events("quarantined")[0]["level"] == "error"
    assert api.count({"/forbidden": 1}) == {"/forbidden": 3}
    counter.kill()
    counter.restart().until_ready()
    assert api.count({"/forbidden": 1, "/after": 1}) == {"/after": 1, "/forbidden": 4}
    assert ledger.folded() == {"/before": 2, "/beside": 1, "/after": 1}
    assert ledger.counts() == {"/before": 2, "/beside": 1, "/after": 1, "/forbidden": 4}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 4, "hits": 8}


@pytest.mark.parametrize("sqlstate", ["22003", "23514", "P0001"])
def test_a_trigger_that_refuses_rows_stops_nobody(ledger, api, sqlstate):
    ledger.fail_folding("/forbidden", sqlstate)
    api.count({f"/{n}": 1 for n in range(50)} | {"/forbidden": 1})
    assert ledger.folded() == {f"/{n}": 1 for n in range(50)}
    assert ledger.counts()["/forbidden"] == 1


def test_a_count_at_the_end_of_its_range_stops_nobody(ledger, api):
    api.count({"/full": 1})
    assert ledger.folded() == {"/full": 1}
    ledger.run("UPDATE pathcount SET count = 9223372036854775806; SELECT pathcount_edited()")
    assert api.count({"/full": 5, "/other": 1}) == {"/full": 2**63 - 1, "/other": 1}
    assert api.count({"/full": 5}) == {"/full": 2**63 - 1}
    assert ledger.folded() == {"/full": 2**63 - 1, "/other": 1}


# --- rule 11: edits and restores


def test_an_edit_is_seen_at_once_and_frees_its_share_of_max_paths(stage, ledger):
    api = stage.counter(ledger, max_paths=5).api
    api.count({f"/{n}": 1 for n in range(7)})
    assert ledger.folded()["(other paths)"] == 2
    ledger.run("DELETE FROM pathcount WHERE path IN ('/0', '/1', '/2', '/3'); "
               "UPDATE pathcount SET count = 100 WHERE path = '/4'; SELECT pathcount_edited()")
    assert api.totals() == {"paths": 1, "hits": 102}
    assert api.count({"/good": 1, "/4": 1, "/0": 1}) == {"/0": 1, "/4": 101, "/good": 1}
    assert api.view()["paths"] == ["/4", "(other paths)", "/0", "/good"]
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 3, "hits": 105}


def test_an_edit_is_seen_by_the_next_hit(ledger, api):
    lane = api.lane()
    api.post(lane, 1, {"/a": 1})
    for number in (1, 2, 3):
        ledger.edited("UPDATE pathcount SET count = 100 * %s", number)
        assert api.count({"/a": 1}, lane, number + 1) == {"/a": 100 * number + 1}
    assert ledger.folded() == {"/a": 301}


def test_edits_while_hits_are_counted_lose_none(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=100).api
    stop, counted = [], {}

    def hammer(path):
        lane = api.lane()
        for sequence in itertools.count(1):
            if stop:
                return
            api.post(lane, sequence, {path: 1, "/deleted": 1})
            counted[path] = sequence

    clients = [Later(hammer, path) for path in ("/a", "/b")]
    for _ in range(20):
        with ledger.connect() as connection, connection.transaction():
            connection.execute("SELECT pathcount_fold()")  # folds wait from here on
            connection.execute("DELETE FROM pathcount WHERE path = '/deleted'")
            connection.execute("INSERT INTO pathcount (path, count) VALUES ('/edited', 1) "
                               "ON CONFLICT (path) DO UPDATE SET count = pathcount.count + 1")
            connection.execute("SELECT pathcount_edited()")
        time.sleep(0.05)
    stop.append(True)
    for client in clients:
        client.result()
    counts = ledger.counts()
    assert {path: counts[path] for path in counted} == counted
    assert counts["/edited"] == 20
    assert ledger.totals() == ledger.totals_by_scanning() == {
        "paths": len(counts), "hits": sum(counts.values())}
    assert api.totals() == ledger.totals()


def test_a_journal_that_went_back_to_an_earlier_state_is_read_anew(ledger, counter):
    """As after a restore, or at a standby that lacks what was not confirmed: the positions are the same
    again, the entries are others."""
    api = counter.api
    lane = api.lane()
    api.post(lane, 1, {"/a": 1})
    assert ledger.folded() == {"/a": 1}
    ledger.run("CREATE TABLE old_journal AS TABLE pathcount_journal")
    for name in ("pathcount", "pathcount_checkpoint", "pathcount_totals", "pathcount_lanes"):
        ledger.run(f"CREATE TABLE old_{name} AS TABLE {name}")
    for sequence in (2, 3, 4):
        api.post(lane, sequence, {"/a": 1, f"/{sequence}": 1})
    ledger.folded()
    with ledger.connect() as connection, connection.transaction():
        connection.execute("DELETE FROM pathcount_journal")
        connection.execute("INSERT INTO pathcount_journal TABLE old_journal")
        for name in ("pathcount", "pathcount_checkpoint", "pathcount_totals", "pathcount_lanes"):
            connection.execute(f"DELETE FROM {name}")
            connection.execute(f"INSERT INTO {name} TABLE old_{name}")
        for _ in range(3):
            connection.execute(APPEND, (1,))
    answer = until_answered(Later(api.post, lane, 2, {"/a": 1}), lambda: api.post(lane, 2, {"/a": 1}))
    assert answer.json() == {"lane": lane, "sequence": 2, "repeat": False, "counts": [2]}
    assert ledger.counts() == {"/a": 2}
    assert metric(api, "pathcount_journal_reloads_total") >= 1


def test_a_journal_without_the_entry_to_chain_to_is_not_begun_anew(ledger, counter):
    api = counter.api
    api.count({"/a": 1})
    ledger.folded()
    ledger.run("DELETE FROM pathcount_journal")
    lane = 77
    until(lambda: counter.ready().status == 503, "the counter to say that it cannot count")
    assert "journal" in counter.ready().text
    assert api.post(lane, 1, {"/a": 1}).status == 503
    assert ledger.value("SELECT count(*) FROM pathcount_journal") == 0
    assert [event["level"] for event in counter.events("journal-broken")] == ["error"]


def test_an_entry_of_an_unknown_kind_is_not_skipped(ledger, counter):
    api = counter.api
    lane = api.lane()
    ledger.run(APPEND, 7)
    assert api.post(lane, 1, {"/a": 1}).status == 503
    assert "upgrade" in counter.ready().text
    last = positions(ledger)[1]
    ledger.run("DELETE FROM pathcount_journal WHERE position = %s", last)
    until(lambda: api.post(lane, 1, {"/a": 1}).status == 200, "hits to be counted again")
    assert counter.until_ready()
    assert ledger.counts() == {"/a": 1}


def test_an_entry_that_cannot_be_read_is_not_skipped(ledger, counter):
    api = counter.api
    lane = api.lane()
    ledger.append(paths=["/x", "/y"], hits=[1])
    assert api.post(lane, 1, {"/a": 1}).status == 503
    assert "not of the form" in counter.ready().text
    ledger.run("DELETE FROM pathcount_journal WHERE position = %s", positions(ledger)[1])
    until(lambda: api.post(lane, 1, {"/a": 1}).status == 200, "hits to be counted again")
    assert ledger.counts() == {"/a": 1}


# --- clearing


def test_the_journal_is_cleared_but_for_what_a_slow_counter_may_want(stage, ledger):
    apis = [stage.counter(ledger, fold_interval_ms=100).api for _ in range(2)]
    hit_all(apis[0], {"/a": 1}, 3000)
    until(lambda: positions(ledger)[1] - positions(ledger)[0] <= 2000, "the journal to be cleared")
    first, last, checkpoint = positions(ledger)
    assert first > 1 and first <= checkpoint <= last
    assert last - first >= 999
    assert apis[1].count({"/a": 1}) == {"/a": 3001}


def test_a_counter_that_was_stopped_while_the_journal_was_cleared_counts_on(stage, ledger):
    """Longer than any of its connections lasts: it wakes up with a state whose entry is gone."""
    one, other = (stage.counter(ledger, fold_interval_ms=100) for _ in range(2))
    lane = one.api.lane()
    one.api.post(lane, 1, {"/a": 1, "/gone": 1})
    other.freeze()
    hit_all(one.api, {"/a": 1}, 2600)
    until(lambda: positions(ledger)[0] > 10, "the journal to be cleared")
    other.thaw()
    answer = until_answered(Later(other.api.post, lane, 2, {"/a": 1, "/gone": 1}),
                            lambda: other.api.post(lane, 2, {"/a": 1, "/gone": 1}))
    assert counts_of(answer, {"/a": 1, "/gone": 1}) == {"/a": 2602, "/gone": 2}
    assert ledger.counts() == {"/a": 2602, "/gone": 2}


def test_the_last_entry_is_never_cleared(ledger, counter):
    hit_all(counter.api, {"/a": 1}, 30)
    ledger.folded()
    with ledger.connect() as connection:
        clear(connection)
    first, last, _ = positions(ledger)
    assert first == last
    assert counter.api.count({"/a": 1}) == {"/a": 31}


def test_what_is_not_folded_is_never_cleared(ledger, api):
    lane = api.lane()
    ledger.folded()
    with folds_kept_from(ledger, "/a"):
        hit_all(api, {"/a": 1}, 3, lane)
        with ledger.connect() as connection:
            clear(connection)
        first, last, checkpoint = positions(ledger)
        assert (first, last) == (checkpoint + 1, checkpoint + 3)
    assert ledger.folded() == {"/a": 3}


def statement(name):
    """The text of one of counter-svc's statements."""
    with open(os.path.join(ROOT, "counter-svc", "ledger", "sql", name), encoding="utf-8") as file:
        return "".join(line for line in file if not line.startswith("--")).replace("pathcount_rows", "pathcount")


def clear(connection):
    """Deletes as many folded entries as may be, as counter-svc does."""
    connection.execute(re.sub(r"\$\d", "%s", statement("clear.sql")), (0, 10**6))


def test_a_fold_that_is_not_from_the_checkpoint_or_misses_an_entry_moves_nothing(stage, ledger):
    counter = stage.counter(ledger, fold_interval_ms=60000)
    used, ended = counter.api.lane(), counter.api.lane()
    ledger.folded()
    with folds_kept_from(ledger, "/a"):
        hit_all(counter.api, {"/a": 1}, 3, used)
        counter.kill()
        end_folds(ledger)
    ledger.end_lanes(ended)
    _, last, checkpoint = positions(ledger)
    before = tables(ledger)
    for start, upto in ((checkpoint - 1, last), (checkpoint + 1, last), (checkpoint, last + 1)):
        assert ledger.value("SELECT pathcount_fold(%s, %s, '{}', '')", start, upto) is False
        assert tables(ledger) == before
    with ledger.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM pathcount_journal WHERE position = %s", (checkpoint + 2,))
        assert connection.execute("SELECT pathcount_fold(%s, %s, '{}', '')",
                                  (checkpoint, last)).fetchone() == (False,)
        connection.execute("ROLLBACK")
    assert ledger.value("SELECT pathcount_fold(%s, %s, '{}', '')", checkpoint, last) is True
    assert ledger.run("SELECT path, count FROM pathcount") == [("/a", 3)]
    assert ledger.run("SELECT lane, sequence FROM pathcount_lanes") == [(used, 3)]


def tables(ledger):
    """Everything that folds change."""
    return [ledger.run(f"SELECT * FROM {name} ORDER BY 1") for name in (
        "pathcount", "pathcount_totals", "pathcount_lanes", "pathcount_quarantine", "pathcount_checkpoint")]


def test_a_fold_that_had_to_wait_for_a_restore_moves_nothing(ledger, counter):
    """It has seen the entries of the ledger before; the one that was restored has the same positions."""
    with folds_kept_from(ledger, "/a"):
        hit_all(counter.api, {"/a": 1}, 3)
        counter.kill()
        end_folds(ledger)
    _, last, checkpoint = positions(ledger)
    with ledger.connect() as restore:
        restore.execute("BEGIN")
        restore.execute("UPDATE pathcount_journal SET paths = '{/restored}' WHERE hits = '{1}'")
        restore.execute("UPDATE pathcount_checkpoint SET generation = generation + 1")
        fold = Later(ledger.value, "SELECT pathcount_fold(%s, %s, '{}', '')", checkpoint, last)
        until(lambda: ledger.value("SELECT count(*) FROM pg_stat_activity "
                                   "WHERE wait_event_type = 'Lock' AND query LIKE '%%pathcount_fold(%%'"),
              "the fold to wait")
        restore.execute("COMMIT")
        assert fold.result() is False
    assert ledger.counts() == {"/restored": 3}


def test_folds_at_once_move_each_entry_once(stage, ledger):
    counter = stage.counter(ledger, fold_interval_ms=60000)
    lane = counter.api.lane()
    for first in range(0, 200, 20):
        for n in range(first, first + 20):
            counter.api.post(lane, n + 1, {"/a": 1, f"/{n}": 1})
        folds = [Later(fold_all, ledger) for _ in range(4)]
        for fold in folds:
            fold.result()
        assert ledger.count("/a") == first + 20
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 201, "hits": 400}
    history_has_each_hit_once(ledger)


def history_has_each_hit_once(ledger):
    """Everything is folded."""
    counts = ledger.folded()
    for table in ("pathcount_hours", "pathcount_days"):
        rows = dict(ledger.run(f"SELECT path, sum(hits)::bigint FROM {table} GROUP BY path"))
        assert rows.pop("") == sum(counts.values())
        assert rows == counts
    assert dict(ledger.run("SELECT path, d30 FROM pathcount_recent")) == counts


def fold_all(ledger):
    with contextlib.suppress(psycopg.errors.RaiseException):
        ledger.run("SELECT pathcount_fold()")


def test_a_fold_that_is_killed_anywhere_is_done_again(stage, ledger):
    api = stage.counter(ledger, fold_interval_ms=100).api
    client = Later(hit_all, api, {f"/{n}": 1 for n in range(30)}, 400)
    killed = 0
    while not client.done:
        for pid, in ledger.run("SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                               "AND query LIKE '%pathcount_fold(%' AND pid <> pg_backend_pid()"):
            killed += ledger.value("SELECT pg_terminate_backend(%s)::int", pid)
        time.sleep(0.02)
    client.result()
    assert killed >= 3
    with folds_kept_from(ledger, "/0"):
        api.count({"/0": 1})
        ledger.until_waiting(1)
        end_folds(ledger)  # no hit follows this one
    assert ledger.folded() == {"/0": 401, **{f"/{n}": 400 for n in range(1, 30)}}
    assert ledger.totals() == ledger.totals_by_scanning() == {"paths": 30, "hits": 12001}
    history_has_each_hit_once(ledger)


def test_a_crash_of_postgresql_that_undoes_folds_loses_and_doubles_nothing(outage, stage, ledger):
    """Folds commit asynchronously: what a crash takes back is folded again, and the state, which
    remembers a later checkpoint, is read anew."""
    counter = stage.counter(ledger)
    lane, sequence = counter.api.lane(), 0
    for _ in range(3):
        stop_flushes(ledger)
        for _ in range(40):
            sequence += 1
            counter.api.post(lane, sequence, {"/a": 1, f"/{sequence}": 1})
        until(lambda: metric(counter.api, "pathcount_journal_unfolded_entries") == 0, "a fold")
        outage.kill()
        outage.start()
        counter.until_ready()
    answer = counter.api.post(lane, sequence + 1, {"/a": 1})
    assert answer.json()["counts"] == [sequence + 1]
    assert ledger.folded() == {"/a": sequence + 1, **{f"/{n}": 1 for n in range(1, sequence + 1)}}
    assert ledger.totals() == ledger.totals_by_scanning()
    reasons = [event["reason"] for event in counter.events("journal-reload")]
    assert any("the checkpoint has gone back" in reason for reason in reasons)


def stop_flushes(ledger):
    """From now on, and until PostgreSQL is started anew, nothing but a synchronous commit brings what was
    committed before to the disk."""
    for pid, in ledger.run("SELECT pid FROM pg_stat_activity WHERE backend_type IN "
                           "('walwriter', 'background writer', 'checkpointer', 'autovacuum launcher')"):
        os.kill(pid, signal.SIGSTOP)


# --- robustness: what others do to the table


def test_hits_are_counted_while_rows_of_the_table_are_held(stage, ledger):
    pair = stage.pair()
    pair.api.count({"/a": 1})
    pair.ledger.folded()
    with folds_kept_from(pair.ledger, "/a"):
        load = stage.load([pair.render], ["/a", "/b", "/c"], clients=4)
        load.until_acknowledged(600)
        tally = load.stop()
    assert set(tally.statuses) == {200}
    assert pair.ledger.folded() == {
        **tally.acknowledged, "/a": tally.acknowledged["/a"] + 1}


@pytest.mark.parametrize("what", ["VACUUM FULL pathcount", "CREATE INDEX extra ON pathcount (last_hit_at)",
                                  "VACUUM FULL pathcount_journal", "REINDEX TABLE pathcount"])
def test_hits_are_counted_beside_an_operators_maintenance(stage, ledger, what):
    api = stage.counter(ledger, fold_interval_ms=100).api
    api.count_all({f"/{n}": 1 for n in range(3000)}, 500)
    client = Later(hit_all, api, {"/0": 1, "/1": 1}, 300)
    times = 0
    while not client.done:
        ledger.run(what)
        times += 1
        if "CREATE INDEX" in what:
            ledger.run("DROP INDEX extra")
    client.result()
    assert times >= 2
    assert ledger.folded() == {f"/{n}": 301 if n < 2 else 1 for n in range(3000)}


# --- rule 13: plans


def test_no_statement_reads_the_journal_or_the_table_from_end_to_end(stage, ledger):
    """Plans are made while both are empty, and used for as long as the session lives."""
    counter = stage.counter(ledger, fold_interval_ms=100)
    ledger.until_migrated()
    counter.stop()  # the indexes were made by reading the table
    api = counter.restart().until_ready().api
    api.count({"/a": 1})
    until(lambda: metric(api, "pathcount_journal_unfolded_entries") == 0, "a fold")
    before = until_settled(ledger)
    lane = api.lane()
    for sequence in range(1, 700):
        assert api.post(lane, sequence, {"/a": 1, f"/{sequence}": 1}).status == 200
    for query in ({"order": "path"}, {"prefix": "/1"}, {"after": "1:/5"}, {"before": "1:/5"}):
        api.view(**query)
    api.get("/5")
    until(lambda: metric(api, "pathcount_journal_unfolded_entries") == 0, "a fold")
    assert until_settled(ledger) == before


def test_plans_are_generic_and_made_without_jit_and_sequential_scans(stage, ledger):
    """PostgreSQL logs each plan with the settings that it was made with."""
    for name, value in {"session_preload_libraries": "auto_explain", "auto_explain.log_settings": "on",
                        "auto_explain.log_min_duration": "0",
                        "auto_explain.log_nested_statements": "on"}.items():
        ledger.run(f"ALTER DATABASE {ledger.database} SET {name} = '{value}'")
    before = len(ledger.cluster.log())
    api = stage.counter(ledger).api
    api.count({"/a": 1})
    ledger.folded()
    api.view(order="path")
    for name in ("append", "load", "catch_up", "look_up", "fold", "rows_by_path"):
        for plan in plans(ledger, before, statement(f"{name}.sql")):
            assert "jit = 'off'" in plan and "enable_seqscan = 'off'" in plan
            assert "plan_cache_mode = 'force_generic_plan'" in plan
    before = len(ledger.cluster.log())
    ledger.run("SELECT pathcount_fold(0, 0, '{}', '')")  # in an operator's session
    for plan in plans(ledger, before, "WITH history AS MATERIALIZED ("):
        assert "jit = 'off'" in plan and "enable_seqscan = 'off'" in plan


def plans(ledger, before, text):
    """What PostgreSQL has logged of plans for statements with this text; there is at least one."""
    log = ledger.cluster.log(before).replace("\n\t", "\n")
    found = [entry for entry in re.split(r"\n(?=\d{4}-)", log) if "plan:\n" in entry and text in entry]
    assert found, text
    return found


def until_settled(ledger):
    """How often the two tables have been read from end to end, once that does not change any more: a
    session tells so a second late."""
    seen = [None]

    def is_settled():
        seen.append(ledger.value("SELECT sum(seq_scan) FROM pg_stat_user_tables "
                                 "WHERE relname IN ('pathcount', 'pathcount_journal')"))
        return seen[-1] == seen[-2]

    until(is_settled, "the statistics to settle", pause=1.5)
    return seen[-1]
