"""The two encodings of a batch, with any combination of versions. render-svc sends MessagePack only over a
connection on which counter-svc has offered it, and never to an earlier version of counter-svc."""

import json

import pytest

from harness.http import JSON, MEDIA_JSON, MEDIA_MSGPACK, get, hit
from harness.load import audit

CALLS = [("POST", "/v1/lanes"), ("POST", "/v1/hits"), ("GET", "/v1/paths"), ("GET", "/v1/totals")]


class Versions:
    """An action of the proxy: either this version of counter-svc is behind its address, or one without
    MessagePack, which knows neither that encoding nor Accept. A connection keeps the version to which it was
    opened."""

    def __init__(self, proxy):
        self.is_earlier = False
        self.refused = []  # batches that the earlier version could not read
        self._links = {}
        self._proxy = proxy
        for method, path in CALLS:
            proxy.always(self, method, path)

    def __call__(self, exchange):
        if not self._links.setdefault(exchange.link, self.is_earlier):
            exchange.forward()
            exchange.reply()
        elif exchange.request.media_type == MEDIA_MSGPACK:
            self.refused.append(exchange)
            self._say(exchange, 400, "Bad Request", "application/problem+json", json.dumps({
                "type": "about:blank", "title": "Bad Request", "status": 400,
                "detail": "The body is not JSON."}).encode())
        else:
            exchange.request.raw = without_header(exchange.request.raw, b"accept")
            answer = exchange.forward()
            exchange.send(without_header(answer.raw, b"accept-post"))

    @staticmethod
    def _say(exchange, status, title, media_type, body):
        exchange.send((f"HTTP/1.1 {status} {title}\r\nContent-Type: {media_type}\r\n"
                       f"X-Request-Id: {exchange.request.header('x-request-id')}\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n").encode() + body)

    def change(self, is_earlier):
        """Puts the other version behind the address."""
        self.is_earlier = is_earlier
        self._proxy.cut_all()


def without_header(raw, name):
    head, mark, body = raw.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n")
                        if not line.lower().startswith(name + b":")) + mark + body


def encodings(batches):
    """(encoding of the batch, encoding of its answer) of each batch."""
    return [(x.request.media_type, x.answer.media_type) for x in batches]


@pytest.fixture
def one_lane(stage):
    return stage.pair(render_keys={"lanes": 1})


def test_batches_and_their_answers_are_messagepack(one_lane):
    """The answer to the new lane has offered it, on the connection that the batches use."""
    for n in range(1, 4):
        assert get(one_lane.address, "/a", JSON).json()["rows"] == [{"path": "/a", "count": n, "bots": 0}]
    assert encodings(one_lane.proxy.batches) == [(MEDIA_MSGPACK, MEDIA_MSGPACK)] * 3
    assert {x.request.media_type for x in one_lane.proxy.seen if x.path != "/v1/hits"} == {""}


def test_only_the_first_request_of_a_connection_is_json(one_lane):
    for n in range(1, 7):
        assert hit(one_lane.address, "/a") == n
        one_lane.proxy.cut_all()
    answered = set()
    for exchange in one_lane.proxy.seen:
        if exchange.path == "/v1/hits":
            is_known = exchange.link in answered
            assert exchange.request.media_type == (MEDIA_MSGPACK if is_known else MEDIA_JSON)
            assert exchange.answer is None or exchange.answer.media_type == MEDIA_MSGPACK
        if exchange.answer is not None:
            answered.add(exchange.link)
    assert one_lane.ledger.counts() == {"/a": 6}


def test_a_counter_of_an_earlier_version_gets_only_json(stage):
    ledger = stage.ledger()
    proxy = stage.proxy(stage.counter(ledger))
    versions = Versions(proxy)
    versions.is_earlier = True
    render = stage.render(proxy, lanes=1)
    for n in range(1, 4):
        assert get(render.address, "/a", JSON).json()["rows"] == [{"path": "/a", "count": n, "bots": 0}]
    assert encodings(proxy.batches) == [(MEDIA_JSON, MEDIA_JSON)] * 3
    assert not versions.refused


def test_hits_are_counted_once_while_versions_change_behind_an_address(stage):
    ledger = stage.ledger()
    proxy = stage.proxy(stage.counter(ledger))
    versions = Versions(proxy)
    render = stage.render(proxy, lanes=3, request_deadline_ms=30000, call_deadline_ms=20000)
    load = stage.load([render], ["/a", "/b", "/c"], clients=8, timeout=60)
    for n in range(8):
        load.until_acknowledged(60)
        versions.change(is_earlier=n % 2 == 0)
    load.until_acknowledged(60)
    tally = load.stop()
    assert not versions.refused
    assert set(tally.statuses) == {200} and not tally.lost, tally
    assert audit(tally, ledger.counts(), repeats=True) == sum(tally.sent.values())
    answered = {x[0] for x in encodings([x for x in proxy.batches if x.answer is not None])}
    assert answered == {MEDIA_JSON, MEDIA_MSGPACK}
