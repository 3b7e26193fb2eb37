"""Rankings of periods, rankings without bots, and histories, as the API serves them.

The tests add entries with hits of earlier days to the journal. test_history.py checks the ledger's part.
"""

import datetime
import itertools
import random
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest

from harness.api import BEARER
from harness.services import ADMIN_TOKEN
from harness.wait import until

NOW = datetime.datetime(2026, 11, 18, 14, 5, tzinfo=datetime.timezone.utc)
PATIENT = dict.fromkeys(("batch_deadline_ms", "statement_timeout_ms", "lock_timeout_ms", "read_deadline_ms"), 20000)


def append(ledger, ago, hits, bots=None):
    """Adds an entry of the age `ago` to the journal, and waits for its fold."""
    new = [path for path in hits if ledger.count(path) == 0]
    until(lambda: ledger.run(
        "INSERT INTO pathcount_journal (position, id, kind, writer, at, lanes, sequences, opened, ended, "
        "paths, hits, new_paths, bot_hits) SELECT max(position) + 1, floor(random() * 9e15)::bigint, 1, 0, "
        "now() - %s, '{}', '{}', '{}', '{}', %s, %s, %s, %s FROM pathcount_journal "
        "ON CONFLICT DO NOTHING RETURNING position",
        ago, list(hits), list(hits.values()), len(new), bots and [bots.get(path, 0) for path in hits]), "room")
    ledger.folded()


@pytest.fixture(scope="module")
def cluster(clocked):
    """A PostgreSQL whose clock is far from the end of the hour and the day."""
    clocked.clock.set(NOW)
    return clocked


AGES = {"now": timedelta(), "days": timedelta(days=3), "weeks": timedelta(days=20), "months": timedelta(days=60)}
IN_PERIOD = {"all": {"now", "days", "weeks", "months"}, "30d": {"now", "days", "weeks"}, "7d": {"now", "days"},
             "24h": {"now"}, "today": {"now"}}


@pytest.fixture(scope="module")
def rows():
    """age → (path → (hits, bots)): many paths with equal counts, some with hits by bots only."""
    chance = random.Random(15)
    made = {}
    for age in AGES:
        paths = chance.sample([f"/{letter}{number}" for letter in "ab" for number in range(60)], 70)
        made[age] = {path: (hits := chance.randrange(1, 6), chance.choice([0, 0, 1, hits])) for path in paths}
    made["now"]["(other paths)"] = (3, 1)
    return made


@pytest.fixture(scope="module")
def counter(module_stage, rows):
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger, admin_token=ADMIN_TOKEN, **PATIENT)
    ledger.until_migrated()
    for age, hits in rows.items():
        append(ledger, AGES[age], {path: number for path, (number, _) in hits.items()},
               {path: bots for path, (_, bots) in hits.items()})
    until(lambda: dict(counter.api.pages(period="30d")) == {
        path: hits for path, (hits, _) in expected(rows, "30d").items()}, "the oldest hits to leave their period")
    return counter


@pytest.fixture
def api(counter):
    return counter.api


def expected(rows, period):
    """path → (hits, bots)."""
    found = {}
    for age in IN_PERIOD[period]:
        for path, numbers in rows[age].items():
            found[path] = tuple(map(sum, zip(found.get(path, (0, 0)), numbers)))
    return found


def ranking(rows, period, bots, order, prefix):
    counts = {path: hits - (excluded if bots == "exclude" else 0)
              for path, (hits, excluded) in expected(rows, period).items() if path.startswith(prefix)}
    by = {"count": lambda row: (-row[1], row[0].encode()), "path": lambda row: row[0].encode()}[order]
    return sorted(((path, count) for path, count in counts.items() if count), key=by)


@pytest.mark.parametrize("bots", ["include", "exclude"])
@pytest.mark.parametrize("period", IN_PERIOD)
def test_a_period_is_ordered_searched_and_paged_like_the_whole_table(api, rows, period, bots):
    for order, prefix in itertools.product(("count", "path"), ("", "/a", "/b5")):
        query = {"period": period, "bots": bots, "order": order}
        if prefix:
            query["prefix"] = prefix
        wanted = ranking(rows, period, bots, order, prefix)
        assert wanted
        for limit in (7, 1000):
            assert api.pages(**query, limit=limit) == wanted
            assert api.pages_back(**query, limit=limit) == wanted


