"""counter-svc creates its schema, takes over the table of the old server, and checks versions."""

import glob
import os
import random
import string

import psycopg
import pytest

from harness.api import Api
from harness.http import hit, hit_in_full
from harness.services import ROOT
from harness.wait import Later, until

OLD_TABLE = "CREATE TABLE pathcount (path TEXT PRIMARY KEY, count INT DEFAULT 0)"


def left_by_the_old_server(ledger, *rows, table=OLD_TABLE):
    with ledger.connect_as_owner() as connection:
        connection.execute(table)
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO pathcount VALUES (%s, %s)", rows)


def columns(ledger):
    """name → (type, collation, nullable) of the table pathcount."""
    return {name: (kind, collation, nullable == "YES") for name, kind, collation, nullable in ledger.run(
        "SELECT column_name, data_type, collation_name, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = 'pathcount'")}


# --- a new ledger


def test_an_empty_database_gets_the_schema(stage, ledger):
    stage.counter(ledger)
    shape = columns(ledger)
    assert shape["path"] == ("text", "C", False)
    assert shape["count"][0] == "bigint" and not shape["count"][2]
    assert ledger.counts() == {}
    version, oldest = ledger.run("SELECT version, oldest_program FROM pathcount_schema")[0]
    assert version >= oldest >= 1


def test_the_old_servers_query_works_soon_after_a_hit(stage, ledger):
    api = stage.counter(ledger).api
    api.count({"/a": 3})
    with ledger.connect_as_owner() as connection:
        until(lambda: connection.execute("SELECT path, count FROM pathcount").fetchall() == [("/a", 3)],
              "the hits to be in the table")


def test_several_counters_starting_at_once_make_one_schema(stage, ledger):
    counters = [stage.service("counter-svc", ledger.keys, start=False) for _ in range(5)]
    for counter in counters:
        counter.launch()
    for counter in counters:
        counter.attach().until_ready()
    for counter in counters:
        Api(counter.address).count({"/a": 1})
        assert "error" not in {event["level"] for event in counter.events()}
    assert ledger.counts() == {"/a": 5}
    assert ledger.value("SELECT count(*) = count(DISTINCT version) FROM pathcount_schema")


def test_a_second_start_changes_nothing(stage, ledger):
    counter = stage.counter(ledger)
    counter.api.count({"/a": 2})
    before = ledger.run("SELECT * FROM pathcount_schema")
    counter.stop()
    counter.restart().until_ready()
    assert ledger.run("SELECT * FROM pathcount_schema") == before
    assert ledger.counts() == {"/a": 2}


def test_the_service_needs_only_its_own_database(stage, ledger):
    stage.counter(ledger)
    assert ledger.run("SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = %s",
                      ledger.role) == [(False, False, False)]


# --- an old one


def test_an_old_table_is_taken_over_with_its_counts(stage, ledger):
    left_by_the_old_server(ledger, ("/a", 5), ("/b", 1), ("/c/d/", 7))
    api = stage.counter(ledger).api
    assert ledger.counts() == {"/a": 5, "/b": 1, "/c/d/": 7}
    shape = columns(ledger)
    assert shape["path"] == ("text", "C", False) and shape["count"][0] == "bigint"
    assert api.totals() == {"paths": 3, "hits": 13}
    assert api.count({"/a": 1, "/new": 1}) == {"/a": 6, "/new": 1}
    assert ledger.totals() == ledger.totals_by_scanning() == api.totals() == {"paths": 4, "hits": 15}


def test_a_null_count_is_taken_over_as_0(stage, ledger):
    left_by_the_old_server(ledger, ("/null", None), ("/a", 1))
    api = stage.counter(ledger).api
    assert ledger.counts() == {"/null": 0, "/a": 1}
    assert api.count({"/null": 1}) == {"/null": 1}
    assert ledger.totals() == ledger.totals_by_scanning() == api.totals() == {"paths": 2, "hits": 2}


def test_a_count_at_the_maximum_of_int_is_counted_on(stage, ledger):
    left_by_the_old_server(ledger, ("/full", 2**31 - 1), ("/also", 2**31 - 1))
    api = stage.counter(ledger).api
    assert api.totals() == {"paths": 2, "hits": 2**32 - 2}
    assert api.count({"/full": 1}) == {"/full": 2**31}


