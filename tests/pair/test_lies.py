"""render-svc rejects every answer that does not match its request, and every byte that it did not request.

The proxy falsifies true answers of a real counter-svc. So the next attempt gets the true answer, and the ledger
shows whether each hit was counted once.
"""

import json
import re

import pytest

from harness.http import JSON, MEDIA_MSGPACK, MINIMAL, get, hit
from harness.proxy import answering, lying, mangling, without_rows
from harness.wait import until

POISON = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
          % (53, b'{"lane":1,"sequence":2,"repeat":false,"counts":[666]}'))


def edited(document, members):
    """The document with changes: None removes a member, a function gets the old value."""
    for name, value in members.items():
        if value is None:
            document.pop(name)
        else:
            document[name] = value(document[name]) if callable(value) else value
    return document


def changed(**members):
    """A change of an answer's JSON."""
    return lying(lambda document: edited(document, members))


def with_head(old, new):
    """A change of the bytes of an answer's head. Names match in any case."""
    def change(raw):
        changed, times = re.subn(old, new, raw, count=1, flags=re.I)
        assert times == 1, raw
        return changed
    return mangling(change)


WRONG_COUNTS = {
    "another lane": changed(lane=lambda lane: lane + 1),
    "another sequence": changed(sequence=lambda sequence: sequence + 1),
    "the sequence before": changed(sequence=lambda sequence: sequence - 1),
    "lane as text": changed(lane=str),
    "no lane": changed(lane=None),
    "no sequence": changed(sequence=None),
    "no repeat": changed(repeat=None),
    "repeat as a number": changed(repeat=0),
    "no counts": changed(counts=None),
    "too few counts": changed(counts=[]),
    "too many counts": changed(counts=lambda counts: counts + [666]),
    "counts as text": changed(counts=["666"]),
    "broken counts": changed(counts=[66.6]),
    "huge counts": changed(counts=[2**64 - 1]),
    "negative counts": changed(counts=[-1]),
    "null": lying(lambda _: [None]),
    "an array": lying(lambda document: [document]),
    "not JSON": answering(200, b"<html>"),
    "nothing": answering(200, b""),
    "half of it": answering(200, b'{"lane":1,"seq'),
    "not MessagePack": answering(200, b"<html>", MEDIA_MSGPACK),
    "nothing in MessagePack": answering(200, b"", MEDIA_MSGPACK),
    "half of it in MessagePack": answering(200, b"\x84\xa4lane\x01\xa8seq", MEDIA_MSGPACK),
    "a claim of 137 GB": answering(200, b"\xdd\xff\xff\xff\xff", MEDIA_MSGPACK),
    "MessagePack that is called JSON": with_head(rb"content-type: [^\r]*", b"content-type: application/json"),
    "201": with_head(rb"^HTTP/1.1 200", b"HTTP/1.1 201"),
    "a redirect": answering(302, b"{}", location="http://127.0.0.1:1/"),
}

