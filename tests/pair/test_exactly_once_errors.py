"""Batches are counted exactly once when PostgreSQL reports errors or a standby lags. See test_exactly_once.py."""

import pytest

from harness.api import counts_of
from harness.wait import Later, holds_for, until

from exactly_once_helpers import PATIENT, api, counter, other, until_applied  # noqa: F401 (fixtures)


# --- errors of PostgreSQL


def test_hits_that_the_table_refuses_are_counted(ledger, api):
    lane = api.lane()
    api.post(lane, 1, {"/before": 1})
    ledger.run("ALTER TABLE pathcount ADD CHECK (path <> '/forbidden')")
    for sequence in (2, 3):
        assert api.post(lane, sequence, {"/beside": 1, "/forbidden": 2}).json()["counts"] == [
            sequence - 1, 2 * (sequence - 1)]
        assert ledger.quarantine() == {"/forbidden": 2 * (sequence - 1)}
        assert ledger.folded() == {"/before": 1, "/beside": sequence - 1}
    assert ledger.counts() == {"/before": 1, "/beside": 2, "/forbidden": 4}
    assert ledger.totals() == ledger.totals_by_scanning() == api.totals() == {"paths": 3, "hits": 7}


@pytest.mark.parametrize("sqlstate", ["22003", "22012", "22021", "23502", "23514", "23P01"])
def test_a_data_error_affects_only_its_own_path(ledger, api, sqlstate):
    api.count({"/shared": 1, "/forbidden": 1})
    ledger.folded()
    ledger.fail_folding("/forbidden", sqlstate)
    hits = [{"/shared": 1, "/forbidden" if n in (2, 5) else f"/{n}": 1} for n in range(8)]
    for post in [api.post_later(api.lane(), 1, batch) for batch in hits]:
        assert post.result().status == 200
    alone = {f"/{n}": 1 for n in range(8) if n not in (2, 5)}
    assert ledger.folded() == {"/shared": 9, "/forbidden": 1, **alone}
    assert ledger.quarantine() == {"/forbidden": 2}
    assert ledger.counts() == {"/shared": 9, "/forbidden": 3, **alone}
    assert api.count({"/forbidden": 1}) == {"/forbidden": 4}


def test_a_row_refused_at_the_commit_is_quarantined_too(ledger, api):
    ledger.fail_folding("/b", "23514", at_commit=True)
    api.count({"/a": 1, "/b": 2})
    assert ledger.quarantine() == {"/b": 2}
    assert ledger.folded() == {"/a": 1}


@pytest.mark.parametrize("sqlstate", [
    "40001", "40P01", "42501", "53100", "55P03", "57014", "58030", "XX000"])
def test_other_errors_put_nothing_into_the_quarantine(ledger, api, sqlstate):
    failed = ledger.fail_folding("/b", sqlstate, times=2)
    api.count({"/a": 1, "/b": 2})
    assert ledger.folded() == {"/a": 1, "/b": 2}
    assert failed() == 2
    assert ledger.quarantine() == {}


@pytest.mark.parametrize("sqlstate", [
    "40001", "40P01", "53100", "53200", "53300", "55P03", "55006", "57014", "57P05", "08006"])
def test_a_batch_is_retried_after_a_transient_error(ledger, api, sqlstate):
    failed = ledger.fail_writing("/b", sqlstate, times=2)
    lane = api.lane()
    assert api.post(lane, 1, {"/a": 1, "/b": 2, "/c": 3}).json() == {
        "lane": lane, "sequence": 1, "repeat": False, "counts": [1, 2, 3]}
    assert failed() == 2
    assert ledger.counts() == {"/a": 1, "/b": 2, "/c": 3}


def test_rows_returned_before_a_failed_commit_confirm_nothing(ledger, api):
    ledger.fail_writing("/b", "23514", at_commit=True)
    lane = api.lane()
    post = api.post_later(lane, 1, {"/a": 1, "/b": 1})
    assert post.result().status == 503
    assert ledger.counts() == {}
    ledger.forget_failures()
    assert until_applied(post, lambda: api.post(lane, 1, {"/a": 1, "/b": 1})).json() == {
        "lane": lane, "sequence": 1, "repeat": False, "counts": [1, 1]}


