"""Changes of counts under load, while the programs involved are killed."""

import contextlib
import functools
import itertools
import secrets
import threading

from harness.api import Api
from harness.load import Tally
from harness.services import ADMIN_TOKEN
from harness.wait import Later, until

from table import fault

CHANGING = "query LIKE '%%pathcount_change(%%' AND state = 'active'"
ROUNDS = 3


class Changes:
    """Hits and changes of its own paths, each repeated until it is answered. So the sum of the paths is known
    exactly: all hits, plus the hits that each change reported as added."""

    def __init__(self, world, root):
        self.world = world
        self.paths = [f"{root}/{name}" for name in "abcd"]
        self.sum = root + "/sum"
        self.hits, self.added, self.made = 0, 0, 0
        self._over = threading.Event()

    def ask_until_answered(self, number, call):
        """Tries the counters by turns, from `number` on, until one answers with another status than 503."""
        turns = itertools.count(number)

        def answered():
            with contextlib.suppress(OSError):
                answer = call(Api(self.world.counters[next(turns) % 2].address))
                return answer if answer.status != 503 else None
            return None
        return until(answered, "an answer", 60, pause=0.02)

    def change(self, number, kind, **request):
        """Makes a change, unless its path has no count (409). The id identifies repeats."""
        body = {"id": secrets.token_hex(8), "kind": kind, **request}
        answer = self.ask_until_answered(number, lambda api: api.ask(
            "POST", "/v1/changes", body, {"Authorization": f"Bearer {ADMIN_TOKEN}"}, timeout=5))
        assert answer.status in (200, 409), answer.body
        if answer.status == 200:
            self.added += answer.json()["hits"]
            self.made += 1

    def _hit(self, number):
        opened = self.ask_until_answered(number, lambda api: api.ask("POST", "/v1/lanes", timeout=5))
        lane = opened.json()["lane"]
        hits = dict.fromkeys(self.paths, 1)
        for sequence in itertools.count(1):
            if self._over.is_set():
                return sequence - 1
            answer = self.ask_until_answered(
                number, functools.partial(self._post, lane, sequence, hits))
            assert answer.status == 200, answer.body

    @staticmethod
    def _post(lane, sequence, hits, api):
        return api.post(lane, sequence, hits, timeout=5)

    def _change(self):
        a, b, c, d = self.paths
        for number in itertools.count():
            if self._over.is_set():
                return
            self.change(number, "set", path=a, count=1000)
            self.change(number, "rename", **{"from": [a], "to": self.sum + f"/{number}"})
            self.change(number, "merge", **{"from": [b, c], "to": d})
            self.change(number, "import", mode="add",
                        rows=[{"path": path, "count": 5} for path in self.paths])

    def run_during(self, strike):
        """Sends hits and changes until strike() returns and more of them were made. Then merges all counts."""
        hitters = [Later(self._hit, number) for number in range(2)]
        changer = Later(self._change)
        strike()
        self._over.set()
        self.hits = len(self.paths) * sum(hitter.result(60) for hitter in hitters)
        changer.result(60)
        sources = [path for path in self.world.ledger.counts()
                   if path in self.paths or path.startswith(self.sum + "/")]
        for first in range(0, len(sources), 100):
            self.change(0, "merge", **{"from": sources[first:first + 100], "to": self.sum})

    def tally(self):
        """The paths, and the count of the path into which all are merged."""
        tally = Tally()
        tally.sent.update(dict.fromkeys(self.paths, 0))
        tally.sent[self.sum] = tally.acknowledged[self.sum] = self.hits + self.added
        return tally


def _struck(world, name, kill):
    """Calls kill(turn) repeatedly in the middle of a change."""
    changes = Changes(world, f"{world.paths[0]}/{name}")

    def strike():
        for turn in range(ROUNDS):
            made = changes.made
            until(lambda: changes.made > made + 2, "changes to be made", 40)
            until(lambda: world.ledger.backends(CHANGING), "a change to be in progress", 40, pause=0)
            kill(turn)
        made = changes.made
        until(lambda: changes.made > made + 4, "changes to be made", 40)

    changes.run_during(strike)
    world.extra.append(changes.tally())


@fault("counter-svc is killed in the middle of changes of counts", "moment", needs_hits=True)
def _counter_killed(world, _):
    def kill(turn):
        world.counters[turn % 2].kill()
        world.counters[turn % 2].restart()
    _struck(world, "counters", kill)
    yield


@fault("PostgreSQL is killed in the middle of changes of counts", "moment", needs_hits=True)
def _postgres_killed(world, _):
    def kill(_turn):
        world.database.primary.kill()
        world.database.primary.start()
    _struck(world, "postgres", kill)
    yield
