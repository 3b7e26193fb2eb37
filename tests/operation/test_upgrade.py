"""Upgrade and rollback across schema versions, as a roll does it: a new process beside the old one,
then the old one is told to end. Nobody is refused, and every hit is counted once."""

import signal

import pytest

from harness.load import audit
from previous import build_previous, schema_version

PATHS = [f"/{n}" for n in range(40)] + ["/a b/é", "/😀"]
DRAIN_MS = 300  # for those who are connected: long enough to be answered once more


@pytest.fixture(scope="module")
def previous():
    """The folder of the previous version's programs, and their schema version."""
    return build_previous()


class Place:
    """Where a service is found, whichever process does the work there."""

    def __init__(self, start):
        self._start = start
        self.service = None
        self.wire = None

    @property
    def address(self):
        return self.wire.address

    def roll(self, stage, build_dir):
        """Puts a process of the programs in a folder (None: of those that are tested) in place of the
        one that is there, which drains and ends well."""
        old, self.service = self.service, self._start(build_dir)
        if self.wire is None:
            self.wire = stage.wire(self.service)
        self.wire.target = self.service.address
        if old is not None:
            old.signal(signal.SIGTERM)
            assert old.ended() == 0


class House:
    """Two counter-svc and two render-svc on one ledger."""

    def __init__(self, stage):
        self.stage = stage
        self.ledger = stage.ledger()
        self.counters = [Place(lambda build: self._start(
            "counter-svc", {**self.ledger.keys, "lock_timeout_ms": 1000}, build)) for _ in range(2)]
        self.renders = [Place(lambda build, at=at: self._start(
            "render-svc", {"counter_url": "http://%s:%d" % at.address}, build)) for at in self.counters]

    def _start(self, name, keys, build):
        service = self.stage.service(name, {**keys, "drain_ms": DRAIN_MS}, start=False)
        service.build_dir = build or service.build_dir
        return service.start().until_ready()

    @property
    def version(self):
        return self.ledger.value("SELECT max(version) FROM pathcount_schema")


def roll(places, house, build, load):
    """One after the other, with hits between: old and new ones work side by side."""
    for place in places:
        place.roll(house.stage, build)
        load.until_acknowledged(200)


def test_upgrade_and_rollback_under_load_lose_nothing(stage, previous):
    old, old_version = previous
    house = House(stage)
    for place in house.counters + house.renders:
        place.roll(stage, old)
    assert house.version == old_version
    load = stage.load(house.renders, PATHS, clients=16)
    load.until_acknowledged(500)

    roll(house.counters, house, None, load)
    assert house.version == schema_version()
    roll(house.renders, house, None, load)

    roll(house.renders, house, old, load)
    roll(house.counters, house, old, load)
    assert house.version == schema_version(), "the ledger stays as the newer programs made it"

    roll(house.counters + house.renders, house, None, load)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost and not tally.refused, tally
    assert audit(tally, house.ledger.counts()) == sum(tally.acknowledged.values())
    kept, scanned = house.ledger.totals_both_ways()
    assert kept == scanned


def test_a_new_renderer_works_with_an_old_counter_and_the_other_way_round(stage, previous):
    """So either service can be rolled first."""
    old, _ = previous
    for counter_build, render_build in ((old, None), (None, old)):
        house = House(stage)
        for place in house.counters:
            place.roll(stage, counter_build)
        for place in house.renders:
            place.roll(stage, render_build)
        load = stage.load(house.renders, PATHS, clients=4)
        load.until_acknowledged(100)
        tally = load.stop()
        assert set(tally.statuses) == {200} and not tally.lost, tally
        assert audit(tally, house.ledger.counts()) == sum(tally.acknowledged.values())
