"""Metrics for Prometheus: names, help and units; sums that must hold, also after faults; queries of the
dashboard and of the alerts that find their series."""

import contextlib
import os
import re

import psycopg
import pytest

from harness.http import ask, get, hit
from harness.services import ROOT
from harness.wait import until
from prometheus import MONITORING, Prometheus, alerts, dashboard_queries, promtool, samples

PROGRAMS = ("render-svc", "counter-svc")

# Series that only exist after an event, or only in other deployments.
MAY_BE_EMPTY = {"Errors: responses other than 2xx and 3xx", "Firing alerts"}


def metrics(service):
    answer = get(service.admin, "/metrics")
    assert answer.status == 200
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def of(service):
    return samples(metrics(service))


def total(found, name):
    """The sum over a family's labels."""
    return sum(value for (one, _), value in found.items() if one == name)


@pytest.fixture
def outage(cluster):
    """The run's PostgreSQL, for a test that stops it. It is started again afterwards."""
    yield cluster
    cluster.start()


@pytest.fixture
def pair(stage):
    return stage.pair(render_keys={"workers": 2})


# --- the exposition

@pytest.mark.parametrize("program", PROGRAMS)
def test_promtool_finds_no_error(pair, program):
    hit(pair.address, "/a")
    text = metrics(pair.render if program == "render-svc" else pair.counter)
    assert promtool("check", "metrics", stdin=text) == (0, "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_family_has_help_a_type_and_a_matching_name(pair, program):
    text = metrics(pair.render if program == "render-svc" else pair.counter)
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (.+)$", text, re.MULTILINE))
    assert helps.keys() == types.keys() and len(types) > 20
    for name, kind in types.items():
        assert name.startswith(("pathcount_", "process_"))
        assert (kind == "counter") == name.endswith("_total"), name
        assert kind != "histogram" or name.endswith(
            ("_seconds", "_hits", "_paths", "_batches")), name
        assert helps[name].endswith("."), name
    for name, _ in samples(text):
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in types or types.get(family) == "histogram", name


def test_requests_cannot_create_series(pair):
    get(pair.address, "/a")
    get(pair.address, "/-/nothing")
    before = {key for service in (pair.render, pair.counter) for key in of(service)}
    for i in range(50):
        hit(pair.address, f"/path-{i}?query={i}")
        get(pair.address, f"/-/nothing-{i}", {"User-Agent": f"agent {i}", "X-Request-Id": f"{i}"})
    after = {key for service in (pair.render, pair.counter) for key in of(service)}
    new = {key for key in after - before if key[0] != "pathcount_http_requests_total"
           and not key[0].startswith("pathcount_ledger_")}
    assert not new
    assert not any("path-" in labels or "agent" in labels for _, labels in after)


def test_requests_are_counted_by_route_and_status(pair):
    hit(pair.address, "/a")
    ask(pair.address, "GET", "/%zz")
    ask(pair.address, "GET", "/-/paths")
    key = "pathcount_http_requests_total"
    until(lambda: of(pair.render).get((key, '{route="visit",status="200"}')) == 1
          and of(pair.render).get((key, '{route="visit",status="400"}')) == 1
          and of(pair.render).get((key, '{route="paths",status="200"}')) == 1,
          "the three requests to be counted")


def test_metrics_accepts_only_get_and_head(pair):
    assert ask(pair.render.admin, "POST", "/metrics", body=b"").status == 405
    assert ask(pair.render.admin, "HEAD", "/metrics").status == 200
    assert get(pair.address, "/metrics").status == 200  # on the public listener it is a path like any other
    assert "# TYPE" not in get(pair.address, "/metrics").text


# --- sums

def unaccounted(found):
    return (total(found, "pathcount_hits_accepted_total")
            - total(found, "pathcount_hits_committed_total")
            - total(found, "pathcount_hits_refused_total")
            - total(found, "pathcount_hits_waiting"))


def unanswered(found, what):
    return (total(found, f"pathcount_ledger_{what}_received_total")
            - total(found, f"pathcount_ledger_{what}_answered_total")
            - total(found, f"pathcount_ledger_{what}_waiting"))


def assert_sums_hold(ledger, renders, counters):
    """Checks the sums when nothing is in flight and no process was restarted."""
    for render in renders:
        until(lambda r=render: total(of(r), "pathcount_hits_waiting") == 0, "no hit to wait")
        assert unaccounted(of(render)) == 0
    for counter in counters:
        found = of(counter)
        assert unanswered(found, "batches") == unanswered(found, "hits") == 0
    committed = sum(total(of(render), "pathcount_hits_committed_total") for render in renders)
    given_up = sum(of(render)["pathcount_hits_refused_total", '{reason="given_up"}']
                   for render in renders)
    applied = sum(of(counter)["pathcount_ledger_hits_answered_total", '{outcome="applied"}']
                  for counter in counters)
    unknown = sum(of(counter)["pathcount_ledger_hits_answered_total", '{outcome="unavailable"}']
                  for counter in counters)
    stored = ledger.totals()["hits"]
    assert committed <= stored <= committed + given_up
    assert applied <= stored <= applied + unknown


def test_sums_hold_at_rest(stage, pair):
    load = stage.load([pair.render], ["/a", "/b", "/c"])
    load.until_acknowledged(300)
    load.stop()
    found = of(pair.render)
    assert total(found, "pathcount_hits_accepted_total") >= 300
    assert total(found, "pathcount_hits_committed_total") == pair.ledger.totals()["hits"]
    assert total(found, "pathcount_page_duration_seconds_count") == total(
        found, "pathcount_hits_accepted_total")
    assert_sums_hold(pair.ledger, [pair.render], [pair.counter])


def test_a_hit_that_cannot_be_sent_is_refused(stage):
    """PostgreSQL is down from the start, so no lane is open. The hit waits, and is cancelled at its deadline."""
    render = stage.render(stage.proxy(("127.0.0.1", 1)), ready=False, request_deadline_ms=200,
                          max_waiting=1)
    assert get(render.address, "/a").status == 503
    found = of(render)
    assert found["pathcount_hits_refused_total", '{reason="overdue"}'] == 1
    assert found["pathcount_hits_accepted_total", ""] == 1
    assert unaccounted(found) == 0


def test_the_sums_hold_in_prometheus_after_an_outage(outage, stage, tmp_path):
    """Two services of each kind under load, while PostgreSQL is killed. Prometheus has the sums, the series of
    every query of the dashboard and of every alert, and the outage."""
    ledger = stage.ledger()
    counters = [stage.counter(ledger) for _ in range(2)]
    renders = [stage.render(counter) for counter in counters]
    targets = {"render-svc": [one.admin for one in renders],
               "counter-svc": [one.admin for one in counters]}
    with Prometheus(tmp_path, targets) as prometheus:
        load = stage.load(renders, ["/a", "/b", "/c"])
        load.until_acknowledged(200)
        until(lambda: prometheus.value("sum(up)") == 4, "all four to be scraped")
        with contextlib.suppress(psycopg.OperationalError), ledger.held_appends():
            ledger.until_waiting()  # a statement that will be lost
            outage.kill()
        until(lambda: prometheus.query("sum(pathcount_ready) == 0"), "the outage to be seen", 30)
        until(lambda: prometheus.query("sum(pathcount_postgres_sessions) == 0"), "no session", 30)
        outage.start()
        load.until_acknowledged(200)
        until(lambda: prometheus.value("sum(increase(pathcount_ledger_commit_failures_total[1m]))"),
              "the lost statements to be seen", 30)
        check_queries(prometheus)
        load.stop()
        assert_sums_hold(ledger, renders, counters)
        until(lambda: prometheus.value("sum(pathcount_hits_waiting)") == 0, "no hit to wait", 60)
        until(lambda: prometheus.value(
            "sum(pathcount_hits_accepted_total) - sum(pathcount_hits_committed_total)"
            " - sum(pathcount_hits_refused_total) - sum(pathcount_hits_waiting)") == 0,
            "accepted to be committed, refused or waiting", 60)
        until(lambda: prometheus.value("max(pathcount_ledger_hits)") == ledger.totals()["hits"],
              "the ledger's total to be seen", 60)


def check_queries(prometheus):
    for panel, query in dashboard_queries():
        if panel in MAY_BE_EMPTY:
            prometheus.query(query)
        else:
            until(lambda q=query: prometheus.query(q), f"{panel}: {query} to find something", 60)
    for name, rule in alerts().items():
        # an alert without its series never fires, so each series that it names must exist
        prometheus.query(rule["expr"])
        for series in set(re.findall(r"\b(?:pathcount|process)_\w+", rule["expr"])):
            assert prometheus.query(series), f"{name}: there is no {series}"


# --- files

def test_alerts_fire_exactly_when_they_should():
    status, said = promtool("test", "rules", os.path.join(ROOT, "tests/operation/alerts_test.yml"))
    assert status == 0, said


def test_prometheus_accepts_its_configuration(tmp_path):
    with open(os.path.join(MONITORING, "prometheus.yml"), encoding="utf-8") as file:
        config = file.read().replace("/etc/prometheus/", f"{MONITORING}/")
    (tmp_path / "prometheus.yml").write_text(config)
    status, said = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert status == 0 and f"{len(alerts())} rules found" in said, said


@pytest.mark.parametrize("name", alerts())
def test_each_alert_has_a_remedy_and_tests(name):
    with open(os.path.join(ROOT, "docs", "runbook.md"), encoding="utf-8") as file:
        runbook = file.read()
    with open(os.path.join(ROOT, "tests/operation/alerts_test.yml"), encoding="utf-8") as file:
        tests = file.read()
    assert alerts()[name]["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
    paragraph = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", runbook, re.MULTILINE | re.DOTALL)
    assert paragraph and "**Means**" in paragraph[1] and "**Do**" in paragraph[1]
    assert f"{name} fires" in tests and f"{name} is quiet" in tests


def test_each_alert_in_the_runbook_exists():
    with open(os.path.join(ROOT, "docs", "runbook.md"), encoding="utf-8") as file:
        assert re.findall(r"^## (Pathcount\w+)$", file.read(), re.MULTILINE) == list(alerts())
