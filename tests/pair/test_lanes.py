"""Exactly once in render-svc: answers of counter-svc that are lost, late or missing."""

import json
import time

import pytest

from harness import contract
from harness.http import JSON, MINIMAL, get, hit
from harness.proxy import Exchange, Gate, answering, cut, drop, late, lose, refuse, reset, swallow, without_rows
from harness.wait import Later, Stopwatch, holds_for, until

QUICK = {"lanes": 1, "call_deadline_ms": 300}

LOSSES = [swallow, drop, reset, cut, refuse, lose]


@pytest.fixture
def one_lane(stage):
    """A pair whose render-svc has one lane and a deadline of 300 ms for each call of counter-svc."""
    return stage.pair(render_keys=QUICK)


def name_of(action):
    return action.__name__


# --- without faults


def test_a_lane_sends_its_batches_one_after_the_other(one_lane):
    for _ in range(5):
        hit(one_lane.address, "/a")
    lanes = one_lane.proxy.requests("POST", "/v1/lanes")
    assert [x.answer.json()["lane"] for x in lanes] == [one_lane.proxy.batches[0].lane]
    assert [(x.sequence, x.hits) for x in one_lane.proxy.batches] == [
        (n, {"/a": 1}) for n in range(1, 6)]


def test_the_services_messages_conform_to_the_contract(one_lane):
    one_lane.proxy.next(drop, "POST", "/v1/hits")
    for n in range(10):
        get(one_lane.address, f"/{n % 3}/\u00e9", JSON)
    one_lane.ledger.end_lanes()
    hit(one_lane.address, "/again")
    for exchange in one_lane.proxy.seen:
        contract.COUNTER.check_request(exchange.request)
        contract.COUNTER.check(exchange.method, exchange.request.target, exchange.answer)
        assert exchange.answer.header("x-request-id") == exchange.request.header("x-request-id")
    assert {x.answer.status for x in one_lane.proxy.batches} == {200, 409}
    assert len({x.request.header("x-request-id") for x in one_lane.proxy.seen}) == len(
        one_lane.proxy.seen)  # no id is used twice


def test_hits_that_arrive_while_a_batch_is_in_flight_are_the_next_batch(stage):
    one_lane = stage.pair(render_keys={"lanes": 1, "call_deadline_ms": 4000})
    hit(one_lane.address, "/first")
    gate = Gate()
    one_lane.proxy.next(gate, "POST", "/v1/hits")
    held = Later(hit, one_lane.address, "/held")
    gate.until_held()
    waiting = [Later(hit, one_lane.address, f"/{n % 3}") for n in range(30)]
    assert holds_for(lambda: len(one_lane.proxy.batches) == 2, 0.1)  # one batch in flight at a time
    gate.open()
    for one in [held, *waiting]:
        one.result()
    assert sum(sum(x.hits.values()) for x in one_lane.proxy.batches[2:]) == 30
    assert len(one_lane.proxy.batches) < 15  # hits that waited were sent together
    assert one_lane.proxy.batches[2].lane == one_lane.proxy.batches[1].lane


def test_at_most_one_batch_per_lane_is_in_flight(stage):
    pair = stage.pair(render_keys={"lanes": 3})
    gate = Gate()
    pair.proxy.always(gate, "POST", "/v1/hits")
    hits = []
    for n in range(12):
        hits.append(Later(hit, pair.address, f"/{n}"))
        until(lambda: len(pair.proxy.batches) == min(n + 1, 3), "the batch to leave")
    assert len({x.lane for x in pair.proxy.batches}) == 3
    gate.open()
    assert [one.result() for one in hits] == [1] * 12


def test_a_hit_does_not_wait_for_the_answer_to_a_large_batch(stage):
    """It waits a moment for further hits, and then a free lane sends it alone."""
    pair = stage.pair(render_keys={"lanes": 2, "call_deadline_ms": 4000})
    first, second, many = Gate(), Gate(), Gate()
    for gate in (first, second, many):
        pair.proxy.next(gate, "POST", "/v1/hits")
    hits = [Later(hit, pair.address, "/first")]
    first.until_held()
    hits.append(Later(hit, pair.address, "/second"))
    second.until_held()
    hits += [Later(hit, pair.address, f"/{n}") for n in range(20)]
    assert holds_for(lambda: len(pair.proxy.batches) == 2, 0.2)
    first.open()
    assert sum(many.until_held().hits.values()) > 2
    second.open()
    assert hits[1].result() == 1
    assert hit(pair.address, "/alone") == 1
    many.open()
    assert [one.result() for one in hits] == [1] * 22