def test_paths_get_their_leading_slash_and_collisions_are_summed(stage, ledger):
    left_by_the_old_server(ledger, ("a", 3), ("/a", 5), ("", 2), ("/", 1), ("b/c", 7), ("//d", 1),
                           ("/d", 4), ("/null", None), ("null", 6), ("é", 1))
    api = stage.counter(ledger).api
    expected = {"/a": 8, "/": 3, "/b/c": 7, "//d": 1, "/d": 4, "/null": 6, "/é": 1}
    assert ledger.counts() == expected
    assert api.totals() == {"paths": len(expected), "hits": sum(expected.values())}
    assert dict(api.pages(limit=2)) == expected


def test_rows_taken_over_are_shown_on_the_page(stage, ledger):
    left_by_the_old_server(ledger, ("page", 41))
    counter = stage.counter(ledger)
    assert hit(stage.render(counter).address, "/page") == 42


def test_the_order_is_by_bytes_with_any_old_collation(stage, ledger):
    names = ["/a", "/B", "/b", "/A", "/é", "/z", "/_", "/a/b", "/ab"]
    left_by_the_old_server(ledger, *[(name, 1) for name in names], table=OLD_TABLE.replace(
        "TEXT", 'TEXT COLLATE "und-x-icu"'))
    api = stage.counter(ledger).api
    expected = [(name, 1) for name in sorted(names, key=str.encode)]
    assert api.pages(order="path", limit=2) == expected
    assert api.pages(order="count", limit=2) == expected


def test_a_takeover_happens_once(stage, ledger):
    left_by_the_old_server(ledger, ("a", 1), ("/a", 1))
    counters = [stage.service("counter-svc", ledger.keys, start=False) for _ in range(4)]
    for counter in counters:
        counter.launch()
    for counter in counters:
        counter.attach().until_ready()
    assert ledger.counts() == {"/a": 2}
    counters[0].kill()
    counters[0].restart().until_ready()
    assert ledger.counts() == {"/a": 2}
    assert Api(counters[0].address).totals() == {"paths": 1, "hits": 2}


def test_a_killed_takeover_is_repeated_from_the_start(stage, ledger):
    left_by_the_old_server(ledger, *[(f"{n}", 1) for n in range(2000)])
    with ledger.connect() as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE pathcount IN ROW SHARE MODE")
        counter = stage.service("counter-svc", ledger.keys)
        ledger.until_waiting(1)
        counter.kill()
    counter.restart().until_ready()
    assert ledger.counts() == {f"/{n}": 1 for n in range(2000)}


LONG = "/" + "long" * 1000  # longer than our maximum; PostgreSQL compresses it to fit an index


def test_paths_beyond_the_maximum_length_are_taken_over_and_shown(stage, ledger):
    left_by_the_old_server(ledger, (LONG, 70), ("/a", 1))
    counter = stage.counter(ledger)
    assert ledger.counts() == {LONG: 70, "/a": 1}
    document = hit_in_full(stage.render(counter).address, "/a")
    assert [(row["path"], row["count"]) for row in document["rows"]] == [(LONG, 70), ("/a", 2)]


@pytest.mark.parametrize("order", ["count", "path"])
def test_paths_beyond_the_maximum_length_can_be_paged(stage, ledger, order):
    left_by_the_old_server(ledger, (LONG, 70), ("/m", 1))
    assert stage.counter(ledger).api.pages(limit=1, order=order) == [(LONG, 70), ("/m", 1)]


def test_a_path_that_just_fitted_the_old_index_is_taken_over(stage, ledger):
    chance = random.Random(5)
    tight = "/" + "".join(chance.choices(string.ascii_letters + string.digits + "-_", k=2680))
    left_by_the_old_server(ledger, (tight, 1), (tight[1:], 2))
    assert stage.counter(ledger).api.totals() == {"paths": 1, "hits": 3}
    assert ledger.counts() == {tight: 3}


def test_a_takeover_waits_for_an_old_server_that_still_writes(stage, ledger):
    left_by_the_old_server(ledger, ("/a", 1))
    with ledger.connect() as old:
        old.execute("BEGIN")
        old.execute("UPDATE pathcount SET count = count + 1 WHERE path = '/a'")
        counter = stage.service("counter-svc", ledger.keys)
        ledger.until_waiting(1)
        assert not counter.is_ready()
        old.execute("COMMIT")
    counter.until_ready()
    assert ledger.counts() == {"/a": 2}


# --- versions


