"""Bots are recognised by their User-Agent. Their hits are counted as hits by bots, or not at all."""

import pytest

from harness.face import Face
from harness.http import JSON, Connection, ask, get, hit

BOT = {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
PERSON = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"}
NOBODY = {}


def bot_hits(pair, path):
    """The number of a path's hits that the journal has as hits by bots. The journal still has every entry of a
    test."""
    return pair.ledger.value(
        "SELECT coalesce(sum(hit.bot_hits), 0)::bigint FROM pathcount_journal AS entry, "
        "unnest(entry.paths, entry.hits, entry.bot_hits) AS hit (path, hits, bot_hits) WHERE path = %s", path)


@pytest.fixture(scope="module")
def ignoring(module_stage):
    return module_stage.pair(render_keys={"bots": "ignore"})


def test_a_hit_by_a_bot_is_counted_as_a_hit_and_as_one_by_a_bot(pair):
    for count, headers in enumerate([BOT, PERSON, BOT, NOBODY], 1):
        assert get(pair.address, "/bots/a", {**JSON, **headers}).json()["count"] == count
    assert bot_hits(pair, "/bots/a") == 2


def test_every_way_to_hit_recognises_bots(pair):
    for headers in (BOT, PERSON):
        assert get(pair.address, "/-/hit/bots/b.svg", headers).status == 200
        assert get(pair.address, "/-/hit/bots/b.gif", headers).status == 200
        assert ask(pair.address, "POST", "/-/hit/bots/b", headers).status == 204
    assert pair.ledger.count("/bots/b") == 6 and bot_hits(pair, "/bots/b") == 3


def test_each_request_of_a_connection_has_its_own_agent(pair):
    """A proxy sends requests of several visitors over one connection."""
    connection = Connection(pair.address)
    for headers in [BOT, BOT, PERSON, NOBODY, BOT, PERSON, PERSON, BOT]:
        connection.send("GET", "/bots/c", headers)
        assert connection.receive().status == 200
    connection.close()
    assert pair.ledger.count("/bots/c") == 8 and bot_hits(pair, "/bots/c") == 4


def test_an_agent_of_any_length_and_bytes_is_answered(pair):
    for agent in ("", "x" * 20000, "x" * 505 + " robot", "\xff\x80bot", "a/1.1.1.1" + "1." * 4000, "; a" * 5000):
        assert get(pair.address, "/bots/d", {"User-Agent": agent}).status == 200
    assert pair.ledger.count("/bots/d") == 6


def test_a_repeated_batch_counts_its_bots_once(pair):
    lane = pair.api.lane()
    for repeat in (False, True):
        answer = pair.api.post(lane, 1, {"/bots/e": 3, "/bots/f": 2}, bots={"/bots/e": 2})
        assert answer.status == 200 and answer.json()["repeat"] == repeat
    assert bot_hits(pair, "/bots/e") == 2 and bot_hits(pair, "/bots/f") == 0


def test_more_bots_than_hits_are_refused(pair):
    for bots in ({"/bots/g": 2}, {"/bots/g": -1}):
        assert pair.api.post(pair.api.lane(), 1, {"/bots/g": 1}, bots=bots).status == 400
    assert pair.ledger.count("/bots/g") == 0


def test_ignored_bots_are_answered_and_not_counted(ignoring):
    face = Face(ignoring.address)
    assert hit(ignoring.address, "/bots/ignored") == 1
    before = ignoring.ledger.totals()
    page = face.get("/bots/ignored", BOT)
    assert page.status == 200 and ">1</strong>" in page.text and "is a bot's" in page.text
    assert face.get("/bots/ignored", {**JSON, **BOT}).json() == {"path": "/bots/ignored", "count": 1, "counted": False}
    assert face.get("/-/hit/bots/ignored.gif", BOT).status == 200
    assert ">1</text>" in face.get("/-/hit/bots/ignored.svg", BOT).text
    assert face.ask("POST", "/-/hit/bots/ignored", BOT).status == 204
    assert ignoring.ledger.totals() == before
    assert get(ignoring.address, "/bots/ignored", {**JSON, **PERSON}).json()["count"] == 2
    assert bot_hits(ignoring, "/bots/ignored") == 0


def test_no_agent_is_stored(pair):
    secret = "AgentThatNobodyKeeps/1.0 (+https://secret.example/robot)"
    assert get(pair.address, "/bots/kept", {"User-Agent": secret}).status == 200
    pair.ledger.until_folded()
    tables = pair.ledger.run("SELECT relname FROM pg_class "
                             "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    text = "".join(row for table, in tables for row, in pair.ledger.run(f'SELECT t::text FROM "{table}" AS t'))
    assert "/bots/kept" in text and "AgentThatNobodyKeeps" not in text
    for service in (pair.render, pair.counter):
        assert "AgentThatNobodyKeeps" not in service.log()


def bots_of(counter, path):
    """(count, bots) of a path among the first rows, and the total of hits by bots. counter-svc has both in
    memory."""
    view = counter.api.view(limit=1000)
    row = dict(zip(view["paths"], zip(view["counts"], view["bots"])))[path]
    assert view["totals"] == counter.api.ask("GET", "/v1/totals").json()
    return row, view["totals"]["bots"]


def test_every_counter_knows_the_bots_of_a_row(stage):
    """The counter that has counted them, one that reads the journal, and one that reads the tables or looks
    paths up."""
    ledger = stage.ledger()
    first, second = stage.counter(ledger), stage.counter(ledger)
    lane = first.api.lane()
    for sequence, bots in ((1, 2), (2, 0), (3, 1)):
        assert first.api.post(lane, sequence, {"/a": 3, "/b": 1}, bots={"/a": bots}).status == 200
    assert bots_of(first, "/a") == bots_of(second, "/a") == ((9, 3), 3)
    assert bots_of(second, "/b") == ((3, 0), 3)
    ledger.until_folded()
    assert ledger.run("SELECT path, count, bot_count FROM pathcount ORDER BY path") == [("/a", 9, 3), ("/b", 3, 0)]
    third = stage.counter(ledger)
    assert bots_of(third, "/a") == ((9, 3), 3)
    assert third.api.post(third.api.lane(), 1, {"/a": 1, "/c": 2}, bots={"/a": 1, "/c": 1}).status == 200
    for counter in (first, second, third):
        assert bots_of(counter, "/a") == ((10, 4), 5)
        assert bots_of(counter, "/c") == ((2, 1), 5)


def test_hits_by_bots_beyond_max_paths_are_counted_in_the_overflow_row(stage):
    counter = stage.counter(stage.ledger(), max_paths=1)
    assert counter.api.post(counter.api.lane(), 1, {"/a": 1, "/b": 2, "/c": 3}, bots={"/b": 1, "/c": 3}).status == 200
    assert bots_of(counter, "(other paths)") == ((5, 4), 4)
