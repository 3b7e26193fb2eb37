"""counter-svc's API for renderers: lanes, and batches in both encodings. See test_counter_api.py."""

import contextlib
import os
import signal
from types import SimpleNamespace

import hypothesis
import msgpack
import pytest
from hypothesis import strategies

from harness import contract
from harness.api import BEARER, Api
from harness.http import MEDIA_JSON, MEDIA_MSGPACK, Connection, ask, encoded

from counter_api_helpers import RIGHT_LANE, api, batch, counter  # noqa: F401 (fixtures)

MAX_LANE = 2**53

ENCODINGS = {"json": MEDIA_JSON, "msgpack": MEDIA_MSGPACK}


@pytest.fixture(params=ENCODINGS)
def batches(request, counter):
    """The same counter-svc, with batches and their answers in each of the encodings."""
    return Api(counter.address, ENCODINGS[request.param])


# --- lanes


def test_every_opened_lane_is_new(api):
    lanes = [api.lane() for _ in range(20)]
    assert len(set(lanes)) == 20
    assert all(isinstance(lane, int) and 0 < lane <= MAX_LANE for lane in lanes)


def test_a_lane_is_stored_with_sequence_0_before_it_is_used(module_stage):
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger)
    lane = counter.api.lane()
    assert ledger.lanes() == {lane: 0}


# --- batches


def test_the_answer_to_a_batch_has_the_new_counts(batches):
    lane, a, b = batches.lane(), f"/after/a/{batches.media_type}", f"/after/b/{batches.media_type}"
    assert batches.post(lane, 1, {a: 2, b: 1}).document() == {
        "lane": lane, "sequence": 1, "repeat": False, "counts": [2, 1]}
    assert batches.post(lane, 2, {b: 5}).document() == {
        "lane": lane, "sequence": 2, "repeat": False, "counts": [6]}


def test_the_answer_to_a_batch_has_the_new_rows_on_request(module_stage):
    address = module_stage.counter(module_stage.ledger()).address
    for n, media_type in enumerate(ENCODINGS.values()):
        api, lane, a, b = Api(address, media_type), Api(address).lane(), f"/{n}/a", f"/{n}/b"
        api.post(lane, 1, {a: 2, b: 1})
        answer = api.post(lane, 2, {b: 5}, query=f"?prefix=/{n}&limit=1").document()
        assert answer["counts"] == [6]
        assert (answer["rows"]["paths"], answer["rows"]["counts"]) == ([b], [6])
        again = api.post(lane, 2, {b: 5}, query=f"?order=path&prefix=/{n}").document()
        assert again["repeat"] and again["counts"] == [6]
        assert (again["rows"]["paths"], again["rows"]["counts"]) == ([a, b], [2, 6])


def test_a_batch_with_an_invalid_view_is_400_and_changes_nothing(api):
    lane = api.lane()
    assert api.post(lane, 1, {"/no/view": 1}, query="?limit=0").status == 400
    assert api.post(lane, 1, {"/no/view": 1}).json()["counts"] == [1]