WRONG_HTTP = {
    "no HTTP": mangling(lambda raw: b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "HTTP/9": with_head(rb"^HTTP/1.1", b"HTTP/9.9"),
    "no status": with_head(rb"^HTTP/1.1 2\d\d", b"HTTP/1.1"),
    "a status of letters": with_head(rb"^HTTP/1.1 2\d\d", b"HTTP/1.1 abc"),
    "a length of letters": with_head(rb"content-length: \d+", b"content-length: abc"),
    "a negative length": with_head(rb"content-length: \d+", b"content-length: -1"),
    "a huge length": with_head(rb"content-length: \d+", b"content-length: 99999999999999999999"),
    "a length beyond the end": with_head(rb"content-length: (\d+)", rb"content-length: \g<1>0"),
    "two lengths": with_head(rb"content-length: \d+", b"content-length: 1\r\nContent-Length: 2"),
    "a malformed chunk": with_head(rb"content-length: \d+", b"transfer-encoding: chunked"),
    "NUL in the head": with_head(rb"content-length", b"x: \0\r\ncontent-length"),
    "a line without a colon": with_head(rb"content-length", b"nonsense\r\ncontent-length"),
    "an endless head": with_head(rb"content-length", b"x: " + b"y" * 300_000 + b"\r\ncontent-length"),
    "an endless body": mangling(lambda raw: (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Content-Length: 60000000\r\n\r\n" + b" " * 60_000_000)),
    "many heads": mangling(lambda raw: b"HTTP/1.1 100 Continue\r\n\r\n" * 3000),
}

UNASKED = {
    "a second answer": mangling(lambda raw: raw + POISON),
    "the same once more": mangling(lambda raw: raw + raw),
    "a line": mangling(lambda raw: raw + b"\r\n"),
    "a byte": mangling(lambda raw: raw + b"H"),
}

WRONG_ROWS = {
    "another request's id": with_head(rb"x-request-id: [^\r]*", b"x-request-id: another"),
    "no request id": with_head(rb"x-request-id: [^\r]*\r\n", b""),
    "too few counts": changed(counts=[]),
    "too many counts": changed(counts=lambda counts: counts + [1]),
    "paths of numbers": changed(paths=lambda paths: [1 for _ in paths]),
    "counts of text": changed(counts=lambda counts: ["1" for _ in counts]),
    "no paths": changed(paths=None),
    "no totals": changed(totals=None),
    "totals of text": changed(totals={"paths": "1", "hits": "1"}),
    "not JSON": answering(200, b"<html>"),
    "404": answering(404, b"{}"),
}


@pytest.fixture(scope="module")
def one_lane(module_stage):
    return module_stage.pair(render_keys={"lanes": 1, "call_deadline_ms": 400})


def fresh_path(request):
    return "/" + "".join(c if c.isalnum() else "-" for c in request.node.name)


@pytest.mark.parametrize("lie", {**WRONG_COUNTS, **WRONG_HTTP})
def test_a_wrong_answer_to_a_batch_is_rejected_and_ends_the_connection(one_lane, request, lie):
    path = fresh_path(request)
    hit(one_lane.address, "/before")
    one_lane.proxy.next({**WRONG_COUNTS, **WRONG_HTTP}[lie], "POST", "/v1/hits")
    assert hit(one_lane.address, path) == 1
    batches = [x for x in one_lane.proxy.batches if path in x.hits]
    assert len(batches) >= 2 and all(x.sent == batches[0].sent for x in batches)
    assert batches[1].link is not batches[0].link
    until(lambda: not batches[0].link.is_open, "the connection of the wrong answer to be closed")
    assert one_lane.ledger.count(path) == 1
    assert one_lane.render.is_running


def test_an_impossible_count_is_never_shown(one_lane):
    one_lane.proxy.next(changed(counts=[0]), "POST", "/v1/hits")
    answer = get(one_lane.address, "/never/zero", MINIMAL)
    assert answer.status == 200 and answer.json()["count"] == 1
    assert one_lane.ledger.count("/never/zero") == 1


@pytest.mark.parametrize("lie", {**WRONG_ROWS, **WRONG_HTTP})
def test_wrong_rows_are_rejected_and_end_the_connection(one_lane, request, lie):
    path = fresh_path(request)
    asked = len(one_lane.proxy.requests("GET", "/v1/paths"))
    one_lane.proxy.next(without_rows, "POST", "/v1/hits")
    one_lane.proxy.next({**WRONG_ROWS, **WRONG_HTTP}[lie], "GET", "/v1/paths")
    document = get(one_lane.address, path, JSON).json()
    assert document["count"] == 1
    assert len(one_lane.proxy.requests("GET", "/v1/paths")) >= asked + 2
    assert {"path": path, "count": 1, "bots": 0} in document["rows"]
    assert one_lane.ledger.count(path) == 1
    assert one_lane.render.is_running


@pytest.mark.parametrize("lie", WRONG_HTTP)
def test_a_wrong_answer_to_a_new_lane_is_rejected(one_lane, request, lie):
    path = fresh_path(request)
    one_lane.ledger.end_lanes()
    one_lane.proxy.next(WRONG_HTTP[lie], "POST", "/v1/lanes")
    assert hit(one_lane.address, path) == 1
    assert one_lane.ledger.count(path) == 1


@pytest.mark.parametrize("change", [{"lane": "1"}, {"lane": 0}, {"lane": -1}, {"lane": 2**60},
                                    {"lane": None}, {"sequence": 7}, {"sequence": None}], ids=str)
def test_an_invalid_lane_is_not_used(one_lane, request, change):
    path = fresh_path(request)
    one_lane.ledger.end_lanes()
    one_lane.proxy.next(changed(**change), "POST", "/v1/lanes")
    assert hit(one_lane.address, path) == 1
    assert one_lane.ledger.count(path) == 1


@pytest.mark.parametrize("change", [
    {"counts": []}, {"paths": None}, {"paths": 1}, {"paths": ["/a"], "counts": ["1"]},
    {"totals": None}, {"totals": {"paths": "1", "hits": "1"}}, {"next": 1}], ids=str)
def test_an_answer_to_a_batch_with_wrong_rows_is_rejected(one_lane, request, change):
    path = fresh_path(request)
    one_lane.proxy.next(changed(rows=lambda rows: edited(rows, change)), "POST", "/v1/hits")
    document = get(one_lane.address, path, JSON).json()
    assert document["count"] == 1 and {"path": path, "count": 1, "bots": 0} in document["rows"]
    assert len([x for x in one_lane.proxy.batches if path in x.hits]) == 2
    assert one_lane.ledger.count(path) == 1


@pytest.mark.parametrize("extra", UNASKED)
@pytest.mark.parametrize("method, target", [("POST", "/v1/hits"), ("GET", "/v1/paths")])
def test_bytes_after_an_answer_are_not_an_answer(one_lane, request, extra, method, target):
    path = fresh_path(request)
    if method == "GET":
        one_lane.proxy.next(without_rows, "POST", "/v1/hits", times=4)
    one_lane.proxy.next(UNASKED[extra], method, target)
    assert get(one_lane.address, path, JSON).json()["count"] == 1
    liar = one_lane.proxy.requests(method, target)[-1].link
    assert [get(one_lane.address, path, JSON).json()["count"] for _ in range(3)] == [2, 3, 4]
    until(lambda: not liar.is_open, "the connection with the unasked bytes to be closed")
    assert one_lane.ledger.count(path) == 4


def test_bytes_on_an_idle_connection_end_it(one_lane):
    hit(one_lane.address, "/idle")
    batch = one_lane.proxy.batches[-1]
    batch.send(POISON)
    until(lambda: not batch.link.is_open, "the connection to be closed")
    assert hit(one_lane.address, "/idle") == 2
    assert one_lane.ledger.count("/idle") == 2


def test_a_counter_with_only_wrong_answers_is_503_and_not_called_in_a_loop(stage):
    pair = stage.pair(render_keys={"lanes": 1, "request_deadline_ms": 800})
    pair.proxy.always(WRONG_COUNTS["another lane"], "POST", "/v1/hits")
    answer = get(pair.address, "/a", MINIMAL)
    assert answer.status == 503
    assert json.loads(answer.body)["status"] == 503
    assert 2 <= len(pair.proxy.batches) < 200
    assert pair.ledger.count("/a") == 1
    pair.proxy.forget_plans()
    assert hit(pair.address, "/b") == 1
