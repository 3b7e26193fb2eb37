"""The upgrade from programs before the journal, as a roll does it: a new process starts, then an old one is
stopped. No request is refused, and every hit is counted once. Also the downgrade."""

import os
import signal

import pytest

from harness.api import Api
from harness.faultlib import Name
from harness.load import audit
from harness.ports import free_port
from harness.services import ROOT
from harness.wait import until
from previous import build_previous, schema_version

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
PATHS = [f"/{n}" for n in range(40)] + ["/a b/é", "/😀"]
JOURNAL = 4  # the schema with the journal, the last one that older programs cannot use
DRAIN_MS = 300  # long enough for connected clients to get one more answer


@pytest.fixture(scope="module")
def previous():
    """The folder of the last programs before the journal, and their schema version."""
    return build_previous(JOURNAL)


class Services:
    """counter-svc at several addresses of one name, and two renderers that find them there."""

    def __init__(self, stage):
        self.stage = stage
        self.ledger = stage.ledger()
        self.port = free_port(HOSTS)
        self.name = Name(stage.folder)
        self.counters, self.renders = {}, []

    def start_counter(self, host, build=None):
        """Starts a counter-svc at an address, and adds it to the name."""
        counter = self.stage.service("counter-svc", {
            **self.ledger.keys, "lock_timeout_ms": 1000, "drain_ms": DRAIN_MS,
            "listen": f"{host}:{self.port}"}, start=False)
        counter.build_dir = build or counter.build_dir
        self.counters[host] = counter.start().until_ready()
        self.name.set(*self.counters)
        return counter

    def stop_counter(self, host):
        """Removes a counter-svc as a roll does: first from the name, then the process. An old one may already
        have ended with status 1 because it cannot use the ledger. Returns whether it had."""
        counter = self.counters.pop(host)
        self.name.set(*self.counters)
        if counter.is_running:
            counter.signal(signal.SIGTERM)
        status = counter.ended()
        has_given_up = bool(counter.events("program-too-old"))
        assert status == has_given_up
        counter.expect_status(status)
        return has_given_up

    def start_renders(self, *builds):
        for build in builds:
            render = self.stage.service("render-svc", {
                "counter_url": f"http://{self.name.name}:{self.port}", "drain_ms": DRAIN_MS,
                "resolve_ms": 100, "request_deadline_ms": 15000}, env=self.name.env, start=False)
            render.build_dir = build or render.build_dir
            self.renders.append(render.start().until_ready())

    @property
    def version(self):
        return self.ledger.value("SELECT max(version) FROM pathcount_schema")

    def check(self, load):
        tally = load.stop()
        assert set(tally.statuses) == {200} and not tally.lost and not tally.refused, tally
        assert audit(tally, self.ledger.counts()) == sum(tally.acknowledged.values())
        kept, scanned = self.ledger.totals_both_ways()
        assert kept == scanned


@pytest.mark.parametrize("renderers", ["old", "new"])
def test_a_roll_to_the_journal_under_load_refuses_no_request(stage, previous, renderers):
    """Two old counter-svc are replaced one after the other. The first new one leaves the ledger to the old ones
    until a renderer uses the new one."""
    old, old_version = previous
    services = Services(stage)
    for host in HOSTS[:2]:
        services.start_counter(host, old)
    services.start_renders(*[old if renderers == "old" else None] * 2)
    load = stage.load(services.renders, PATHS, clients=8, timeout=60)
    load.until_acknowledged(300)
    assert services.version == old_version

    new = services.start_counter(HOSTS[2])
    assert new.events("migration-awaited")
    if renderers == "new":  # they keep using the lowest address, an old counter-svc
        load.until_acknowledged(300)
        assert services.version == old_version
    gave_up = services.stop_counter(HOSTS[0])
    load.until_acknowledged(300)
    services.start_counter(HOSTS[0])
    gave_up |= services.stop_counter(HOSTS[1])
    load.until_acknowledged(300)
    assert services.version == schema_version()
    services.start_counter(HOSTS[1])
    load.until_acknowledged(300)
    services.check(load)