@pytest.mark.parametrize("period", IN_PERIOD)
def test_rows_and_periods_have_hits_by_bots(api, rows, period):
    numbers = expected(rows, period)
    for bots in ("include", "exclude"):
        page = api.view(period=period, bots=bots, order="path", limit=1000)
        assert page["bots"] == [numbers[path][1] for path in page["paths"]]
        if period == "all":
            assert "period" not in page
            continue
        assert page["period"]["hits"] == sum(hits for hits, _ in numbers.values())
        assert page["period"]["bots"] == sum(bots for _, bots in numbers.values())
        # PostgreSQL's clock runs from NOW on, and the history begins when the ledger is made
        assert datetime.datetime.fromisoformat(page["period"]["begins"]) < NOW + timedelta(minutes=30)


def test_a_period_without_hits_has_no_rows(stage, ledger):
    page = stage.counter(ledger).api.view(period="7d")
    assert page["paths"] == page["counts"] == page["bots"] == []
    assert (page["period"]["hits"], page["next"], page["previous"]) == (0, None, None)


def test_the_details_of_a_path_have_its_hits_in_each_period(api, rows):
    for path in list(rows["now"])[:5]:
        if not path.startswith("/"):
            continue
        detail = api.get(path)
        assert detail["bots"] == expected(rows, "all")[path][1]
        for period in ("today", "24h", "7d", "30d"):
            assert tuple(detail["periods"][period].values()) == expected(rows, period)[path]


def get_history(api, **query):
    return api.ask("GET", "/v1/history" + ("?" + urlencode(query, quote_via=quote) if query else ""))


def test_the_history_of_a_path_and_of_all_paths(api, rows):
    path = next(iter(rows["now"]))
    for name, numbers in {path: rows["now"][path], None: tuple(map(sum, zip(*rows["now"].values())))}.items():
        for unit in ("hour", "day"):
            document = get_history(api, unit=unit, **({"path": name} if name else {})).json()
            assert document["path"] == name and document["unit"] == unit and document["zone"] == "UTC"
            assert (document["hits"][-1], document["bots"][-1]) == numbers
            assert len(document["times"]) == len(document["hits"]) == len(document["bots"])
    assert get_history(api, path="(other paths)").json()["hits"][-1] == 3
    # hits that are older than the ledger are not shown
    assert len(get_history(api, **{"from": "2020-01-01"}).json()["times"]) == 1


@pytest.mark.parametrize("query, status", [
    ({"unit": "week"}, 400), ({"from": "soon"}, 400), ({"to": "2026-02-30"}, 400), ({"from": ""}, 400),
    ({"path": "a"}, 400), ({"path": ""}, 400), ({"of": "/a"}, 400), ({"path": "/never"}, 404)], ids=str)
def test_an_invalid_history_query_is_refused(api, query, status):
    assert get_history(api, **query).status == status


def test_a_history_needs_the_token_and_takes_each_parameter_once(api):
    assert api.ask("GET", "/v1/history?unit=day&unit=day").status == 400
    assert api.ask("GET", "/v1/history?unit").status == 400
    assert api.ask("GET", "/v1/history", headers={"Authorization": "Bearer wrong"}).status == 401
    assert api.ask("POST", "/v1/history", {}).status == 405


def test_a_new_hit_is_in_every_period(stage, ledger):
    api = stage.counter(ledger, **PATIENT).api
    for number in (1, 2):
        api.count({"/a": 1, f"/{number}": 5})
        for period in ("today", "24h", "7d", "30d"):
            page = api.view(period=period, prefix="/a")
            assert page["counts"] == [number] and page["period"]["hits"] == 6 * number
        assert get_history(api, path="/a", unit="hour").json()["hits"][-1] == number


def test_histories_are_404_when_switched_off(stage, ledger):
    counter = stage.counter(ledger, history_hours=0, **PATIENT)
    until(lambda: counter.events("history-settings"), "the settings to be in the ledger")
    api = counter.api
    api.count({"/a": 1})
    assert get_history(api, unit="hour").status == api.ask("GET", "/v1/paths?period=24h").status == 404
    assert api.view(period="7d")["counts"] == [1]
    assert api.get("/a")["periods"]["24h"] is None
    counter.stop()
    counter = stage.counter(ledger, history_days=0, **PATIENT)
    assert until(lambda: counter.events("history-settings"), "the settings to be in the ledger")[0]["before"] == (
        '"time_zone=UTC history_hours=0 history_days=400 history_rows=20000000"')
    counter.api.count({"/a": 1})
    assert get_history(counter.api, unit="day").status == 404
    assert {counter.api.ask("GET", f"/v1/paths?period={period}").status for period in ("today", "7d", "30d")} == {404}
    assert counter.api.view(period="24h")["counts"] == [1]


