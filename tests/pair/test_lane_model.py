"""Two counter-svc on one ledger against a model of it: batches in any order, to either, alone or at
once, and the model says beforehand what each is answered and what the ledger then holds.

LANE_MODEL_EXAMPLES sets how many sequences of events are tried, each run others; by default they are
few, and the same ones every time.
"""

import os

import hypothesis
from hypothesis import strategies
from hypothesis.stateful import (
    Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test)

from harness.api import counts_of

EXAMPLES = int(os.environ.get("LANE_MODEL_EXAMPLES") or 0)

SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES or 12, stateful_step_count=25, derandomize=not EXAMPLES, deadline=None,
    database=None, print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck))

BATCHES = strategies.dictionaries(
    strategies.sampled_from(["/", "/a", "/b", "/\u00e9", "/" + "x" * 2000]),
    strategies.integers(1, 5), min_size=1, max_size=5)
FORGET = """WITH gone AS (DELETE FROM pathcount_lane WHERE lane = %s RETURNING paths, hits)
UPDATE pathcount_lane AS l SET paths = l.paths + gone.paths, hits = l.hits + gone.hits
FROM gone WHERE l.lane = 0"""
WHICH = strategies.sampled_from([0, 1])


class Lane:
    """What the model knows of a lane."""

    def __init__(self, number):
        self.number, self.sequence, self.last = number, 0, None


def machine(database, counters):
    """A machine whose counters serve the ledger that `database` is connected to; it is empty at the
    beginning of each example."""

    class Model(RuleBasedStateMachine):
        lanes, forgotten = Bundle("lanes"), Bundle("forgotten")

        def __init__(self):
            super().__init__()
            database.execute("TRUNCATE pathcount")
            database.execute("DELETE FROM pathcount_lane WHERE lane <> 0")
            database.execute("UPDATE pathcount_lane SET paths = 0, hits = 0")
            self.counts, self.sequences = {}, {}

        def store(self, lane, hits):
            lane.sequence, lane.last = lane.sequence + 1, hits
            self.sequences[lane.number] = lane.sequence
            for path, more in hits.items():
                self.counts[path] = self.counts.get(path, 0) + more

        def now(self, hits):
            return {path: self.counts[path] for path in hits}

        @rule(target=lanes, at=WHICH)
        def a_lane_is_new_and_at_0(self, at):
            lane = Lane(counters[at].lane())
            assert lane.number not in self.sequences
            self.sequences[lane.number] = 0
            return lane

        @rule(lane=lanes, at=WHICH, hits=BATCHES)
        def the_next_batch_is_counted(self, lane, at, hits):
            answer = counters[at].post(lane.number, lane.sequence + 1, hits)
            self.store(lane, hits)
            assert counts_of(answer, hits) == self.now(hits)
            assert answer.json()["repeat"] is False

        @rule(lane=lanes, at=WHICH)
        def a_repeat_is_answered_and_not_counted(self, lane, at):
            if lane.last is None:
                return
            answer = counters[at].post(lane.number, lane.sequence, lane.last)
            assert counts_of(answer, lane.last) == self.now(lane.last)
            assert answer.json()["repeat"] is True

        @rule(lane=lanes, at=WHICH, hits=BATCHES, ahead=strategies.integers(2, 5))
        def a_gap_is_refused(self, lane, at, hits, ahead):
            assert counters[at].post(lane.number, lane.sequence + ahead, hits).status == 409

        @rule(lane=lanes, at=WHICH, hits=BATCHES, behind=strategies.integers(1, 5))
        def a_stale_batch_is_refused(self, lane, at, hits, behind):
            if lane.sequence > behind:
                assert counters[at].post(lane.number, lane.sequence - behind, hits).status == 409

        @rule(target=forgotten, lane=consumes(lanes))
        def a_lane_is_forgotten(self, lane):
            database.execute(FORGET, (lane.number,))
            del self.sequences[lane.number]
            return lane

        @rule(lane=forgotten, at=WHICH, hits=BATCHES, ahead=strategies.integers(0, 1))
        def a_forgotten_lane_is_refused(self, lane, at, hits, ahead):
            assert counters[at].post(lane.number, lane.sequence + ahead or 1, hits).status == 409

        @rule(at=WHICH, hits=BATCHES, number=strategies.integers(1, 2**53 - 1))
        def a_lane_that_nobody_issued_is_refused(self, at, hits, number):
            if number not in self.sequences:
                assert counters[at].post(number, 1, hits).status == 409

        @rule(lane=lanes, hits=BATCHES)
        def of_a_batch_that_comes_twice_at_once_one_is_counted(self, lane, hits):
            sent = [api.post_later(lane.number, lane.sequence + 1, hits) for api in counters]
            answers = [later.result() for later in sent]
            self.store(lane, hits)
            assert [counts_of(answer, hits) for answer in answers] == [self.now(hits)] * 2
            assert sorted(answer.json()["repeat"] for answer in answers) == [False, True]

        @rule(some=strategies.lists(strategies.tuples(WHICH, lanes, BATCHES), min_size=2, max_size=6,
                                    unique_by=lambda one: one[1]))
        def batches_that_come_at_once_are_counted_one_after_the_other(self, some):
            before = dict(self.counts)
            sent = [(counters[at].post_later(lane.number, lane.sequence + 1, hits), hits)
                    for at, lane, hits in some]
            told = {}
            for later, hits in sent:
                for path, count in counts_of(later.result(), hits).items():
                    told.setdefault(path, []).append((count, hits[path]))
            for _, lane, hits in some:
                self.store(lane, hits)
            for path, numbers in told.items():
                count = before.get(path, 0)
                for number, hits in sorted(numbers):  # in some order, and none is told twice
                    count += hits
                    assert number == count
                assert count == self.counts[path]

        @invariant()
        def the_ledger_holds_what_was_confirmed(self):
            assert dict(database.execute("SELECT path, count FROM pathcount")) == self.counts
            lanes = list(database.execute("SELECT lane, sequence, paths, hits FROM pathcount_lane"))
            assert {lane: sequence for lane, sequence, _, _ in lanes if lane != 0} == self.sequences
            assert sum(paths for _, _, paths, _ in lanes) == len(self.counts)
            assert sum(hits for _, _, _, hits in lanes) == sum(self.counts.values())

    return Model


def test_counters_do_what_the_model_of_the_lanes_says(stage):
    ledger = stage.ledger()
    counters = [stage.counter(ledger).api for _ in range(2)]
    with ledger.connect() as database:
        run_state_machine_as_test(machine(database, counters), settings=SETTINGS)
