"""History as visitors see it: periods of the table, histories and badges, each also without bots."""

import csv
import datetime
import io
import re
from types import SimpleNamespace

import pytest

from harness import past
from harness.face import Face, read_csv, rows_of
from harness.http import JSON, get, hit
from harness.wait import until

BOT = {"User-Agent": "ExampleBot/1.0 (+https://bot.example/)"}

# days ago → path → (hits, hits by bots among them)
PAST = {0: {"/a": (4, 1), "/b": (3, 3), "/deep/history": (1, 0)}, 1: {"/a": (10, 0)}, 5: {"/c": (20, 5)},
        20: {"/b": (100, 0)}, 40: {"/old": (1000, 0), "/a": (7, 0)}}
DAYS = {"today": 1, "7d": 7, "30d": 30, "all": 100}
NOW = datetime.datetime(2026, 11, 18, 14, 5, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="module")
def cluster(clocked):
    """A PostgreSQL whose clock is far from the end of the hour and the day."""
    clocked.clock.set(NOW)
    return clocked


def expected(period, without_bots=False):
    """The rows of a period, in order."""
    sums = {}
    for ago, hits in PAST.items():
        for path, (number, bots) in hits.items():
            if ago < DAYS[period]:
                sums[path] = sums.get(path, 0) + number - (bots if without_bots else 0)
    return sorted(((path, number) for path, number in sums.items() if number), key=lambda row: (-row[1], row[0]))


@pytest.fixture(scope="module")
def world(module_stage):
    pair = module_stage.pair()
    past.count(pair.ledger, [(NOW - datetime.timedelta(days=ago), path, *numbers)
                             for ago, hits in PAST.items() for path, numbers in hits.items()],
               NOW - datetime.timedelta(days=45))
    return SimpleNamespace(pair=pair, face=Face(pair.address), address=pair.address, today=NOW.date())


@pytest.mark.parametrize("bots", ["include", "exclude"])
@pytest.mark.parametrize("period", DAYS)
def test_a_period_has_its_own_rows(world, period, bots):
    rows = expected(period, bots == "exclude")
    query = f"period={period}&bots={bots}"
    page = world.face.json(f"/-/paths?{query}")
    assert rows_of(page) == rows
    assert [path for one in world.face.pages(f"/-/paths?{query}&limit=1") for path in rows_of(one)] == rows
    assert rows_of(world.face.json(f"/-/paths?{query}&prefix=/b")) == [row for row in rows if row[0] == "/b"]
    assert [tuple(line) for line in read_csv(world.face.get(f"/-/paths?{query}&format=csv"))] == [
        (path, str(number)) for path, number in sorted(rows)]
    html = world.face.get(f"/-/paths?{query}").text
    total = sum(number for _, number in rows)
    assert f"<strong>{total:,}</strong>" in html
    assert ('id="live"' in html) == (period == "all" and bots == "include")


def test_rows_show_hits_by_bots(world):
    assert {row["path"]: row["bots"] for row in world.face.json("/-/paths")["rows"]} == {
        "/old": 0, "/b": 3, "/a": 1, "/c": 5, "/deep/history": 0}
    assert world.face.path("/b")["bots"] == 3
    assert world.face.path("/b")["periods"] == {
        "today": {"hits": 3, "bots": 3}, "24h": {"hits": 3, "bots": 3}, "7d": {"hits": 3, "bots": 3},
        "30d": {"hits": 103, "bots": 3}}


