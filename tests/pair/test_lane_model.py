"""Two counter-svc on one ledger, compared with a model. Batches are sent in any order, to either counter, alone or
at the same time. The model predicts each answer and the content of the ledger.

LANE_MODEL_EXAMPLES is the number of random sequences of events. Without it there are few sequences, always the
same ones.
"""

import contextlib
import os

import hypothesis
from hypothesis import strategies
from hypothesis.stateful import (
    Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule,
    run_state_machine_as_test)

from harness.api import counts_of
from harness.postgres import Ledger

EXAMPLES = int(os.environ.get("LANE_MODEL_EXAMPLES") or 0)

SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES or 30, stateful_step_count=25, derandomize=not EXAMPLES, deadline=None,
    database=None, print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck))

BATCHES = strategies.dictionaries(
    strategies.sampled_from(["/", "/a", "/b", "/\u00e9", "/" + "x" * 2000]),
    strategies.integers(1, 5), min_size=1, max_size=5)
WHICH = strategies.sampled_from([0, 1])


class Lane:
    """What the model knows of a lane."""

    def __init__(self, number):
        self.number, self.sequence, self.last = number, 0, None


def machine(ledger, counters):
    """A state machine whose counters serve `ledger`. The ledger is empty at the beginning of each example."""

    class Model(RuleBasedStateMachine):
        lanes, ended = Bundle("lanes"), Bundle("ended")

        def __init__(self):
            super().__init__()
            ledger.run("SELECT pathcount_fold(); DELETE FROM pathcount; DELETE FROM pathcount_lanes; "
                       "SELECT pathcount_edited()")
            self.counts, self.sequences = {}, {}

        @initialize(target=lanes)
        def there_are_lanes_to_begin_with(self):
            return multiple(*(self.a_lane_is_new_and_at_0(at) for at in (0, 1, 0)))

        def store(self, lane, hits):
            lane.sequence, lane.last = lane.sequence + 1, hits
            self.sequences[lane.number] = lane.sequence
            self.add(hits)

        def add(self, hits):
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

        @rule(target=ended, lane=consumes(lanes))
        def a_lane_ends(self, lane):
            ledger.end_lanes(lane.number)
            del self.sequences[lane.number]
            return lane

        @rule(lane=ended, at=WHICH, hits=BATCHES, ahead=strategies.integers(0, 1))
        def a_lane_that_has_ended_is_refused(self, lane, at, hits, ahead):
            assert counters[at].post(lane.number, lane.sequence + ahead or 1, hits).status == 409

        @rule(at=WHICH, hits=BATCHES, number=strategies.integers(1, 2**53 - 1))
        def an_unknown_lane_is_refused(self, at, hits, number):
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
            returned = {}
            for later, hits in sent:
                for path, count in counts_of(later.result(), hits).items():
                    returned.setdefault(path, []).append((count, hits[path]))
            for _, lane, hits in some:
                self.store(lane, hits)
            for path, numbers in returned.items():
                count = before.get(path, 0)
                for number, hits in sorted(numbers):  # in any order, and no count is returned twice
                    count += hits
                    assert number == count
                assert count == self.counts[path]

        @rule(hits=BATCHES)
        def an_operator_adds_hits(self, hits):
            ledger.edited("INSERT INTO pathcount AS p (path, count) SELECT unnest(%s::text[]), "
                          "unnest(%s::bigint[]) ON CONFLICT (path) DO UPDATE "
                          "SET count = p.count + excluded.count", list(hits), list(hits.values()))
            self.add(hits)

        @rule()
        def after_a_fold_the_tables_hold_everything(self):
            ledger.run("SELECT pathcount_fold()")
            assert dict(ledger.run("SELECT path, count FROM pathcount")) == self.counts
            assert dict(ledger.run("SELECT lane, sequence FROM pathcount_lanes")) == self.sequences
            assert ledger.run("SELECT paths, hits FROM pathcount_totals") == [
                tuple(self.totals().values())]

        def teardown(self):
            self.after_a_fold_the_tables_hold_everything()

        @rule(at=WHICH)
        def a_counter_knows_the_totals_and_the_first_rows(self, at):
            page = counters[at].view()
            assert list(zip(page["paths"], page["counts"])) == sorted(
                self.counts.items(), key=lambda row: (-row[1], row[0].encode()))
            assert page["totals"] == counters[at].totals() | {"bots": 0} == self.totals() | {"bots": 0}

        def totals(self):
            return {"paths": len(self.counts), "hits": sum(self.counts.values())}

        @invariant()
        def the_ledger_holds_what_was_confirmed(self):
            assert ledger.counts() == self.counts
            assert ledger.lanes() == self.sequences
            assert ledger.totals_both_ways() == (self.totals(), self.totals())

    return Model


class OneConnection(Ledger):
    """A ledger with a single connection for queries, because it is read after every step."""

    def __init__(self, ledger, connection):
        super().__init__(ledger.cluster, ledger.role, ledger.password, ledger.database)
        self._connection = connection

    def connect(self):
        return contextlib.nullcontext(self._connection)


def test_counters_behave_like_the_model_of_lanes(stage):
    ledger = stage.ledger()
    counters = [stage.counter(ledger).api for _ in range(2)]
    with ledger.connect() as connection:
        run_state_machine_as_test(machine(OneConnection(ledger, connection), counters),
                                  settings=SETTINGS)
