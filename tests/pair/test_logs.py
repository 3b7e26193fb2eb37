"""The log: one line for each event, without data about visitors (docs/logs.md).

harness.services checks at the end of every service, in every test, that each line is key=value, or JSON if so
configured, and has no secret.
"""

import json
import os
import pathlib
import re
import signal

import pytest

from harness.api import BEARER
from harness.http import JSON, Connection, ask, get, hit, is_refused
from harness.ports import free_port
from harness.services import ROOT, TOKEN, parse_log_line
from harness.wait import Later, until

TRACES = {
    "User-Agent": "Agent-of-a-test/47.11", "Cookie": "session=cookie-of-a-test",
    "X-Forwarded-For": "203.0.113.77", "Forwarded": "for=203.0.113.78", "X-Real-IP": "203.0.113.79",
    "Referer": "http://referer-of-a-test/", "From": "someone@test.invalid",
}

TRACE = re.compile(r"Agent-of-a-test|cookie-of-a-test|203\.0\.113\.|referer-of-a-test|someone@test|"
                   r"127\.77\.66\.55")


def everything_in(ledger):
    """Every value of every row of every table, as text."""
    tables = [name for name, in ledger.run(
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")]
    assert len(tables) >= 3
    return "\n".join(row for table in tables for row, in ledger.run(f"SELECT t::text FROM {table} t"))


@pytest.mark.parametrize("keys", [{}, {"access_log": True, "log_level": "debug"}], ids=str)
def test_no_client_address_cookie_or_agent_is_stored_anywhere(stage, keys):
    pair = stage.pair(render_keys=keys, counter_keys=keys)
    for target in ("/a", "/b", "/%zz", "/-/icon.svg", "/-/unknown"):
        for headers in (TRACES, {**TRACES, **JSON}):
            get(pair.address, target, headers, source=("127.77.66.55", 0))
    ask(pair.address, "POST", "/a", TRACES, source=("127.77.66.55", 0))
    assert not TRACE.search(everything_in(pair.ledger))
    assert not TRACE.search(pair.counter.log() + pair.render.log())
    for exchange in pair.proxy.seen:
        assert not TRACE.search(exchange.request.raw.decode("latin-1"))


def test_the_access_log_is_off_by_default(stage):
    pair = stage.pair()
    hit(pair.address, "/warm")
    before = [len(service.events()) for service in (pair.counter, pair.render)]
    for n in range(50):
        get(pair.address, f"/{n}")
        get(pair.address, "/%zz")
    after = [len(service.events()) for service in (pair.counter, pair.render)]
    assert [b - a for a, b in zip(before, after)] == [0, 0]


def requests(service):
    """The lines of the access log, except those of the admin listener."""
    return [event for event in service.events("request") if event["route"] not in ("live", "ready")]


def test_the_access_log_has_one_line_for_each_request(stage):
    pair = stage.pair(render_keys={"access_log": True}, counter_keys={"access_log": True})
    asked = (("/a?query", 200, "visit"), ("/%zz", 400, "visit"), ("/-/unknown", 404, "none"),
             ("/-/paths/a", 200, "path"), ("/-/badge/a.svg", 200, "badge"), ("/a%20b", 200, "visit"))
    answers = [get(pair.address, target) for target, _, _ in asked]
    assert [answer.status for answer in answers] == [status for _, status, _ in asked]
    lines = until(lambda: len(requests(pair.render)) == len(asked) and requests(pair.render), "lines")
    for line, answer, (_, status, route) in zip(lines, answers, asked):
        assert (line["route"], line["status"], line["method"]) == (route, str(status), "GET")
        assert line["bytes"] == str(len(answer.body))
        assert line["trace"] == answer.header("x-request-id")
        assert 0 < int(line["duration_us"]) < 20_000_000
        assert set(line) == {"ts", "level", "service", "event", "route", "method", "status",
                             "duration_us", "bytes", "trace"}
    assert {"lanes", "hits", "path", "paths"} <= {line["route"] for line in requests(pair.counter)}


def test_access_log_sample_logs_one_request_in_ten(stage):
    pair = stage.pair(render_keys={"access_log": True, "access_log_sample": 10})
    for n in range(100):
        get(pair.address, f"/-/nothing/{n}")
    until(lambda: len(requests(pair.render)) == 10, "ten lines")


def test_a_signal_switches_the_access_log_on_and_off_while_requests_come(stage):
    pair = stage.pair()

    def switch(times):
        pair.render.signal(signal.SIGUSR1)
        logged = until(lambda: len(pair.render.events("access-log")) == times and
                     pair.render.events("access-log")[-1], "the switch")
        assert logged["on"] == ("true" if times % 2 else "false") and logged["sample"] == "1"

    def trace(answer):
        assert answer.status == 200
        return answer.header("x-request-id")

    def has_line(trace):
        return any(line["trace"] == trace for line in requests(pair.render))

    with Connection(pair.address) as connection:
        for times in (1, 3, 5):
            switch(times)
            on = trace(connection.ask("GET", "/on"))
            until(lambda on=on: has_line(on), "the line")
            switch(times + 1)
            off = trace(connection.ask("GET", "/off"))
            # a request may end just after its answer is read, but always before the next one begins
            trace(connection.ask("GET", "/after"))
            assert not has_line(off)
    assert hit(pair.address, "/after") == 4


def test_a_hostile_path_cannot_add_a_line(stage):
    pair = stage.pair(render_keys={"access_log": True, "log_level": "debug"},
                      counter_keys={"access_log": True, "log_level": "debug"})
    for target in ("/a%0Ats=1%20level=error%20event=forged", '/"quoted"', "/=a=b=", "/%1b[31m",
                   "/%E2%80%A8", "/\\", "/" + "x" * 2047, "/" + "%0A" * 2047):
        hit(pair.address, target)
    for service in (pair.render, pair.counter):
        for line in service.log().splitlines():
            assert parse_log_line(line), line
        assert not service.events("forged")


def test_every_json_line_is_one_object_even_for_hostile_requests(stage):
    keys = {"log_format": "json", "log_level": "debug", "access_log": True}
    pair = stage.pair(render_keys={**keys, "request_deadline_ms": 300}, counter_keys=keys)
    for target in ("/a%0A%22,%22event%22:%22forged", '/"quoted"', "/\\", "/%1b[31m", "/%ff"):
        get(pair.address, target, {"traceparent": '","event":"forged', "User-Agent": '"}{"'})
    ask(pair.address, 'GE"T', "/a")
    pair.counter.stop()
    get(pair.address, "/away")
    until(lambda: pair.render.events("counter-lost"), "the loss to be logged")
    for service in (pair.render, pair.counter):
        lines = service.log().splitlines()
        assert lines and all(isinstance(json.loads(line), dict) for line in lines)
        assert not service.events("forged")
        assert service.events("starting")[0]["version"]
        logged = {key: value for event in service.events("configuration") for key, value in event.items()}
        assert logged["counter_token"] == "(set)" and logged["log_format"] == "json"
    line = requests(pair.render)[0]
    assert (line["route"], line["status"]) == ("visit", 200) and line["duration_us"] > 0


def test_times_are_in_utc_with_milliseconds(stage):
    service = stage.counter(stage.ledger())
    for event in service.events():
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["ts"])
        assert event["level"] in ("error", "warning", "info", "debug")


@pytest.mark.parametrize("level, heard", [
    ("error", {"error"}), ("warning", {"error", "warning"}), ("info", {"error", "warning", "info"}),
    ("debug", {"error", "warning", "info", "debug"})])
def test_only_events_of_the_configured_level_are_logged(stage, level, heard):
    listen, admin = (("127.0.0.1", free_port()) for _ in range(2))
    service = stage.service("render-svc", {
        "counter_url": "http://127.0.0.1:1", "log_level": level, "request_deadline_ms": 200,
        "listen": "%s:%d" % listen, "admin_listen": "%s:%d" % admin}, start=False)
    service.launch()
    until(lambda: not is_refused(admin) and not is_refused(listen), "the service to listen")
    get(listen, "/a")
    service.stop()
    assert {event["level"] for event in service.events()} <= heard


def test_the_configuration_is_logged_without_secrets(stage):
    ledger = stage.ledger()
    counter = stage.counter(ledger)
    logged = "\n".join(str(event) for event in counter.events("configuration"))
    assert "postgres_pw" in logged and "counter_token" in logged and "(set)" in logged
    assert ledger.password not in counter.log() and TOKEN not in counter.log()


def test_an_outage_is_logged_once(stage):
    pair = stage.pair(render_keys={"request_deadline_ms": 1000})
    pair.counter.kill()
    before = len(pair.render.events())
    asked = [Later(get, pair.address, f"/{n}") for n in range(100)]
    assert {one.result().status for one in asked} == {503}
    assert len(pair.render.events()) - before < 20


def times(events):
    """How often an event happened. One line may stand for several times."""
    return sum(int(event.get("repeated", 1)) for event in events)


def test_an_outage_under_load_has_few_lines_whose_counts_add_up(stage, outage):
    pair = stage.pair(render_keys={"request_deadline_ms": 150, "max_waiting": 20})
    until(lambda: get(pair.address, "/warm").status == 200, "the first hit")
    outage.stop(signal.SIGQUIT)
    until(lambda: not pair.counter.is_ready(), "counter-svc to notice")
    before = [len(service.log().splitlines()) for service in (pair.render, pair.counter)]
    load = stage.load([pair.address], [f"/{n}" for n in range(50)], clients=32)
    until(lambda: load.tally.statuses[503] > 1500, "many to be refused", 60)
    refused = load.stop().statuses
    assert set(refused) == {503}
    outage.start()
    until(lambda: get(pair.address, "/after").status == 200, "to be served again")
    pair.render.stop()
    pair.counter.stop()
    logged = pair.render.events("unavailable")
    assert refused[503] <= times(logged) <= refused[503] + 200  # and the events that waited for the end
    assert {event["route"] for event in logged} == {"visit"}
    assert times(pair.counter.events("unavailable")) >= 1
    for service, lines in zip((pair.render, pair.counter), before):
        assert len(service.log().splitlines()) - lines < 60


def test_the_documentation_has_every_event_with_its_level(stage):
    """The sources and the table in docs/logs.md have the same events."""
    del stage
    said = set()
    for folder in ("server", "counter-svc", "render-svc"):
        for path in pathlib.Path(ROOT, folder).rglob("*.c"):
            with open(path, encoding="utf-8") as file:
                for call in re.findall(r"\blog_(?:event|each)\(([^;]*);", file.read()):
                    levels = re.findall(r"LOG_LEVEL_([A-Z]+)", call)
                    words = re.findall(r'"([a-z-]+)"', call)[:len(levels)]
                    said |= set(zip(words, map(str.lower, levels)))
    with open(os.path.join(ROOT, "docs", "logs.md"), encoding="utf-8") as file:
        table = file.read().partition("## Events")[2]
    described = set()
    for events, levels in re.findall(r"^\| (`[^|]*`) \| ([a-z, ]+) \|", table, re.MULTILINE):
        events, levels = re.findall(r"`([a-z-]+)`", events), levels.split(", ")
        described |= set(zip(events, levels if len(levels) > 1 else levels * len(events)))
    assert said == described


def test_no_secret_is_in_any_answer(stage):
    pair = stage.pair()
    answers = [get(pair.address, "/a"), get(pair.address, "/%zz"), get(pair.render.admin, "/ready"),
               get(pair.counter.admin, "/ready"), ask(pair.counter.address, "GET", "/v1/totals", BEARER),
               ask(pair.counter.address, "GET", "/v1/totals")]
    for answer in answers:
        for secret in (TOKEN, pair.ledger.password):
            assert secret.encode() not in answer.raw


def test_no_secret_is_on_the_command_line_of_a_service(stage):
    pair = stage.pair()
    for service in (pair.counter, pair.render):
        with open(f"/proc/{service.pid}/cmdline", "rb") as file:
            line = file.read()
        assert TOKEN.encode() not in line and pair.ledger.password.encode() not in line
