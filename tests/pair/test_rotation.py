"""The token and the database's password are rotated under load, without a failed request."""

import signal

import pytest

from harness.http import ask
from harness.load import audit
from harness.services import TOKEN
from harness.wait import until

NEW = "new-" + TOKEN


def totals(counter, token, scheme="Bearer"):
    return ask(counter.address, "GET", "/v1/totals", {"Authorization": f"{scheme} {token}"}).status


# --- accepted tokens


def test_only_the_current_and_the_previous_token_are_accepted(stage):
    counter = stage.counter(stage.ledger(), counter_token=NEW, counter_token_previous=TOKEN)
    assert [totals(counter, token) for token in (NEW, TOKEN)] == [200, 200]
    assert totals(counter, TOKEN, scheme="bEARER") == 200
    for token in ("", "x", TOKEN[:-1], TOKEN + "x", NEW[:-1], NEW + "x", TOKEN + NEW, NEW + TOKEN,
                  TOKEN.upper(), TOKEN + " " + NEW, "null"):
        assert totals(counter, token) == 401, token
    assert ask(counter.address, "GET", "/v1/totals").status == 401


def test_two_accepted_tokens_are_logged_without_their_values(stage):
    counter = stage.counter(stage.ledger(), counter_token=NEW, counter_token_previous=TOKEN)
    line, = counter.events("rotation")
    assert (line["secret"], line["accepted"]) == ("counter_token", "2")
    assert TOKEN not in counter.log() and NEW not in counter.log()


def test_a_previous_token_equal_to_the_current_one_is_ignored(stage):
    ledger = stage.ledger()
    counter = stage.counter(ledger, counter_token_previous=TOKEN, postgres_pw_previous=ledger.password)
    assert not counter.events("rotation")
    logged = counter.events("configuration")[0]
    assert logged["counter_token_previous"] == logged["postgres_pw_previous"] == '"(not set)"'
    assert [totals(counter, token) for token in (TOKEN, TOKEN + "x")] == [200, 401]


def test_the_previous_token_is_refused_after_its_removal(stage):
    counter = stage.counter(stage.ledger(), counter_token=NEW)
    assert [totals(counter, token) for token in (NEW, TOKEN)] == [200, 401]


# --- passwords that are tried


@pytest.fixture
def ledger(cluster):
    """A ledger for one test, which changes its password."""
    return cluster.new_ledger()


def set_password(ledger, password):
    ledger.run(f"ALTER ROLE {ledger.role} PASSWORD '{password}'")


def disconnect(ledger):
    """Ends the sessions, like a restart of the server."""
    for pid in ledger.backends():
        ledger.run("SELECT pg_terminate_backend(%s)", pid)


@pytest.mark.parametrize("right", ["current", "previous"])
def test_the_current_and_the_previous_password_are_tried(stage, ledger, right):
    other = "another-" + ledger.password
    pws = [ledger.password, other] if right == "current" else [other, ledger.password]
    counter = stage.counter(ledger, postgres_pw=pws[0], postgres_pw_previous=pws[1])
    counter.api.count({"/a": 1})
    assert bool(counter.events("previous-password-used")) == (right == "previous")
    assert [event["secret"] for event in counter.events("rotation")] == ["postgres_pw"]
    assert not any(pw in counter.log() for pw in pws)


def test_the_previous_password_is_tried_after_one_in_a_uri(stage, ledger):
    uri = f"postgresql://{ledger.role}:not-yet@127.0.0.1:{ledger.cluster.port}/{ledger.database}"
    counter = stage.counter(ledger, postgres_url=uri, postgres_pw_previous=ledger.password)
    counter.api.count({"/a": 1})


def test_the_password_may_change_repeatedly(stage, ledger):
    pws = [ledger.password, "second-" + ledger.password]
    counter = stage.counter(ledger, postgres_pw=pws[1], postgres_pw_previous=pws[0])
    for n in range(1, 4):
        set_password(ledger, pws[n % 2])
        disconnect(ledger)
        until(lambda: counter.is_ready() and len(ledger.backends()) == 3, "new sessions")
        counter.api.count({"/a": 1})
    assert ledger.counts() == {"/a": 3}