def test_a_batch_is_no_larger_than_the_contract_allows(stage):
    pair = stage.pair(render_keys={"lanes": 1})
    gate = Gate()
    pair.proxy.next(gate, "POST", "/v1/hits")
    hits = [Later(hit, pair.address, "/first")]
    gate.until_held()
    hits += [Later(hit, pair.address, f"/{n:03}" + "x" * 2000) for n in range(150)]
    gate.open()
    assert [one.result() for one in hits] == [1] * 151
    assert all(x.answer.status == 200 for x in pair.proxy.batches)


# --- missing answers


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_a_batch_without_an_answer_is_repeated_unchanged(one_lane, loss):
    one_lane.proxy.next(loss, "POST", "/v1/hits")
    assert hit(one_lane.address, "/a") == 1
    first, second, *more = one_lane.proxy.batches  # more often if the machine is too busy for 300 ms
    assert all(again.sent == first.sent for again in (second, *more))
    until(lambda: second.answer, "the counter to have answered")
    assert second.is_repeat == (loss not in (refuse, lose))
    assert one_lane.ledger.counts() == {"/a": 1}


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_the_opening_of_a_lane_is_repeated_without_an_answer(one_lane, loss):
    one_lane.proxy.next(loss, "POST", "/v1/lanes")
    one_lane.ledger.end_lanes()
    assert hit(one_lane.address, "/a") == 1
    assert one_lane.ledger.counts() == {"/a": 1}


@pytest.mark.parametrize("loss", LOSSES, ids=name_of)
def test_a_read_of_rows_is_repeated_without_an_answer(one_lane, loss):
    one_lane.proxy.next(without_rows, "POST", "/v1/hits")
    one_lane.proxy.next(loss, "GET", "/v1/paths")
    answer = get(one_lane.address, "/a", JSON)
    assert answer.json()["rows"] == [{"path": "/a", "count": 1, "bots": 0}]
    assert len(one_lane.proxy.requests("GET", "/v1/paths")) >= 2
    assert one_lane.ledger.counts() == {"/a": 1}


def test_a_batch_is_repeated_until_its_outcome_is_known(one_lane):
    one_lane.proxy.next(drop, "POST", "/v1/hits", times=3)
    one_lane.proxy.next(refuse, "POST", "/v1/hits", times=3)
    assert hit(one_lane.address, "/a") == 1
    assert all(x.sent == one_lane.proxy.batches[0].sent for x in one_lane.proxy.batches)
    assert one_lane.ledger.counts() == {"/a": 1}


def test_a_repeat_may_go_to_another_counter(stage, one_lane):
    other = stage.counter(one_lane.ledger)

    def move(exchange):
        exchange.forward()
        one_lane.proxy.target = other.address
        exchange.close()

    one_lane.proxy.next(move, "POST", "/v1/hits")
    assert hit(one_lane.address, "/a") == 1
    assert one_lane.proxy.batches[-1].is_repeat
    assert one_lane.ledger.counts() == {"/a": 1}


def test_a_late_answer_is_not_taken_for_that_of_the_next_request(one_lane):
    hit(one_lane.address, "/a")
    one_lane.proxy.next(late(0.6), "POST", "/v1/hits")
    assert hit(one_lane.address, "/a") == 2
    assert [hit(one_lane.address, "/b") for _ in range(5)] == [1, 2, 3, 4, 5]
    assert one_lane.ledger.counts() == {"/a": 2, "/b": 5}


def test_an_answer_in_small_pieces_has_one_deadline(one_lane):
    def trickle(exchange):
        for byte in exchange.forward().raw:
            exchange.send(bytes([byte]))
            time.sleep(0.05)

    one_lane.proxy.next(trickle, "POST", "/v1/hits")
    asked = Stopwatch()
    assert hit(one_lane.address, "/a") == 1
    assert asked.seconds < 8  # all pieces would take longer
    assert one_lane.proxy.batches[-1].is_repeat