def test_a_ledger_for_newer_programs_only_is_refused_with_a_clear_error(stage, ledger):
    stage.counter(ledger).api.count({"/a": 1})
    ledger.run("INSERT INTO pathcount_schema VALUES (1000000, 'later', 1000000)")
    refused = stage.service("counter-svc", ledger.keys, start=False)
    refused.launch()
    assert refused.ended() == 1
    refused.expect_status(1)
    assert any("1000000" in event["error"] for event in refused.events() if event["level"] == "error")
    assert ledger.counts() == {"/a": 1}


def test_a_newer_ledger_that_allows_old_programs_is_used(stage, ledger):
    stage.counter(ledger).api.count({"/a": 1})
    ledger.run("INSERT INTO pathcount_schema VALUES (1000000, 'later', 1)")
    assert stage.counter(ledger).api.count({"/a": 1}) == {"/a": 2}
    assert ledger.value("SELECT max(version) FROM pathcount_schema") == 1000000


def migration(number):
    """The text of a migration, as counter-svc runs it."""
    path, = glob.glob(os.path.join(ROOT, "counter-svc", "ledger", "schema", f"{number:03}-*.sql"))
    with open(path, encoding="utf-8") as file:
        return file.read()


def left_by_the_first_program(ledger):
    """A ledger as the first program made it, with one path."""
    with ledger.connect_as_owner() as connection:
        connection.execute("CREATE TABLE pathcount_schema (version INT PRIMARY KEY, name TEXT NOT NULL, "
                           "oldest_program INT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())")
        connection.execute(migration(1))
        connection.execute("INSERT INTO pathcount_schema VALUES (1, 'ledger', 1)")
        connection.execute("INSERT INTO pathcount VALUES ('/a', 3)")
        connection.execute("UPDATE pathcount_lane SET paths = 1, hits = 3")


def test_a_ledger_of_the_first_program_is_upgraded(stage, ledger):
    left_by_the_first_program(ledger)
    api = stage.counter(ledger).api
    api.lane()
    none = {"hits": 0, "bots": 0}  # history begins now
    assert api.get("/a") == {"path": "/a", "count": 3, "bots": 0, "rank": 1, "first": None, "last": None,
                             "periods": {"today": none, "24h": none, "7d": none, "30d": none}}
    assert api.count({"/a": 1}) == {"/a": 4}
    row = api.get("/a")
    assert row["first"] is None and row["last"] is not None  # the hits before are not in history
    assert ledger.totals() == ledger.totals_by_scanning() == api.totals() == {"paths": 1, "hits": 4}


def test_an_older_program_cannot_write_at_the_same_time(stage, ledger):
    api = stage.counter(ledger).api
    api.count({"/a": 1})
    assert ledger.value("SELECT max(oldest_program) FROM pathcount_schema") == 4
    with ledger.connect_as_owner() as connection:
        with pytest.raises(psycopg.errors.UndefinedTable):  # the first part of its statement
            connection.execute("SELECT lane, sequence FROM pathcount_lane ORDER BY lane FOR UPDATE")
    assert ledger.folded() == {"/a": 1}


def test_the_first_hit_completes_an_upgrade_and_no_read_does(stage, ledger):
    left_by_the_first_program(ledger)
    counter = stage.service("counter-svc", {**ledger.keys, "batch_deadline_ms": 500}).until_ready()
    api = Api(counter.address)
    assert counter.events("migration-awaited")
    for target in ("/v1/totals", "/v1/paths", "/v1/paths/a"):
        assert api.ask("GET", target).status == 503
    with ledger.connect_as_owner() as old:
        old.execute("SELECT lane, sequence FROM pathcount_lane ORDER BY lane FOR UPDATE")
    assert ledger.value("SELECT max(version) FROM pathcount_schema") == 1
    until(lambda: api.count({"/a": 1}) == {"/a": 4}, "a hit to be counted")
    assert ledger.value("SELECT max(version) FROM pathcount_schema") == 6


def test_a_database_that_is_not_utf8_is_refused_with_a_clear_error(stage):
    counter = stage.counter(stage.cluster.new_ledger(encoding="LATIN1"), ready=False)
    until(lambda: any("UTF8" in str(event) for event in counter.events() if event["level"] == "error"),
          "a clear error")
    assert counter.ready().status == 503


def test_a_counter_that_is_ready_serves_while_another_starts(stage, ledger):
    first = stage.counter(ledger)
    started = Later(stage.counter, ledger)
    while not started.done:
        first.api.count({"/a": 1})
    started.result()
    assert first.api.count({"/a": 1})["/a"] == ledger.count("/a")