def test_a_history_is_available_as_json_csv_and_html(world):
    for target, path in (("/-/history", None), ("/-/paths/b/history", "/b")):
        found = world.face.json(target)
        days = [str(world.today - datetime.timedelta(days=ago)) for ago in range(29, -1, -1)]
        wanted = [[sum(numbers[which] for one, numbers in PAST.get(ago, {}).items() if path in (None, one))
                   for ago in range(29, -1, -1)] for which in (0, 1)]
        assert (found["path"], found["unit"], found["zone"]) == (path, "day", "UTC")
        assert [found["times"], found["hits"], found["bots"]] == [days, *wanted]
        answer = world.face.get(f"{target}?format=csv&bom=1&bots=exclude")
        assert answer.body.startswith(b"\xef\xbb\xbf")
        lines = list(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"), newline="")))
        assert lines == [["day", "hits", "bots"]] + [
            [day, str(hits - bots), str(bots)] for day, hits, bots in zip(days, *wanted)]
        html = world.face.get(target).text
        assert f"<th scope=\"row\">{days[-1]}</th><td>{wanted[0][-1]}</td><td>{wanted[1][-1]}</td>" in html
        assert "History begins" in html


def test_a_history_of_hours_between_bounds(world):
    hours = world.face.json("/-/history?unit=hour")
    first, *others = map(datetime.datetime.fromisoformat, hours["times"])
    assert others == [first + datetime.timedelta(hours=n) for n in range(1, len(others) + 1)]
    assert len(others) == 24 + others[-1].hour and first.hour == 0 and others[-1].date() == world.today
    assert sum(hours["hits"]) == 18
    day = str(world.today - datetime.timedelta(days=5))
    one = world.face.json(f"/-/paths/c/history?from={day}&to={day}")
    assert (one["times"], one["hits"], one["bots"]) == ([day], [20], [5])
    page = world.face.get(f"/-/paths/c/history?unit=hour&from={day}&to={day}&bots=exclude").text
    assert f'value="{day}"' in page and "15 hits by people" in page


@pytest.mark.parametrize("target", [
    "/-/history?unit=week", "/-/history?from=yesterday", "/-/history?bots=no", "/-/history?x=1", "/-/history?path=/a",
    "/-/history?unit=day&unit=day", "/-/history?bom=1", "/-/paths?period=week", "/-/paths?bots=no",
    "/-/paths/a?about=history", "/-/live?period=today", "/-/live?bots=exclude", "/-/badge/a.svg?period=week",
    "/-/badge/a.svg?bots=no", "/-/hit/a.svg?period=today", "/-/hit/a.svg?bots=exclude"])
def test_an_invalid_query_is_400(world, target):
    before = world.pair.ledger.totals()
    answer = world.face.get(target, JSON)
    assert answer.status == 400 and answer.json()["detail"].endswith(".")
    assert world.pair.ledger.totals() == before


def test_a_path_that_ends_with_history_has_a_page_and_a_history(world):
    link = "/-/paths/deep/history?about=path"
    assert f'href="{link}"' in world.face.get("/-/paths").text
    assert get(world.address, link, JSON).json()["path"] == "/deep/history"
    assert "Looking at" in get(world.address, link).text
    assert world.face.json("/-/paths/deep/history/history")["path"] == "/deep/history"
    assert world.face.get("/-/paths/deep/history", JSON).status == 404  # /deep was never counted
    assert world.face.get("/-/paths/history", JSON).status == 404  # a path like any other, not a history
    assert "/deep/history?about=path" in get(world.address, "/-/paths/deep/history/history").text


def test_the_history_of_the_root_has_two_slashes(stage):
    pair = stage.pair()
    assert hit(pair.address, "/") == 1
    pair.ledger.until_folded()
    found = Face(pair.address).json("/-/paths//history")
    assert found["path"] == "/" and found["hits"][-1] == 1
    assert 'href="/-/paths//history"' in get(pair.address, "/-/paths/").text


@pytest.mark.parametrize("query, number", [
    ("", "103"), ("?period=today", "3"), ("?period=30d", "103"), ("?bots=exclude", "100"),
    ("?period=30d&bots=exclude", "100"), ("?period=today&bots=exclude", "0"), ("?period=24h&numbers=short", "3")])
def test_badges_of_a_period_and_without_bots(world, query, number):
    assert f">{number}</text>" in world.face.get(f"/-/badge/b.svg{query}").text
    shields = world.face.get(f"/-/badge/b.svg{query}{'&' if query else '?'}format=shields").json()
    assert shields["message"] == number


def test_screen_readers_get_charts_as_tables(world):
    for target in ("/-/paths", "/-/paths/b"):
        html = world.face.get(target).text
        assert html.count("<svg ") == 2 and html.count('<table class="data"') == 2
        assert '<h2 id="hours">Today and yesterday</h2>' in html and '<h2 id="days">Last 30 days</h2>' in html
        assert html.count("<style") == html.count(" style=") == 0
    day = world.today - datetime.timedelta(days=20)
    assert f"<th scope=\"row\">{day}</th><td>100</td><td>0</td>" in world.face.get("/-/paths/b").text
    assert "<svg " not in world.face.get("/-/paths?prefix=/b").text


def test_pages_without_history_have_no_charts_and_no_periods(stage):
    pair = stage.pair(counter_keys={"history_hours": 0, "history_days": 0})
    assert hit(pair.address, "/a") == 1
    pair.ledger.until_folded()
    face = Face(pair.address)
    for target in ("/-/paths?period=today", "/-/paths?period=24h", "/-/history", "/-/history?unit=hour",
                   "/-/paths/a/history", "/-/badge/a.svg?period=7d"):
        assert face.get(target, JSON).status == 404, target
    assert face.get("/-/history", JSON).json()["detail"] == "There is no history by day: history_days is 0."
    for target in ("/-/paths", "/-/paths?prefix=/a", "/-/paths/a"):
        answer = face.get(target)
        assert answer.status == 200 and "<svg " not in answer.text
        assert "period=" not in answer.text and ">History</a>" not in answer.text
    assert rows_of(face.json("/-/paths?bots=exclude")) == [("/a", 1)]


def periods_linked(html):
    return re.findall(r'<a href="/-/paths\?(?:[^"]*;)?period=([^"&]*)', html)


@pytest.mark.parametrize("off, kept", [("history_hours", ["today", "7d", "30d"]), ("history_days", ["24h"])])
def test_pages_link_to_the_periods_that_are_kept(stage, off, kept):
    pair = stage.pair(counter_keys={off: 0})
    hit(pair.address, "/a")
    until(lambda: pair.counter.events("history-settings"), "the settings to be in the ledger")
    face = Face(pair.address)
    for target in ("/-/paths", "/-/paths?prefix=/a", "/-/paths?order=path"):
        assert periods_linked(face.get(target).text) == kept, target
    unit = "?unit=hour" if off == "history_days" else ""
    for target in ("/-/paths", "/-/paths/a"):
        html = face.get(target).text
        assert html.count("<svg ") == 1
        link = re.search('<a href="([^"]*)">History</a>', html)[1]
        assert link.endswith(f"/history{unit}") and face.get(link).status == 200
    assert "History begins" in face.get("/-/paths").text


@pytest.mark.parametrize("query, said", [
    ("period=today&prefix=/old", "No hits in this period"), ("bots=exclude&prefix=/never", "No hits by people"),
    ("prefix=/never", "No path has this prefix")])
def test_a_page_without_rows_shows_the_reason(world, query, said):
    assert f'<h2 id="rows">{said}</h2>' in world.face.get(f"/-/paths?{query}").text


def test_a_search_can_exclude_bots(world):
    html = world.face.get("/-/paths?prefix=/b&period=30d").text
    assert '<a href="/-/paths?prefix=/b&amp;period=30d&amp;bots=exclude">Leave bots out</a>' in html
    html = world.face.get("/-/paths?prefix=/b&period=30d&bots=exclude").text
    assert "Hits by bots are left out." in html
    assert '<a href="/-/paths?prefix=/b&amp;period=30d">Show bots</a>' in html


def test_histories_include_bots_and_can_exclude_them(stage):
    pair = stage.pair()
    face = Face(pair.address)
    for headers in (BOT, BOT, {}):
        assert get(pair.address, "/seen", headers).status == 200
    pair.ledger.until_folded()
    history = face.json("/-/paths/seen/history")
    assert (history["hits"][-1], history["bots"][-1]) == (3, 2)
    assert face.json("/-/paths/seen/history?bots=exclude")["hits"][-1] == 1
    assert rows_of(face.json("/-/paths?bots=exclude&period=today")) == [("/seen", 1)]
    assert "2 of them by bots" in face.get("/-/paths").text