@pytest.mark.parametrize("status", [500, 502, 503, 504, 401])
def test_a_batch_is_repeated_after_an_error_status(one_lane, status):
    hit(one_lane.address, "/a")
    one_lane.proxy.next(answering(status), "POST", "/v1/hits", times=2)
    assert hit(one_lane.address, "/a") == 2
    assert all(x.sent == one_lane.proxy.batches[1].sent for x in one_lane.proxy.batches[2:])
    assert one_lane.ledger.counts() == {"/a": 2}


@pytest.mark.parametrize("status", [400, 404, 405, 413, 429, 302, 204])
def test_an_unexpected_answer_confirms_nothing(one_lane, status):
    one_lane.proxy.next(answering(status), "POST", "/v1/hits")
    given_up = 400 <= status < 500  # any other answer leaves the outcome unknown, and the batch is repeated
    assert get(one_lane.address, "/a", MINIMAL).status == (503 if given_up else 200)
    assert one_lane.ledger.count("/a") == (0 if given_up else 1)
    assert hit(one_lane.address, "/b") == 1


# --- 409 and 422


def test_a_batch_never_sent_before_moves_to_a_new_lane_after_409(one_lane):
    hit(one_lane.address, "/a")
    one_lane.ledger.end_lanes()
    assert hit(one_lane.address, "/a") == 2
    refused, moved = one_lane.proxy.batches[1:]
    assert refused.answer.status == 409
    assert moved.lane != refused.lane and moved.sequence == 1 and moved.hits == {"/a": 1}
    assert one_lane.ledger.counts() == {"/a": 2}


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("ending", [Exchange.close, Exchange.reset, Exchange.silence], ids=name_of)
def test_a_batch_with_an_unknown_outcome_is_dropped_after_409(stage, ending, arrived):
    # longer than the deletion of the lane takes, so that no repeat comes before it
    one_lane = stage.pair(render_keys={"lanes": 1, "call_deadline_ms": 2000})
    hit(one_lane.address, "/a")

    def lose_and_end(exchange):
        if arrived:
            exchange.forward()
        one_lane.ledger.end_lanes()
        ending(exchange)

    one_lane.proxy.next(lose_and_end, "POST", "/v1/hits")
    answer = get(one_lane.address, "/b", MINIMAL)
    assert answer.status == 503
    assert answer.header("retry-after")
    contract.check_problem(answer)
    assert hit(one_lane.address, "/c") == 1  # on a new lane
    assert sum("/b" in x.hits for x in one_lane.proxy.batches) == 2  # never on another lane
    assert one_lane.ledger.count("/b") == (1 if arrived else 0)


def test_the_outcome_is_unknown_after_503_too(stage):
    # longer than the deletion of the lane takes, so that no repeat comes before it
    one_lane = stage.pair(render_keys={"lanes": 1, "call_deadline_ms": 4000})
    hit(one_lane.address, "/a")

    def unsure(exchange):
        exchange.forward()
        one_lane.ledger.end_lanes()
        answering(503)(exchange)

    one_lane.proxy.next(unsure, "POST", "/v1/hits")
    assert get(one_lane.address, "/b").status == 503
    assert one_lane.ledger.count("/b") == 1
    assert hit(one_lane.address, "/b") == 2


def test_repeated_409s_end_with_503(stage):
    pair = stage.pair(render_keys={**QUICK, "request_deadline_ms": 600})
    pair.proxy.always(answering(409, json.dumps({
        "type": "about:blank", "title": "Conflict", "status": 409, "detail": "no"}).encode(),
        "application/problem+json"), "POST", "/v1/hits")
    assert get(pair.address, "/a").status == 503
    assert len(pair.proxy.batches) < 60  # it neither spins nor fills the ledger with lanes
    pair.proxy.forget_plans()
    assert hit(pair.address, "/b") == 1
    assert pair.ledger.count("/a") <= 1  # its batch may be sent after the 503


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_batch_is_503_and_not_repeated(one_lane, status):
    hit(one_lane.address, "/a")
    one_lane.proxy.next(answering(status), "POST", "/v1/hits")
    assert get(one_lane.address, "/refused").status == 503
    assert hit(one_lane.address, "/fine") == 1
    assert sum("/refused" in x.hits for x in one_lane.proxy.batches) == 1
    lanes = [x.lane for x in one_lane.proxy.batches]
    assert lanes[0] == lanes[1] != lanes[2]