def test_counter_svc_keeps_the_limit_on_rows_of_history(stage, ledger):
    counter = stage.counter(ledger, history_rows=20)
    until(lambda: counter.events("history-settings"), "the settings to be in the ledger")
    for ago in range(5, 0, -1):
        append(ledger, timedelta(hours=ago), {f"/{number}": 1 for number in range(4)})
    rows = "SELECT (SELECT count(*) FROM pathcount_hours) + (SELECT count(*) FROM pathcount_days)"
    until(lambda: ledger.value(rows) <= 20, "the oldest hours to be deleted")
    until(lambda: ledger.value("SELECT hour_rows + day_rows FROM pathcount_totals") == ledger.value(rows), "the number")
    assert ledger.value("SELECT sum(hits) FROM pathcount_days WHERE path = ''") == 20
    assert ledger.value("SELECT coalesce(min(hour), now()) > now() - INTERVAL '4 hours' FROM pathcount_hours")
    assert dict(counter.api.pages(period="30d")) == {f"/{number}": 5 for number in range(4)}


def test_a_time_zone_unknown_to_postgresql_is_reported(stage, ledger):
    counter = stage.counter(ledger, time_zone="Europe/Atlantis")
    until(lambda: counter.events("history-settings-refused"), "the log to say so")
    assert counter.api.count({"/a": 1}) == {"/a": 1}
    assert get_history(counter.api).json()["zone"] == "UTC"


def test_hours_and_days_are_in_the_configured_time_zone(stage, ledger):
    counter = stage.counter(ledger, time_zone="Asia/Kolkata")
    until(lambda: counter.events("history-settings"), "the settings to be in the ledger")
    api = counter.api
    api.count({"/a": 1})
    document = get_history(api, unit="hour").json()
    assert document["zone"] == "Asia/Kolkata" and document["times"][-1].endswith(":00:00+05:30")


def test_periods_move_on_without_hits(stage, ledger):
    counter = stage.counter(ledger)
    append(ledger, timedelta(days=8), {"/old": 1})
    counter.api.count({"/a": 1})
    until(lambda: dict(counter.api.pages(period="7d")) == {"/a": 1}, "the old hit to leave")
    assert dict(counter.api.pages(period="30d")) == {"/a": 1, "/old": 1}


# --- changes of counts


def change(api, kind, **request):
    body = {"id": request.pop("id", f"{kind}-{random.randrange(10**12)}"), "kind": kind, "why": "a test", **request}
    answer = until(lambda: (answer := api.ask("POST", "/v1/changes", body, {
        "Authorization": f"Bearer {ADMIN_TOKEN}"})).status != 503 and answer, "a change to be made")
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.fixture
def book(stage, ledger):
    """A counter whose ledger has /a and /b, each with hits by bots, today and three days ago."""
    counter = stage.counter(ledger, admin_token=ADMIN_TOKEN, **PATIENT)
    ledger.run("UPDATE pathcount_history SET hours_since = now() - '9 days'::interval, "
               "days_since = now() - '9 days'::interval")
    append(ledger, timedelta(days=3), {"/a": 10, "/b": 100}, {"/a": 3, "/b": 30})
    append(ledger, timedelta(), {"/a": 1, "/b": 2}, {"/a": 1})
    return SimpleNamespace(api=counter.api, ledger=ledger)


def state(api):
    """The present data of each path: (count, bots, hits of 7 days, bots of 7 days), and the totals."""
    rows = dict(zip((page := api.view(order="path", limit=1000))["paths"], zip(page["counts"], page["bots"])))
    week = api.view(period="7d", order="path")
    recent = dict(zip(week["paths"], zip(week["counts"], week["bots"])))
    assert {path: (sum(document["hits"]), sum(document["bots"]))
            for path in rows for document in [get_history(api, path=path).json()]
            if sum(document["hits"])} == recent
    return ({path: numbers + recent.get(path, (0, 0)) for path, numbers in rows.items()},
            (week["period"]["hits"], week["period"]["bots"]))


A, B = (11, 4, 11, 4), (102, 30, 102, 30)
BOTH = (113, 34)


def consistent(ledger):
    assert ledger.run("SELECT hour_rows, day_rows FROM pathcount_totals") == ledger.run(
        "SELECT (SELECT count(*) FROM pathcount_hours), (SELECT count(*) FROM pathcount_days)")
    assert ledger.run("SELECT bot_hits FROM pathcount_totals") == ledger.run("SELECT sum(bot_count) FROM pathcount")
    for table, unit in (("pathcount_hours", "hour"), ("pathcount_days", "day")):
        # history that is kept for an undo has names with a control character, and belongs to no path
        assert ledger.run(f"SELECT {unit} FROM {table} GROUP BY 1 HAVING sum(hits) FILTER (WHERE path = '') <> "
                          f"coalesce(sum(hits) FILTER (WHERE path >= ' '), 0)") == []
    assert ledger.run("SELECT path FROM pathcount_recent WHERE path < ' '") == []