def test_a_batch_is_retried_after_a_transient_error_at_the_commit(ledger, api):
    failed = ledger.fail_writing("/b", "40001", times=2, at_commit=True)
    assert api.count({"/a": 1, "/b": 2}) == {"/a": 1, "/b": 2}
    assert failed() == 2
    assert ledger.counts() == {"/a": 1, "/b": 2}


@pytest.mark.parametrize("sqlstate", ["XX000", "42501", "P0001", "58030", "22003", "23514"])
def test_an_unexpected_error_of_an_append_is_503_and_counts_nothing(ledger, api, sqlstate):
    failed = ledger.fail_writing("/b", sqlstate)
    lane = api.lane()
    assert api.post(lane, 1, {"/a": 1, "/b": 1}).status == 503
    assert failed() == 1
    assert ledger.counts() == {}


def test_an_append_waits_again_after_lock_timeout(stage, ledger):
    api = stage.counter(ledger, **{**PATIENT, "lock_timeout_ms": 100}).api
    lane = api.lane()
    with ledger.held_appends() as release:
        before = len(ledger.cluster.log())
        post = api.post_later(lane, 1, {"/a": 1})
        until(lambda: ledger.cluster.log(before).count(" 55P03 ") >= 2, "an append to be tried again")
        release()
        assert post.result().json()["repeat"] is False
    assert ledger.counts() == {"/a": 1}


def test_a_batch_that_lost_its_connection_to_postgresql_is_counted_once(ledger, api):
    lane = api.lane()
    with ledger.held_appends():
        post = api.post_later(lane, 1, {"/a": 1})
        victim, = ledger.until_waiting(1)
        ledger.run("SELECT pg_terminate_backend(%s)", victim)
        until(lambda: victim not in ledger.backends(), "the backend to end")
    assert until_applied(post, lambda: api.post(lane, 1, {"/a": 1})).json()["counts"] == [1]
    assert ledger.counts() == {"/a": 1}


def test_a_row_locked_by_another_session_delays_no_append(ledger, api):
    api.count({"/held": 1})
    with ledger.locked("/held"):
        for sequence in range(3):
            assert api.count({"/held": 1, f"/free-{sequence}": 1})["/held"] == sequence + 2
        ledger.until_waiting(1)  # a fold
        assert ledger.run("SELECT * FROM pathcount WHERE path <> '/held'") == []
        assert api.count({"/held": 1}) == {"/held": 5}
    assert ledger.folded() == ledger.counts() == {"/held": 5, "/free-0": 1, "/free-1": 1, "/free-2": 1}


def test_a_fold_survives_a_deadlock_with_another_session(ledger, stage):
    # A backend looks for a deadlock once, deadlock_timeout after it began to wait. The other session must wait by
    # then, too, and lock_timeout must be longer.
    ledger.run(f"ALTER DATABASE {ledger.database} SET deadlock_timeout = '2s'")
    api = stage.counter(ledger, **PATIENT).api
    api.count({"/a": 1, "/b": 1})
    ledger.folded()
    before = len(ledger.cluster.log())
    with ledger.connect() as session:
        session.execute("SET deadlock_timeout = '1min'")  # PostgreSQL then cancels the fold, not this one
        session.execute("BEGIN")
        session.execute("SELECT 1 FROM pathcount WHERE path = '/b' FOR UPDATE")
        assert api.count({"/a": 1, "/b": 1}) == {"/a": 2, "/b": 2}
        ledger.until_waiting(1)
        session.execute("SELECT 1 FROM pathcount WHERE path = '/a' FOR UPDATE")
        assert " 40P01 " in ledger.cluster.log(before)
        session.execute("ROLLBACK")
    assert ledger.folded() == {"/a": 2, "/b": 2}


