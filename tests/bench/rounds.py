"""One round: every measurement once, with each peer next to what it is compared with."""

import loads
from loads import LoadFailed, Target
from subjects import Constant

CONNECTIONS = 64
MORE_CONNECTIONS = (512, 2000)
GROWTH_CONNECTIONS = 1000


def name_of(what, connections=CONNECTIONS):
    """The name of a measurement of the page or of its peer."""
    return what if connections == CONNECTIONS else f"{what}, {connections:,} connections"


class Round:
    """Runs the measurements of one round. Every second round runs each group in reverse order, so
    that a slow change of the machine does not favour one side."""

    def __init__(self, world, plan, number, say):
        self.world, self.plan, self.number, self.say = world, plan, number, say
        self.few = plan.few_paths
        self.many = plan.many_paths
        self.page_rate = None

    def run(self):
        for group in self._groups():
            for step in group if self.number % 2 == 0 else reversed(group):
                step()

    def _groups(self):
        return [
            [self.many_upserts, self.all_of_many, self.page, self.page_libh2o, self.page_flask],
            *([lambda at=at: self.page(at), lambda at=at: self.page_libh2o(at)]
              for at in MORE_CONNECTIONS),
            [self.thousand_of_many, self.idle, self.growth],
            [self.upserts, self.json_libh2o, self.json, self.redis],
            [self.one_path, self.one_path_upserts],
            [self.alone, self.alone_upserts, self.half_rate],
            [self.exact],
        ]

    def _measure(self, name, subject, load):
        figure = self.world.measure(name, subject, load)
        said = "no figure: " + self.world.checks[-1].detail if figure is None else \
            f"{figure.rate:,.0f}/s" + (f", {figure.errors} errors" if figure.errors else "")
        self.say(f"round {self.number + 1}: {name}: {said}")
        return figure

    def _wrk(self, name, subject, target, connections=CONNECTIONS, seconds=None):
        return self._measure(name, subject, lambda: loads.wrk(
            subject.port, target, connections, seconds or self.plan.seconds, self.seed(name)))

    def seed(self, name):
        """A different seed for each measurement, the same in every run."""
        return self.number * 1000 + sum(name.encode()) % 1000

    # --- the page, and the answer without rows

    def page(self, connections=CONNECTIONS):
        figure = self._wrk(name_of("page", connections), self.world.small, Target(self.few),
                           connections)
        if connections == CONNECTIONS:
            self.page_rate = figure.rate if figure else None

    def page_libh2o(self, connections=CONNECTIONS):
        self._libh2o(name_of("page: libh2o", connections), False, connections)

    def page_flask(self):
        self._wrk("page: Flask", self.world.flask, Target(self.few))

    def json(self):
        self._wrk("JSON", self.world.small, Target(self.few, json=True))

    def json_libh2o(self):
        self._libh2o("JSON: libh2o", True, CONNECTIONS)

    def _libh2o(self, name, json, connections):
        """A body of exactly the size that an answer of pathcount has now."""
        try:
            body, content_type = self.world.small.body(json)
        except LoadFailed as error:
            self.world.skip(name, str(error))
            return
        self.world.check(f"{name}: size", self.world.small, loads.Load(1, 1, 1, 1))
        self.world.sizes[name] = len(body)
        with Constant(body, content_type, self.plan.threads) as constant:
            self._wrk(name, constant, Target(self.few, json=json), connections)

    def _pgbench(self, name, subject, target, clients=CONNECTIONS, each=False):
        return self._measure(name, subject, lambda: loads.pgbench(
            self.world.cluster, subject.database, target, clients, self.plan.seconds, each,
            subject.schema))

    def upserts(self):
        self._pgbench("JSON: pgbench", self.world.upserts, Target(self.few))

    def redis(self):
        redis = self.world.redis
        self._measure("JSON: Redis", redis, lambda: redis.load(
            Target(self.few), CONNECTIONS, self.plan.seconds))

    # --- one path

    def one_path(self):
        self._wrk("one path", self.world.small, Target(1))

    def one_path_upserts(self):
        self._pgbench("one path: pgbench", self.world.upserts, Target(1))

    # --- many paths in the ledger

    def thousand_of_many(self):
        self._wrk("1,000 of many", self.world.large, Target(self.few, self.many // self.few))

    def all_of_many(self):
        self._wrk("all of many", self.world.large, Target(self.many),
                  seconds=self.plan.many_seconds)

    def many_upserts(self):
        self._pgbench("all of many: pgbench", self.world.many_upserts, Target(self.many))

    # --- latency

    def alone(self):
        pair = self.world.small
        self._measure("alone", pair, lambda: loads.client(
            pair.port, Target(self.few), 1, self.plan.seconds, self.seed("alone")))

    def alone_upserts(self):
        self._pgbench("alone: pgbench", self.world.upserts, Target(self.few), 1, each=True)

    def half_rate(self):
        pair = self.world.small
        if self.page_rate is None:
            self.world.skip("half rate", "The maximum rate is not known.")
            return
        self._measure("half rate", pair, lambda: loads.client(
            pair.port, Target(self.few), CONNECTIONS, self.plan.many_seconds,
            self.seed("half rate"), self.page_rate / 2))

    # --- many connections

    def idle(self):
        pair = self.world.small
        already_open = pair.connections()
        try:
            with loads.idle_connections(pair.port, Target(self.few), self.plan.idle,
                                        self.seed("open")) as opened:
                self.world.check("opening idle connections", pair, opened)
                figure = self._wrk("beside idle", pair, Target(self.few))
                if figure:
                    figure.memory = pair.memory()
            pair.until_closed(already_open)
        except LoadFailed as error:
            # without the idle connections a figure that was measured beside them is void
            self.world.figures.get("beside idle", [])[self.number:] = []
            self.world.skip("beside idle", str(error))

    def growth(self):
        self._wrk(name_of("page", GROWTH_CONNECTIONS), self.world.small, Target(self.few),
                  GROWTH_CONNECTIONS)

    # --- exactly

    def exact(self):
        """A client that waits for every answer: nothing is in flight at the end, so the count of
        every path is known exactly."""
        pair = self.world.small
        self._measure("every answer awaited", pair, lambda: loads.client(
            pair.port, Target(self.few, json=True), CONNECTIONS, self.plan.check_seconds,
            self.seed("exact")))
