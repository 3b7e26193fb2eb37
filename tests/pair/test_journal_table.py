"""The journal's rules about the table: refused rows, edits, restores, locks and plans. See test_journal.py."""

import itertools
import os
import re

import pytest

from harness.services import ROOT
from harness.wait import Later, until

from journal_helpers import (  # noqa: F401 (fixtures)
    api, counter, counters_know_their_apis, folds_kept_from, hit_all, metric, positions, statement,
    until_answered)

APPEND = """
INSERT INTO pathcount_journal
    (position, id, kind, writer, lanes, sequences, opened, ended, paths, hits, new_paths)
VALUES ((SELECT max(position) + 1 FROM pathcount_journal), floor(random() * 9e15)::bigint, %s, 0,
        '{}', '{}', '{}', '{}', '{}', '{}', 0)"""


# --- rule 10: refused rows


def test_refused_hits_are_quarantined_and_block_no_other(ledger, counter):
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


def test_the_sql_of_the_runbook_moves_the_quarantine_to_the_table(ledger, api):
    with open(os.path.join(ROOT, "docs", "runbook.md"), encoding="utf-8") as file:
        section = file.read().split("\n## PathcountQuarantine\n")[1]
    ledger.run("ALTER TABLE pathcount ADD CONSTRAINT no CHECK (path NOT LIKE '/forbidden%')")
    assert api.post(api.lane(), 1, {"/forbidden": 3, "/forbidden/too": 1}, bots={"/forbidden": 2}).status == 200
    until(ledger.quarantine, "hits in the quarantine")
    ledger.run("ALTER TABLE pathcount DROP CONSTRAINT no")
    api.count({"/forbidden": 1})
    ledger.until_folded()
    ledger.run(re.search(r"^```sql\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)[1])
    assert ledger.quarantine() == {}
    assert ledger.run("SELECT path, count, bot_count FROM pathcount ORDER BY path") == [
        ("/forbidden", 4, 2), ("/forbidden/too", 1, 0)]
    assert ledger.totals() == ledger.totals_by_scanning()


@pytest.mark.parametrize("sqlstate", ["22003", "23514", "P0001"])
def test_a_trigger_that_refuses_rows_blocks_no_other_hit(ledger, api, sqlstate):
    ledger.fail_folding("/forbidden", sqlstate)
    api.count({f"/{n}": 1 for n in range(50)} | {"/forbidden": 1})
    assert ledger.folded() == {f"/{n}": 1 for n in range(50)}
    assert ledger.counts()["/forbidden"] == 1


def test_a_count_at_the_maximum_blocks_no_other_hit(ledger, api):
    api.count({"/full": 1})
    assert ledger.folded() == {"/full": 1}
    ledger.run("UPDATE pathcount SET count = 9223372036854775806; SELECT pathcount_edited()")
    assert api.count({"/full": 5, "/other": 1}) == {"/full": 2**63 - 1, "/other": 1}
    assert api.count({"/full": 5}) == {"/full": 2**63 - 1}
    assert ledger.folded() == {"/full": 2**63 - 1, "/other": 1}


# --- rule 11: edits and restores


def test_an_edit_is_seen_at_once_and_frees_room_below_max_paths(stage, ledger):
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


def test_edits_during_hits_lose_no_hit(stage, ledger):
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
        before = dict(counted)
        with ledger.connect() as connection, connection.transaction():
            connection.execute("SELECT pathcount_fold()")  # folds wait until the commit
            connection.execute("DELETE FROM pathcount WHERE path = '/deleted'")
            connection.execute("INSERT INTO pathcount (path, count) VALUES ('/edited', 1) "
                               "ON CONFLICT (path) DO UPDATE SET count = pathcount.count + 1")
            connection.execute("SELECT pathcount_edited()")
        until(lambda before=before: all(counted.get(path, 0) > before.get(path, 0) for path in ("/a", "/b")),
              "hits after the edit")
    stop.append(True)
    for client in clients:
        client.result()
    counts = ledger.counts()
    assert {path: counts[path] for path in counted} == counted
    assert counts["/edited"] == 20
    assert ledger.totals() == ledger.totals_by_scanning() == {
        "paths": len(counts), "hits": sum(counts.values())}
    assert api.totals() == ledger.totals()


def test_a_journal_restored_to_an_earlier_state_is_read_anew(ledger, counter):
    """As after a restore, or at a standby that lacks the unconfirmed entries: other entries have the same
    positions."""
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


def test_a_journal_without_its_last_entry_is_not_restarted(ledger, counter):
    api = counter.api
    api.count({"/a": 1})
    ledger.folded()
    ledger.run("DELETE FROM pathcount_journal")
    lane = 77
    until(lambda: counter.ready().status == 503, "the counter to report that it cannot count")
    assert "journal" in counter.ready().text
    assert api.post(lane, 1, {"/a": 1}).status == 503
    assert ledger.value("SELECT count(*) FROM pathcount_journal") == 0
    assert [event["level"] for event in counter.events("journal-broken")] == ["error"]


def test_an_entry_of_an_unknown_kind_is_not_skipped(ledger, counter):
    api = counter.api
    lane = api.lane()
    ledger.run(APPEND, 7)
    assert api.post(lane, 1, {"/a": 1}).status == 503
    assert "Upgrade counter-svc." in counter.ready().text
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


# --- robustness: locks and maintenance of other sessions


def test_hits_are_counted_while_rows_are_locked(stage, ledger):
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
def test_hits_are_counted_during_an_operators_maintenance(stage, ledger, what):
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


def test_no_statement_scans_the_journal_or_the_table(stage, ledger):
    """Plans are made while both are empty, and used for the life of the session."""
    counter = stage.counter(ledger, fold_interval_ms=100)
    ledger.until_migrated()
    counter.stop()  # creating the indexes scanned the table
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


def test_plans_are_generic_without_jit_and_sequential_scans(stage, ledger):
    """PostgreSQL logs each plan with the settings under which it was made."""
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
    """The plans that PostgreSQL has logged for statements with this text, at least one."""
    log = ledger.cluster.log(before).replace("\n\t", "\n")
    found = [entry for entry in re.split(r"\n(?=\d{4}-)", log) if "plan:\n" in entry and text in entry]
    assert found, text
    return found


def until_settled(ledger):
    """The numbers of sequential scans of both tables, once they no longer change. A session reports them a
    second late."""
    seen = [None]

    def is_settled():
        seen.append(ledger.value("SELECT sum(seq_scan) FROM pg_stat_user_tables "
                                 "WHERE relname IN ('pathcount', 'pathcount_journal')"))
        return seen[-1] == seen[-2]

    until(is_settled, "the statistics to settle", pause=1.5)
    return seen[-1]