def test_a_failed_append_does_not_mix_up_the_answers_of_waiting_batches(ledger, api):
    failed = ledger.fail_writing("/bad", "40001", times=8)
    numbers = {"/bad": [], "/x": [], "/y": []}
    for _ in range(5):
        posts = [(hits, api.post_later(api.lane(), 1, hits))
                 for hits in [{"/bad": 1}, {"/x": 1, "/y": 1}, {"/y": 1}, {"/bad": 1, "/x": 1}]]
        for hits, post in posts:
            for path, number in counts_of(post.result(), hits).items():
                numbers[path].append(number)
    assert failed() == 8
    assert all(sorted(given) == list(range(1, 11)) for given in numbers.values()), numbers
    assert ledger.counts() == {"/bad": 10, "/x": 10, "/y": 10}


# --- commits on disk and on the standby


def wait_for_standby(ledger):
    return until(lambda: ledger.backends("wait_event = 'SyncRep'"), "a commit to wait for its standby")


def cancel_wait_for_standby(ledger):
    """Cancels a commit's wait for the standby. PostgreSQL then warns that the standby may lack the commit."""
    backend, = wait_for_standby(ledger)
    ledger.run("SELECT pg_cancel_backend(%s)", backend)


def test_a_commit_whose_wait_for_the_standby_was_cancelled_is_not_confirmed(ledger, counter):
    lane = counter.api.lane()
    with ledger.cluster.without_standby():
        for _ in range(3):  # the second and the third batch are repeats
            post = counter.until_ready().api.post_later(lane, 1, {"/a": 1})
            cancel_wait_for_standby(ledger)
            assert post.result().status == 503
            assert ledger.counts() == {"/a": 1}
    assert counter.until_ready().api.post(lane, 1, {"/a": 1}).json() == {
        "lane": lane, "sequence": 1, "repeat": True, "counts": [1]}
    assert ledger.counts() == {"/a": 1}


def test_after_a_warning_the_next_host_is_used(ledger, stage):
    """The host that warned may be an old primary after a failover."""
    hosts = [stage.wire(ledger.cluster.address) for _ in range(2)]
    url = ",".join(f"127.0.0.1:{host.address[1]}" for host in hosts)
    counter = stage.counter(ledger, **PATIENT, postgres_url=url)
    assert hosts[1].connections == 0
    lane = counter.api.lane()
    with ledger.cluster.without_standby():
        post = counter.api.post_later(lane, 1, {"/a": 1})
        cancel_wait_for_standby(ledger)
        assert post.result().status == 503
    until(lambda: hosts[1].connections != 0, "a connection to the next host")
    assert counter.until_ready().api.post(lane, 1, {"/a": 1}).json()["repeat"] is True


def test_a_repeat_is_confirmed_only_when_the_standby_has_it_too(ledger, api, other):
    lane = api.lane()
    with ledger.cluster.without_standby():
        original = api.post_later(lane, 1, {"/a": 1})
        cancel_wait_for_standby(ledger)
        assert original.result().status == 503
        repeat = other.post_later(lane, 1, {"/a": 1})
        wait_for_standby(ledger)
        assert holds_for(lambda: not repeat.done, 0.5)
    assert repeat.result().json()["repeat"] is True
    assert ledger.counts() == {"/a": 1}


def test_a_conflict_is_reported_only_after_a_commit(ledger, api):
    with ledger.cluster.without_standby():
        conflict = api.post_later(10**9, 1, {"/a": 1})
        wait_for_standby(ledger)
        assert holds_for(lambda: not conflict.done, 0.5)
    assert conflict.result().status == 409


def test_a_lane_is_issued_only_after_the_standby_has_it(ledger, api):
    with ledger.cluster.without_standby():
        lane = Later(api.lane)
        wait_for_standby(ledger)
        assert holds_for(lambda: not lane.done, 0.5)
    assert api.post(lane.result(), 1, {"/a": 1}).status == 200


def test_commits_are_synchronous_whatever_the_database_is_set_to(ledger, stage):
    ledger.run(f'ALTER DATABASE "{ledger.database}" SET synchronous_commit = off')
    api = stage.counter(ledger, **PATIENT).api
    lane = api.lane()
    with ledger.cluster.without_standby():
        post = api.post_later(lane, 1, {"/a": 1})
        wait_for_standby(ledger)
        assert not post.done
    assert post.result().status == 200
