"""The details of one path: its count, its rank, and the times of its first and last hit."""

import datetime

import pytest


@pytest.fixture
def api(stage, ledger):
    return stage.counter(ledger).api


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_the_rank_is_the_place_in_the_order_by_count(api):
    api.count({"/a": 5, "/b": 9, "/c": 5, "/d": 1, "/e": 5})
    ranking = api.view()["paths"]
    assert ranking == ["/b", "/a", "/c", "/e", "/d"]
    assert [api.get(path)["rank"] for path in ranking] == [1, 2, 3, 4, 5]


def test_the_rank_changes_with_the_hits_of_others(api):
    api.count({"/a": 5, "/b": 9})
    assert api.get("/a")["rank"] == 2
    api.count({"/a": 5})
    assert api.get("/a")["rank"] == 1


@pytest.mark.parametrize("counts", ["2", "n"])  # the counts are all equal, or all different
def test_a_rank_is_exact_to_the_10000th_and_null_beyond_it(api, ledger, counts):
    ledger.edited(f"INSERT INTO pathcount SELECT '/' || lpad(n::text, 5, '0'), {counts} + 20000 * (0 ^ (n - 1))::int "
               "FROM generate_series(1, 10005) AS n")
    ranking = api.pages(limit=1000)
    assert len(ranking) == 10005
    for place in (1, 2, 5000, 9999, 10000):
        assert api.get(ranking[place - 1][0])["rank"] == place
    for place in (10001, 10002, 10005):
        assert api.get(ranking[place - 1][0])["rank"] is None


def test_the_first_hit_stays_and_the_last_hit_moves(api, ledger):
    before = ledger.value("SELECT date_trunc('milliseconds', now())")
    api.count({"/a": 1})
    first = api.get("/a")
    assert first["first"] == first["last"]
    assert before <= moment(first["first"]) <= ledger.value("SELECT now()")
    ledger.run("SELECT pg_sleep(0.01)")
    api.count({"/a": 1, "/b": 1})
    then = api.get("/a")
    assert then["first"] == first["first"] < then["last"] == api.get("/b")["first"]


def test_a_repeat_does_not_move_the_last_hit(api):
    lane = api.lane()
    api.post(lane, 1, {"/a": 1})
    before = api.get("/a")
    assert api.post(lane, 1, {"/a": 1}).json()["repeat"] is True
    assert api.get("/a") == before


@pytest.mark.parametrize("stored, shown", [
    ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"), ("2026-02-28T23:59:59.9994+00", "2026-02-28T23:59:59.999Z"),
    ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"), ("infinity", None), ("1900-01-01T00:00:00Z", None),
    ("20000-01-01T00:00:00Z", None)])
def test_times_are_in_utc_and_null_if_out_of_range(api, ledger, stored, shown):
    api.count({"/a": 1})
    ledger.edited("UPDATE pathcount SET first_hit_at = %s", stored)
    assert api.get("/a")["first"] == shown