def test_two_wrong_passwords_are_reported_until_one_is_corrected(stage, ledger):
    counter = stage.counter(ledger, ready=False, postgres_pw="wrong-1", postgres_pw_previous="wrong-2")
    lost = until(lambda: counter.events("postgres-lost"), "a failure")
    assert "password authentication failed" in lost[0]["reason"]
    assert not counter.is_ready() and "wrong-" not in counter.log()
    set_password(ledger, "wrong-2")
    counter.until_ready()


# --- under load

# deadlines that a busy machine does not miss, because they are not tested here
PATIENT_COUNTER = {"connect_timeout_ms": 10000, "statement_timeout_ms": 15000,
                   "batch_deadline_ms": 15000, "read_deadline_ms": 15000,
                   "shutdown_ms": 30000}
PATIENT_RENDER = {"request_deadline_ms": 30000, "call_deadline_ms": 20000,
                  "connect_timeout_ms": 10000, "shutdown_ms": 30000}


class Site:
    """Two renderers, each with its own counter-svc on one ledger. Each of the four is behind a proxy, so that
    another process can take its place."""

    def __init__(self, stage, ledger, counter_keys, render_keys):
        self.stage, self.ledger = stage, ledger
        self.counters = [self._counter(counter_keys) for _ in range(2)]
        self.inner = [stage.proxy(counter) for counter in self.counters]
        self.renders = [self._render(at, render_keys) for at in self.inner]
        self.outer = [stage.proxy(render) for render in self.renders]
        self.load = stage.load(self.outer, ["/a", "/b", "/c"], clients=8, timeout=60)
        self.load.until_acknowledged(100)

    def _counter(self, keys):
        return self.stage.counter(self.ledger, drain_ms=300, **PATIENT_COUNTER, **keys)

    def _render(self, at, keys):
        return self.stage.render(at, drain_ms=300, **PATIENT_RENDER, **keys)

    def _replace(self, proxies, services, make):
        """Replaces the services one after the other. The new one starts before the old one stops."""
        for i, proxy in enumerate(proxies):
            new = make(i)
            proxy.target = new.address
            services[i].signal(signal.SIGTERM)
            assert services[i].ended() == 0
            services[i] = new
            self.load.until_acknowledged(50)

    def roll_counters(self, **keys):
        self._replace(self.inner, self.counters, lambda i: self._counter(keys))

    def roll_renders(self, **keys):
        self._replace(self.outer, self.renders, lambda i: self._render(self.inner[i], keys))

    def end(self):
        """Ends the load. Checks that every request was answered with a page, and every hit counted once."""
        self.load.until_acknowledged(100)
        tally = self.load.stop()
        assert set(tally.statuses) == {200} and not tally.lost and not tally.refused, tally
        assert audit(tally, self.ledger.counts(), repeats=True) == sum(tally.sent.values())


def test_the_token_is_rotated_without_a_failed_request(stage):
    site = Site(stage, stage.ledger(), {}, {})
    site.roll_counters(counter_token=NEW, counter_token_previous=TOKEN)
    site.roll_renders(counter_token=NEW)
    site.roll_counters(counter_token=NEW)
    assert [totals(counter, TOKEN) for counter in site.counters] == [401, 401]
    site.end()


def test_the_database_password_is_rotated_without_a_failed_request(stage, ledger):
    old, new = ledger.password, "new-" + ledger.password
    site = Site(stage, ledger, {}, {})
    site.roll_counters(postgres_pw=new, postgres_pw_previous=old)
    sessions = ledger.backends()
    set_password(ledger, new)
    site.load.until_acknowledged(50)
    assert set(ledger.backends()) == set(sessions)  # the running services keep their sessions
    disconnect(ledger)
    until(lambda: all(counter.is_ready() for counter in site.counters), "new sessions")
    site.load.until_acknowledged(50)
    site.roll_counters(postgres_pw=new)
    site.end()
    for counter in site.counters:
        assert not counter.events("previous-password-used")