@pytest.fixture
def frozen_reader(module_stage):
    """A counter with the path /a, counted once by its lane 1. The backend that reads views is stopped."""
    ledger = module_stage.ledger()
    api = module_stage.counter(ledger).api
    lane = api.lane()
    api.post(lane, 1, {"/a": 1}, query="?order=path")
    reader = ledger.value("SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                          " AND query LIKE '%WHERE path > $1::text%' AND pid <> pg_backend_pid()")
    os.kill(reader, signal.SIGSTOP)
    yield SimpleNamespace(api=api, lane=lane)
    os.kill(reader, signal.SIGCONT)


def test_a_batch_is_confirmed_without_rows_while_they_cannot_be_read(frozen_reader):
    """A committed hit is confirmed in any case."""
    answer = frozen_reader.api.post(frozen_reader.lane, 2, {"/a": 1}, query="?order=path").json()
    assert answer["counts"] == [2] and "rows" not in answer


def test_the_first_rows_and_the_totals_come_from_memory(frozen_reader):
    answer = frozen_reader.api.post(frozen_reader.lane, 2, {"/a": 1}, query="?limit=1").json()
    assert answer["rows"] == frozen_reader.api.view(limit=1) == {
        "paths": ["/a"], "counts": [2], "bots": [0], "next": None, "previous": None,
        "totals": frozen_reader.api.totals() | {"bots": 0}}


def test_paths_are_ordered_by_their_bytes(batches):
    paths = ["/", "//", "/A", "/a", "/a\x01", "/a/", "/ab", "/\u00e9", "/\ud7ff", "/\ue000",
             "/\uffff", "/\U00010000", "/\U0010ffff"]
    assert paths == sorted(paths, key=str.encode)
    assert batches.count(dict.fromkeys(paths, 1)).keys() == set(paths)


@pytest.mark.parametrize("paths", [1, 2, 1000, 1024])
def test_the_smallest_and_the_largest_batch_are_counted(batches, paths):
    hits = {f"/size/{batches.media_type}/{paths}/{n:04}": n + 1 for n in range(paths)}
    assert batches.count(hits) == hits


def test_unknown_members_are_ignored(batches):
    body = {**batch(lane=batches.lane()), "later": [1, 0.5, None, {"x": {}}]}
    assert batches.ask("POST", "/v1/hits", body).status == 200


INVALID = [
    b"", b"{", b"[]", b"null", b"17", b'"text"', b"{}", b"{}{}", b"\xff\xfe{}", b"{'lane':1}",
    b'{"lane":1,"sequence":1,"paths":["/\xff"],"hits":[1]}',
    b'{"lane":1,"sequence":1,"paths":["/\\u0000"],"hits":[1]}',
    b'{"lane":1,"sequence":1,"paths":["/\\ud800"],"hits":[1]}',
    b'{"lane":1,"sequence":1,"paths":["/a"],"hits":[99999999999999999999]}',
    b'{"lane":1e400,"sequence":1,"paths":["/a"],"hits":[1]}',
    b'{"lane":1,"sequence":1,"paths":' + b"[" * 100000 + b"]" * 100000 + b"}",
    batch(lane=None), batch(sequence=None), batch(paths=None), batch(hits=None),
    batch(lane="1"), batch(lane=1.5), batch(lane=-1), batch(lane=2**63), batch(lane=True),
    batch(sequence="1"), batch(sequence=-1), batch(sequence=0), batch(sequence=2**63),
    batch(paths="/a", hits=1), batch(paths=[], hits=[]), batch(paths={}, hits={}),
    batch(hits=[1]), batch(hits=[1, 2, 3]), batch(hits=[1, 0]), batch(hits=[1, -1]),
    batch(hits=[1, 1.5]), batch(hits=[1, "2"]), batch(hits=[1, None]), batch(hits=[1, 2**63]),
    batch(paths=["/b", "/a"]), batch(paths=["/a", "/a"]), batch(paths=["/\U00010000", "/\uffff"]),
    batch(paths=["a", "b"]), batch(paths=["", "/b"]), batch(paths=["/a", 7]),
    batch(paths=["/a", None]), batch(paths=["/a", "/" + "b" * 2048]),
    batch(paths=["/a", "/" + "é" * 1024]),
    batch(paths=[f"/{n:05}" for n in range(5000)], hits=[1] * 5000),
]


def refused(api, body):
    """The sentence with which a batch is refused, without the name of the encoding. None if it is accepted."""
    answer = api.ask("POST", "/v1/hits", body)
    return None if answer.status == 200 else answer.json()["detail"].replace("MessagePack", "JSON")


def test_both_encodings_of_an_invalid_batch_get_the_same_error(api, counter):
    packed = Api(counter.address, MEDIA_MSGPACK)
    for body in [body for body in INVALID if isinstance(body, dict)]:
        if body.get("lane") is RIGHT_LANE:
            body = {**body, "lane": api.lane()}
        assert refused(api, body) == refused(packed, body) is not None, body


NUMBERS = strategies.one_of(
    strategies.sampled_from([0, 1, 2, -1, 10**9, 10**9 + 1, 2**53, 2**53 + 1, 2**63 - 1, -2**63, 2**63]),
    strategies.integers(-2**63, 2**64 - 1))

TEXTS = strategies.sampled_from(["", "/a", "/b", "/\0", "é", "\U0001F600"])

SCALARS = strategies.one_of(NUMBERS, strategies.none(), strategies.booleans(), strategies.just(0.5),
                            TEXTS)

VALUES = strategies.one_of(SCALARS, strategies.lists(SCALARS, max_size=3),
                           strategies.dictionaries(TEXTS, SCALARS, max_size=2))

PATHS = strategies.lists(strategies.sampled_from(["/", "/a", "/b", "/é", "x", ""]), max_size=3)

HITS = strategies.lists(NUMBERS, max_size=3)


@hypothesis.settings(max_examples=150, deadline=None, derandomize=True, database=None)
@hypothesis.given(strategies.fixed_dictionaries({}, optional={
    "lane": strategies.one_of(NUMBERS, VALUES), "sequence": strategies.one_of(NUMBERS, VALUES),
    "paths": strategies.one_of(PATHS, VALUES), "hits": strategies.one_of(HITS, VALUES), "x": VALUES}))
def test_both_encodings_of_any_document_get_the_same_status(counter, document):
    with Connection(counter.address) as connection:
        answers = [connection.ask("POST", "/v1/hits", {**BEARER, "Content-Type": media_type},
                                  encoded(document, media_type)) for media_type in ENCODINGS.values()]
    details = [answer.json()["detail"] for answer in answers]
    assert answers[0].status == answers[1].status  # 400, or 409 because the lane does not exist
    assert details[0] == details[1].replace("MessagePack", "JSON")


@pytest.mark.parametrize("body", [
    b"", b"\xc1", b"\x90", b"\x80", b"{}", b"\x84", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff", b"\x91" * 100000, b"\x81\xa1x" * 100000, b"\xdd\x00\xff\xff\xff" * 1000,
    msgpack.packb(batch(lane=1)) + b"\xc0", msgpack.packb(batch(lane=1))[:-1],
    msgpack.packb({**batch(lane=1), "x": b"y"}), msgpack.packb({**batch(lane=1), "x": "\0"}),
    msgpack.packb({**batch(lane=1), "x": msgpack.ExtType(5, b"y")}), msgpack.packb({**batch(lane=1), 1: 1}),
    b"\x82\xa4lane\x01\xa4lane\x01", b"\x81\xa5paths\x91\xa2/\xff"], ids=repr)
def test_invalid_messagepack_is_400(counter, body):
    answer = Api(counter.address, MEDIA_MSGPACK).ask("POST", "/v1/hits", body)
    assert answer.status == 400
    assert answer.json()["detail"].startswith(("The body is not MessagePack.",
                                               "The body is not a MessagePack map.", '"lane" is not'))
    assert counter.is_running


# --- negotiation of the encoding


@pytest.mark.parametrize("accept, media_type", [
    (None, MEDIA_JSON), ("*/*", MEDIA_JSON), ("application/json", MEDIA_JSON), ("text/html", MEDIA_JSON),
    ("application/*", MEDIA_JSON), ("application/vnd.msgpack;q=0", MEDIA_JSON),
    ("application/vnd.msgpack", MEDIA_MSGPACK), ("Application/Vnd.MsgPack;q=0.5", MEDIA_MSGPACK),
    ("application/json, application/vnd.msgpack", MEDIA_MSGPACK)])
@pytest.mark.parametrize("sent", ENCODINGS.values())
def test_the_answer_has_the_accepted_encoding(api, sent, accept, media_type):
    lane = api.lane()
    headers = {**BEARER, "Content-Type": sent, **({"Accept": accept} if accept else {})}
    for query in ("", "?limit=1"):
        for _ in range(2):  # the second batch is a repeat
            body = encoded(batch(lane=lane, sequence=1 if not query else 2), sent)
            answer = ask(api.address, "POST", "/v1/hits" + query, headers, body)
            assert (answer.status, answer.media_type) == (200, media_type)
            contract.COUNTER.check("POST", "/v1/hits" + query, answer)
            assert ("rows" in answer.document()) == bool(query)


@pytest.mark.parametrize("content_type, status", [
    (None, 200), ("text/plain", 200), ("application/json; charset=utf-8", 200), ("application/vnd.msgpack", 400),
    ("application/vnd.msgpack; v=1", 400), ("APPLICATION/VND.MSGPACK", 400)])
def test_a_body_is_json_unless_its_type_says_that_it_is_messagepack(api, content_type, status):
    headers = {**BEARER, **({"Content-Type": content_type} if content_type else {})}
    answer = ask(api.address, "POST", "/v1/hits", headers, encoded(batch(lane=api.lane()), MEDIA_JSON))
    assert answer.status == status


@pytest.mark.parametrize("method, target, body, status", [
    ("POST", "/v1/lanes", None, 201), ("GET", "/v1/totals", None, 200), ("GET", "/v1/paths", None, 200),
    ("GET", "/v1/nowhere", None, 404), ("GET", "/v1/hits", None, 405), ("POST", "/v1/hits", b"{}", 400),
    ("POST", "/v1/hits", batch(lane=1), 409)])
def test_every_authorized_answer_offers_both_encodings(api, method, target, body, status):
    answer = api.ask(method, target, body)
    assert answer.status == status
    assert answer.header("accept-post") == "application/vnd.msgpack, application/json"
    unauthorized = ask(api.address, method, target, {}, None if body is None else b"{}")
    assert unauthorized.status == 401 and unauthorized.header("accept-post") is None


@pytest.mark.parametrize("body", INVALID, ids=lambda body: str(body)[:60])
def test_an_invalid_batch_is_400_and_changes_nothing(api, counter, body):
    lane = api.lane()
    if isinstance(body, dict) and body.get("lane") is RIGHT_LANE:
        body = {**body, "lane": lane}
    if isinstance(body, bytes):
        body = body.replace(b'"lane":1,', b'"lane":%d,' % lane)
    answer = api.ask("POST", "/v1/hits", body)
    assert answer.status == 400, answer.body
    assert api.post(lane, 1, {"/after/invalid": 1}).json()["repeat"] is False  # the sequence number was not used
    assert counter.is_running


def test_a_content_length_beyond_the_limit_is_refused_before_the_body(api):
    with Connection(api.address) as connection:
        connection.send("POST", "/v1/hits", {**BEARER, "Content-Length": 1 << 40})
        assert connection.receive().status == 413


def test_a_body_beyond_the_limit_is_413(api):
    with Connection(api.address) as connection:
        connection.send("POST", "/v1/hits", {**BEARER, "Content-Length": 8 << 20})
        with contextlib.suppress(ConnectionError):  # the service may close before it has read all of the body
            connection.sock.sendall(b" " * (8 << 20))
        with contextlib.suppress(ConnectionError):
            assert connection.receive().status == 413
    assert api.totals()