def test_an_old_program_ends_after_the_upgrade(stage, previous):
    """It logs the reason. Its batch is counted by the new one."""
    old, _ = previous
    services = Services(stage)
    before = services.start_counter(HOSTS[0], old)
    lane = Api(before.address).lane()
    Api(before.address).post(lane, 1, {"/a": 1})
    after = Api(services.start_counter(HOSTS[1]).address)
    assert after.post(lane, 1, {"/a": 1}).json()["repeat"] is True
    assert Api(before.address).post(lane, 2, {"/a": 1}, timeout=60).status == 503
    assert services.stop_counter(HOSTS[0])
    assert after.post(lane, 2, {"/a": 1}).json() == {
        "lane": lane, "sequence": 2, "repeat": False, "counts": [2]}
    again = services.stage.service("counter-svc", services.ledger.keys, start=False)
    again.build_dir = old
    again.launch()
    assert again.ended() == 1
    again.expect_status(1)
    assert again.events("program-too-old")
    assert services.ledger.folded() == {"/a": 2}


def test_a_million_paths_are_migrated_without_rewriting_the_table(stage, previous):
    old, _ = previous
    services = Services(stage)
    services.start_counter(HOSTS[0], old)
    services.stop_counter(HOSTS[0])
    services.ledger.run("INSERT INTO pathcount (path, count) SELECT '/' || n, n "
                     "FROM generate_series(1, 1000000) AS n")
    services.ledger.run("UPDATE pathcount_lane SET paths = 1000000, hits = 500000500000 WHERE lane = 0")
    file = services.ledger.value("SELECT pg_relation_filenode('pathcount')")
    api = Api(services.start_counter(HOSTS[0]).address)
    lane = until(lambda: (answer := api.ask("POST", "/v1/lanes")).status == 201 and answer,
                 "a lane").json()["lane"]
    assert services.ledger.value("SELECT pg_relation_filenode('pathcount')") == file
    for sequence in range(1, 50):  # while the ranking's index is built
        assert api.post(lane, sequence, {"/7": 1, "/new": 1}).json()["counts"] == [7 + sequence, sequence]
    assert api.totals() == {"paths": 1000001, "hits": 500000500000 + 98}
    assert api.view(limit=2)["counts"] == [1000000, 999999]
    until(lambda: services.ledger.value(
        "SELECT EXISTS (SELECT FROM pg_index WHERE indisvalid AND indexrelid = "
        "to_regclass('pathcount_by_people'))"), "the rankings' indexes", seconds=120)
    assert services.ledger.value("SELECT to_regproc('pathcount_tier') IS NULL")
    assert api.view(limit=2, after="10:/10")["paths"] == ["/9", "/8"]
    assert services.ledger.value("SELECT pg_relation_filenode('pathcount')") == file


def revert(ledger):
    with open(os.path.join(ROOT, "counter-svc", "ledger", "schema", "revert-004.sql"), encoding="utf-8") as file:
        text = file.read()
    with ledger.connect_as_owner() as owner:
        owner.execute(text)


def test_a_downgrade_and_another_upgrade_keep_counts_and_lanes(stage, previous):
    old, old_version = previous
    services = Services(stage)
    api = Api(services.start_counter(HOSTS[0]).address)
    lane = api.lane()
    for sequence in range(1, 6):
        api.post(lane, sequence, {"/a": 1, f"/{sequence}": 1})
    services.stop_counter(HOSTS[0])
    revert(services.ledger)
    assert services.version == old_version

    api = Api(services.start_counter(HOSTS[0], old).address)
    assert api.totals() == {"paths": 6, "hits": 10}
    assert api.post(lane, 5, {"/5": 1, "/a": 1}).json()["repeat"] is True
    assert api.post(lane, 6, {"/a": 1, "/b": 1}).json()["counts"] == [6, 1]
    assert api.pages(limit=2) == [("/a", 6)] + [(f"/{n}", 1) for n in "12345b"]
    services.stop_counter(HOSTS[0])

    api = Api(services.start_counter(HOSTS[0]).address)
    assert api.post(lane, 6, {"/a": 1, "/b": 1}).json()["repeat"] is True
    assert api.post(lane, 7, {"/a": 1}).json()["counts"] == [7]
    assert services.ledger.folded() == {"/a": 7, "/b": 1, **{f"/{n}": 1 for n in range(1, 6)}}
    assert services.ledger.totals() == services.ledger.totals_by_scanning()


def test_a_downgrade_is_refused_while_hits_are_quarantined(stage):
    ledger = stage.ledger()
    api = stage.counter(ledger).api
    ledger.run("ALTER TABLE pathcount ADD CHECK (path <> '/forbidden')")
    api.count({"/a": 1, "/forbidden": 1})
    ledger.folded()
    with pytest.raises(Exception, match="pathcount_quarantine has rows"):
        revert(ledger)
    assert api.count({"/a": 1}) == {"/a": 2}
    assert ledger.counts() == {"/a": 2, "/forbidden": 1}