def test_a_rename_moves_history_and_its_undo_moves_it_back(book):
    assert state(book.api) == ({"/a": A, "/b": B}, BOTH)
    change(book.api, "rename", **{"from": ["/a"], "to": "/new"})
    assert state(book.api) == ({"/new": A, "/b": B}, BOTH)
    change(book.api, "undo", path="/new")
    assert state(book.api) == ({"/a": A, "/b": B}, BOTH)
    consistent(book.ledger)
    # hits since the change stay
    change(book.api, "rename", **{"from": ["/a"], "to": "/new"})
    append(book.ledger, timedelta(), {"/new": 5})
    change(book.api, "undo", path="/new")
    assert state(book.api) == ({"/a": A, "/new": (5, 0, 5, 0), "/b": B}, (118, 34))
    consistent(book.ledger)


def test_a_merge_adds_history_and_its_undo_removes_it(book):
    change(book.api, "merge", **{"from": ["/a"], "to": "/b"})
    assert state(book.api) == ({"/b": (113, 34, 113, 34)}, BOTH)
    consistent(book.ledger)
    append(book.ledger, timedelta(), {"/b": 2})
    change(book.api, "undo", path="/a")
    assert state(book.api) == ({"/a": A, "/b": (104, 30, 104, 30)}, (115, 34))
    consistent(book.ledger)


def test_a_merge_into_a_new_path_is_undone(book):
    change(book.api, "merge", **{"from": ["/a", "/b"], "to": "/c"})
    assert state(book.api) == ({"/c": (113, 34, 113, 34)}, BOTH)
    change(book.api, "undo", path="/c")
    assert state(book.api) == ({"/a": A, "/b": B}, BOTH)
    consistent(book.ledger)


def test_a_normalisation_moves_history_and_its_undo_moves_it_back(book):
    change(book.api, "normalise", moves=[{"source": "/a", "target": "/n"}, {"source": "/b", "target": "/m"}])
    assert state(book.api) == ({"/n": A, "/m": B}, BOTH)
    consistent(book.ledger)
    change(book.api, "undo", path="/a")
    assert state(book.api) == ({"/a": A, "/b": B}, BOTH)
    consistent(book.ledger)


@pytest.mark.parametrize("request_", [{"kind": "delete", "path": "/a"}, {"kind": "delete-prefix", "prefix": "/a"},
                                      {"kind": "set", "path": "/a", "count": 0}], ids=lambda request: request["kind"])
def test_a_deleted_path_has_no_history_until_an_undo(book, request_):
    change(book.api, **request_)
    assert state(book.api) == ({"/b": B}, (102, 30))
    assert get_history(book.api, path="/a").status == 404
    consistent(book.ledger)
    append(book.ledger, timedelta(), {"/a": 1})
    assert state(book.api) == ({"/a": (1, 0, 1, 0), "/b": B}, (103, 30))
    change(book.api, "delete", path="/a")
    change(book.api, "undo", path="/a")
    assert state(book.api) == ({"/a": (1, 0, 1, 0), "/b": B}, (103, 30))
    consistent(book.ledger)
    change(book.api, "undo", path="/a")
    assert state(book.api) == ({"/a": (12, 4, 12, 4), "/b": B}, (114, 34))
    consistent(book.ledger)


def test_set_and_imported_counts_are_not_in_history(book):
    change(book.api, "set", path="/a", count=2)
    assert state(book.api) == ({"/a": (2, 2, 11, 4), "/b": B}, BOTH)
    change(book.api, "undo", path="/a")
    change(book.api, "import", mode="add", rows=[{"path": "/a", "count": 9}, {"path": "/c", "count": 7}])
    assert state(book.api) == ({"/a": (20, 4, 11, 4), "/b": B, "/c": (7, 0, 0, 0)}, BOTH)
    consistent(book.ledger)


def test_a_dry_run_does_not_change_history(book):
    change(book.api, "delete", path="/a", dry_run=True)
    assert state(book.api) == ({"/a": A, "/b": B}, BOTH)


def test_rows_deleted_with_sql_are_deleted_from_history_too(book):
    with book.ledger.connect_as_owner() as owner:
        owner.execute("BEGIN; SELECT pathcount_fold(); DELETE FROM pathcount WHERE path = '/a'; "
                      "UPDATE pathcount SET count = 20 WHERE path = '/b'; SELECT pathcount_edited(); COMMIT")
    until(lambda: book.api.get("/a") is None, "the edit to be seen")
    assert state(book.api) == ({"/b": (20, 20, 102, 30)}, (102, 30))
    consistent(book.ledger)
