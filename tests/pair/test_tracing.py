"""A request's trace (W3C Trace Context): accepted or created, passed on to counter-svc, shown in answers to
people, and logged by both services."""

import re

import pytest

from harness.http import JSON, ask, get, hit
from harness.proxy import Gate, drop
from harness.services import TOKEN
from harness.wait import Later, until

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


def traceparent(trace=ID, flags="00"):
    return {"traceparent": f"00-{trace}-{PARENT}-{flags}"}


def passed_on(exchange):
    """The trace, the parent-id and the flags of a call to counter-svc."""
    match = TRACEPARENT.fullmatch(exchange.request.header("traceparent"))
    assert match and match[2] == exchange.request.header("x-request-id")
    return match.groups()


@pytest.fixture(scope="module")
def pair(module_stage):
    return module_stage.pair(render_keys={"lanes": 1, "log_level": "debug"},
                             counter_keys={"log_level": "debug"})


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_trace_is_accepted_and_passed_on_with_the_batch(pair, flags):
    answer = get(pair.address, "/taken", {**traceparent(flags=flags), **JSON})
    assert answer.status == 200 and answer.header("x-request-id") == ID
    trace, parent, passed_flags = passed_on(pair.proxy.batches[-1])
    assert (trace, passed_flags) == (ID, flags) and parent != PARENT


@pytest.mark.parametrize("headers", [
    {}, {"traceparent": ""}, {"traceparent": f"00-{ID}-{PARENT}"},
    {"traceparent": f"00-{ID.upper()}-{PARENT}-00"}, {"traceparent": f"ff-{ID}-{PARENT}-00"},
    {"traceparent": f"00-{'0' * 32}-{PARENT}-00"}, {"traceparent": f"00-{ID}-{'0' * 16}-00"},
    {"traceparent": f"00-{ID}-{PARENT}-00-more"}, {"X-Request-Id": ID},
    {"traceparent": f"00-{ID}-{PARENT}-00, 00-{ID}-{PARENT}-00"},
    {"traceparent": f'00-{ID[:-10]}" event=x-{PARENT}-00'}], ids=str)
def test_a_request_without_a_valid_trace_gets_a_new_one(pair, headers):
    traces = {get(pair.address, "/begun", headers).header("x-request-id") for _ in range(5)}
    assert len(traces) == 5 and ID not in traces
    assert all(re.fullmatch("[0-9a-f]{32}", trace) for trace in traces)
    assert passed_on(pair.proxy.batches[-1])[0] in traces


@pytest.mark.parametrize("target", ["/-/paths", "/-/paths/a", "/-/badge/a.svg", "/-/paths?format=csv",
                                    "/-/hit/a.gif"])
def test_views_pass_their_trace_on_too(pair, target):
    trace = f"{abs(hash(target)):032x}"
    before = len(pair.proxy.seen)
    get(pair.address, "/a")
    assert get(pair.address, target, traceparent(trace)).header("x-request-id") == trace
    assert trace in {passed_on(exchange)[0] for exchange in pair.proxy.seen[before:]}


@pytest.mark.parametrize("target", ["/a", "/%zz", "/-/", "/-/unknown", "/-/openapi.yml", "/-/paths",
                                    "/-/live?limit=x"])
def test_every_answer_has_the_trace(pair, target):
    for headers in (traceparent(), {**traceparent(), **JSON}):
        answer = get(pair.address, target, headers)
        assert answer.header("x-request-id") == ID
        if answer.media_type == "application/problem+json":
            assert answer.json()["trace"] == ID
        elif answer.status >= 400:
            assert f"Reference: <code>{ID}</code>" in answer.text


def test_a_batch_has_the_trace_of_its_first_hit(pair):
    gate = Gate()
    pair.proxy.next(gate, "POST", "/v1/hits")
    held = Later(hit, pair.address, "/held")
    gate.until_held()
    before = len(pair.proxy.batches)
    waiting = [Later(get, pair.address, "/many", traceparent(f"{n:032x}")) for n in range(1, 9)]
    gate.open()
    held.result()
    answers = [later.result() for later in waiting]
    assert [answer.header("x-request-id") for answer in answers] == [f"{n:032x}" for n in range(1, 9)]
    traces = [passed_on(batch)[0] for batch in pair.proxy.batches[before:]]
    assert traces and set(traces) <= {f"{n:032x}" for n in range(1, 9)}
    assert len(set(traces)) == len(traces)


def test_every_attempt_of_a_batch_has_its_trace_and_a_new_id(pair):
    pair.proxy.next(drop, "POST", "/v1/hits", times=3)
    before = len(pair.proxy.batches)
    trace = "7" * 32
    assert get(pair.address, "/tried", traceparent(trace)).status == 200
    tries = [passed_on(batch) for batch in pair.proxy.batches[before:]]
    assert [one[0] for one in tries] == [trace] * 4 and len({one[1] for one in tries}) == 4
    assert [event["trace"] for event in pair.render.events("batch-unanswered")[-3:]] == [trace] * 3
    assert pair.render.events("batch-repeated")[-1]["trace"] == trace


def test_tracestate_is_not_passed_on(pair):
    get(pair.address, "/state", {**traceparent(), "tracestate": "vendor=secret"})
    assert all(exchange.request.header("tracestate") is None for exchange in pair.proxy.seen)


def test_an_error_of_postgresql_is_logged_with_the_trace_of_the_request(stage):
    pair = stage.pair(counter_keys={"lock_timeout_ms": 50})
    hit(pair.address, "/held")
    with pair.ledger.held_appends():
        asked = Later(get, pair.address, "/held", traceparent("1" * 32))
        failed = until(lambda: pair.counter.events("journal-failed"), "the lock to be logged")
    assert asked.result().status == 200
    assert failed[0]["trace"] == "1" * 32 and failed[0]["batches"] == "1"


def test_an_error_page_names_the_trace_id_of_the_logs(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 300})
    until(lambda: get(pair.address, "/warm").status == 200, "the first hit")
    with pair.ledger.held_appends():
        page = get(pair.address, "/warm", traceparent("2" * 32))
    assert page.status == 503 and f"Reference: <code>{'2' * 32}</code>" in page.text
    logged = until(lambda: pair.render.events("unavailable"), "the refusal to be logged")
    assert logged[0]["trace"] == "2" * 32 and logged[0]["route"] == "visit"


def test_counter_svc_logs_a_503_with_trace_and_request_id(stage, outage):
    counter = stage.counter(stage.ledger())
    outage.stop()
    until(lambda: not counter.is_ready(), "counter-svc to notice")
    answer = ask(counter.address, "GET", "/v1/totals", {
        **traceparent("3" * 32), "Authorization": f"Bearer {TOKEN}", "X-Request-Id": "an id"})
    assert answer.status == 503 and answer.json()["trace"] == "3" * 32
    logged = until(lambda: counter.events("unavailable"), "the 503 to be logged")
    assert (logged[0]["trace"], logged[0]["request_id"], logged[0]["route"]) == ("3" * 32, '"an id"', "totals")
