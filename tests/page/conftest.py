"""The pair on its own PostgreSQL, and two browsers: one with scripts, one without."""

import datetime
import re
from types import SimpleNamespace

import pytest

from browser import Browser
from elsewhere import Elsewhere
from harness import past
from harness.postgres import ClockedCluster, Cluster
from harness.stage import Stage
from harness.wait import until


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def stage(cluster, tmp_path_factory):
    stage = Stage(cluster, tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()


def pair_on(stage, hits, **keys):
    """A pair whose ledger holds these hits; `keys` are counter-svc's."""
    ledger = stage.ledger()
    counter = stage.counter(ledger, **keys)
    if hits:
        counter.api.count(hits)
    render = stage.render(counter)
    return SimpleNamespace(ledger=ledger, counter=counter, api=counter.api, render=render, address=render.address)


# 259 paths, which fill three pages.
MANY = {f"/section-{n % 7}/page-{n:03}": 9_000 - 30 * (n * 97 % 251) for n in range(1, 251)} | {
    "/": 123_456, "/blog/": 45_678, "/about": 12_345,
    "/docs/reference/configuration/environment-variables/of/the/services/and/their/defaults.html":
        11_111,
    "/" + "x" * 2047: 10_000, "/caf\u00e9/\u65e5\u672c\u8a9e": 9_999,
    "/\u202egpj.exe": 9_998, "/zero\u200bwidth": 9_997, "/<script>alert('1')</script>": 9_996,
}


BY_COUNT = sorted(MANY.items(), key=lambda item: (-item[1], item[0].encode()))
BY_PATH = sorted(MANY.items(), key=lambda item: item[0].encode())


@pytest.fixture(scope="session")
def full(stage):
    """A pair with three pages of paths. Tests that count use paths of their own."""
    return pair_on(stage, MANY)


def past_of(now):
    """(time, path, hits, hits by bots) of forty days: at all hours, on weekdays and weekends."""
    for ago in range(40 * 24):
        at = now - datetime.timedelta(hours=ago)
        awake = max(0, 12 - abs(at.hour - 14))
        people = (2 + awake * (2 if at.weekday() > 4 else 3) + at.day * 7 % 5 * awake // 4) * (60 - at.day % 9) // 60
        bots = 1 + at.day * 5 % 4 if at.hour % 3 else 9
        yield at, "/blog/", people + bots, bots
        yield at, "/about", 1 + people // 4, 0
        if ago > 240 and ago % 12 == 0:
            yield at, "/old", 40, 40


NOW = datetime.datetime(2026, 11, 18, 14, 20, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="session")
def clocked_stage(tmp_path_factory):
    """A stage whose PostgreSQL always starts on the same day, far from the end of the day and of the hour."""
    cluster = ClockedCluster()
    cluster.clock.set(NOW)
    stage = Stage(cluster, tmp_path_factory.mktemp("clocked"))
    yield stage
    stage.close()
    cluster.remove()


@pytest.fixture(scope="session")
def historic(clocked_stage):
    """A pair with the hits of forty days. Tests count nothing on it."""
    pair = pair_on(clocked_stage, {})
    pair.now = NOW
    past.count(pair.ledger, past_of(NOW), NOW - datetime.timedelta(days=45))
    return pair


@pytest.fixture(scope="session")
def historic_below(clocked_stage, historic):
    """The same counts, below a base path."""
    return clocked_stage.render(historic.counter, base_path="/site/hits")


LONG = "/日本語/" + "とても長い道/" * 60
HUGE = 2**62 + 1


@pytest.fixture(scope="session")
def young(clocked_stage):
    """A pair whose history began an hour ago, far east of UTC, with a long path and huge counts."""
    pair = pair_on(clocked_stage, {}, time_zone="Pacific/Chatham")
    until(lambda: pair.counter.events("history-settings"), "the time zone to be in the ledger")
    hour = datetime.timedelta(hours=1)
    past.count(pair.ledger, [(NOW - hour, LONG, HUGE, 1), (NOW, LONG, HUGE // 2, HUGE // 4), (NOW, "/مرحبا", 1, 0)],
               NOW - hour)
    return pair


@pytest.fixture(scope="session")
def forgetful(clocked_stage):
    """A pair that keeps no history."""
    pair = pair_on(clocked_stage, {"/blog/": 45, "/about": 3}, history_hours=0, history_days=0)
    until(lambda: pair.counter.events("history-settings"), "the settings to be in the ledger")
    return pair


@pytest.fixture(scope="session")
def empty(stage):
    """A pair without hits. Tests count nothing on it."""
    return pair_on(stage, {})


@pytest.fixture
def own(stage):
    """A function that makes a pair for one test, with these hits and keys of counter-svc."""
    return lambda hits=None, **keys: pair_on(stage, hits or {}, **keys)


@pytest.fixture(scope="session")
def unreachable(stage):
    """A render-svc without a counter-svc."""
    return stage.render(("127.0.0.1", 1), ready=False, request_deadline_ms=100)


@pytest.fixture(scope="session")
def elsewhere():
    site = Elsewhere()
    yield site
    site.close()


def started(script):
    browser = Browser(script)
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def scripting():
    yield from started(True)


@pytest.fixture(scope="session")
def scriptless():
    yield from started(False)


def ready(browser):
    browser.driver.get("about:blank")
    browser.look()
    browser.forget_cookies()
    browser.complaints()
    return browser


@pytest.fixture
def browser(scripting):
    """The browser with scripts, without state of earlier tests."""
    return ready(scripting)


@pytest.fixture(params=["with script", "without script"])
def either(request):
    """Each browser, one after the other."""
    return ready(request.getfixturevalue(
        "scripting" if request.param == "with script" else "scriptless"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Saves a picture of a failed test, and shows the end of its services' logs."""
    report = (yield).get_result()
    if not report.failed:
        return
    used = getattr(item, "funcargs", {})
    for name in ("browser", "either"):
        if name in used:
            used[name].picture("failed-" + re.sub(r"[^a-z0-9]+", "-", item.name.lower())[:80])
    if "stage" in used:
        report.sections.append(("log of the services", used["stage"].logs()))
