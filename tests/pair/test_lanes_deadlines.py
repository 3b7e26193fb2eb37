"""Lanes: deadlines, a full queue, and a counter-svc that is down. See test_lanes.py."""

import pytest

from harness import contract
from harness.http import JSON, MINIMAL, get, hit, is_refused
from harness.page import read
from harness.proxy import Gate, swallow, without_rows
from harness.wait import Later, Stopwatch, until


# --- deadlines


@pytest.fixture
def hasty(stage):
    """A pair whose render-svc has a deadline of 500 ms for each request."""
    return stage.pair(render_keys={"lanes": 1, "request_deadline_ms": 500})


def test_a_hit_that_is_not_confirmed_within_the_deadline_is_503(hasty):
    hasty.proxy.always(swallow, "POST", "/v1/hits")
    asked = Stopwatch()
    answer = get(hasty.address, "/a")
    assert answer.status == 503
    assert int(answer.header("retry-after")) >= 0
    assert 0.45 < asked.seconds < 4  # far below the default of 5 s


def test_the_batch_of_an_expired_hit_is_still_confirmed(hasty):
    gate = Gate(before=True)
    hasty.proxy.next(gate, "POST", "/v1/hits")
    assert get(hasty.address, "/a").status == 503
    assert hasty.ledger.count("/a") == 0
    gate.open()
    until(lambda: hasty.ledger.count("/a") == 1, "the batch to be counted")
    assert hit(hasty.address, "/a") == 2


def test_a_hit_that_expires_before_its_batch_is_sent_is_cancelled(stage):
    pair = stage.pair(render_keys={
        "lanes": 1, "request_deadline_ms": 500, "call_deadline_ms": 20000})
    gate = Gate()
    pair.proxy.next(gate, "POST", "/v1/hits")
    held = Later(get, pair.address, "/held")
    gate.until_held()
    waiting = [Later(get, pair.address, path) for path in ("/one", "/one", "/two")]
    assert [one.result().status for one in [held, *waiting]] == [503] * 4
    fresh = Later(hit, pair.address, "/one")
    gate.open()
    assert fresh.result() == 1
    assert hit(pair.address, "/three") == 1
    assert pair.ledger.counts() == {"/held": 1, "/one": 1, "/three": 1}
    assert not any("/two" in x.hits for x in pair.proxy.batches)


def test_a_503_to_a_json_client_is_a_problem(hasty):
    hasty.proxy.always(swallow, "POST", "/v1/hits")
    answer = get(hasty.address, "/a", JSON)
    assert answer.status == 503 and answer.header("retry-after")
    contract.check_problem(answer)


@pytest.mark.parametrize("headers", [{}, JSON])
def test_a_confirmed_hit_is_200_even_if_its_rows_are_late(hasty, headers):
    hit(hasty.address, "/a")
    hasty.proxy.always(without_rows, "POST", "/v1/hits")
    hasty.proxy.always(swallow, "GET", "/v1/paths")
    answer = get(hasty.address, "/a", headers)
    assert answer.status == 200
    if headers:
        assert answer.json()["path"] == "/a" and answer.json()["count"] == 2
    else:
        assert "/a" in read(answer).outside and 2 in read(answer).numbers
    assert hasty.ledger.count("/a") == 2


# --- the queue


def test_a_full_queue_is_503_at_once_and_queued_hits_are_counted(stage):
    pair = stage.pair(render_keys={"lanes": 1, "max_waiting": 5})
    gate = Gate()
    pair.proxy.next(gate, "POST", "/v1/hits")
    waiting = [Later(get, pair.address, "/held", MINIMAL)]
    gate.until_held()
    waiting += [Later(get, pair.address, f"/{n}", MINIMAL) for n in range(20)]
    until(lambda: sum(one.done for one in waiting) == 15, "hits beyond the queue to be refused")
    gate.open()
    answers = [one.result() for one in waiting]
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) == 15
    assert all(answer.header("retry-after") for answer in refused)
    assert sum(answer.status == 200 for answer in answers) == 21 - len(refused)
    assert pair.ledger.totals() == {"paths": 21 - len(refused), "hits": 21 - len(refused)}
    assert hit(pair.address, "/after") == 1


# --- counter-svc is down


def test_hits_without_a_counter_are_503_within_the_deadline(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 500})
    pair.proxy.stop_listening()
    asked = Stopwatch()
    answers = [Later(get, pair.address, f"/{n}") for n in range(20)]
    for answer in answers:
        assert answer.result().status == 503
        assert answer.result().header("retry-after")
    assert asked.seconds < 4  # far below the default of 5 s
    assert pair.ledger.counts() == {}


def test_a_counter_that_comes_back_is_used_again(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 500})
    hit(pair.address, "/a")
    pair.counter.kill()
    assert get(pair.address, "/a").status == 503
    pair.counter.restart()
    until(lambda: get(pair.address, "/b").status == 200, "the counter to be used again", 5)
    until(lambda: pair.ledger.count("/a") == 2, "the batch of the hit with the 503 to be counted")


def test_a_hit_survives_a_restart_of_the_counter_within_its_deadline(stage):
    pair = stage.pair()
    hit(pair.address, "/a")
    pair.counter.kill()
    waiting = Later(hit, pair.address, "/a")
    pair.counter.restart()
    assert waiting.result() == 2


def test_render_svc_may_be_started_first(stage):
    ledger = stage.ledger()
    counter = stage.service("counter-svc", ledger.keys)
    address = counter.address
    counter.stop()
    until(lambda: is_refused(address), "the port to refuse connections")
    render = stage.render(address, ready=False, request_deadline_ms=300)
    assert get(render.address, "/a").status == 503
    counter.restart().until_ready()
    until(lambda: get(render.address, "/b").status == 200, "the pair to find each other", 5)
    assert ledger.count("/a") == 0  # without a lane the hit was not sent before its deadline


def test_hits_are_503_while_the_counter_is_frozen(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 500, "call_deadline_ms": 200})
    hit(pair.address, "/a")
    pair.counter.freeze()
    assert get(pair.address, "/a").status == 503
    pair.counter.thaw()
    until(lambda: get(pair.address, "/b").status == 200, "the counter to be used again", 5)
    until(lambda: pair.ledger.count("/a") == 2, "the batch of the hit with the 503 to be counted")


def test_a_wrong_token_is_503_and_reported_in_ready(stage):
    counter = stage.counter(stage.ledger())
    render = stage.render(counter, ready=False, counter_token="not-the-token",
                          request_deadline_ms=300)
    assert get(render.address, "/a").status == 503
    assert render.ready().status == 503
    assert render.ready().body.strip()
