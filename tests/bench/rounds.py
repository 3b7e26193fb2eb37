"""One round: every measurement once, ours and its peers' next to each other."""

import loads
from loads import LoadFailed, Target
from subjects import Constant

CONNECTIONS = 64
MANY_CONNECTIONS = 1000


class Round:
    """Runs the measurements of one round. Those of a group stand beside each other, and every
    second round takes each group the other way round."""

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
            [self.page, self.page_libh2o, self.page_flask, self.idle, self.busy],
            [self.json, self.json_libh2o, self.upserts],
            [self.one_path, self.one_path_upserts],
            [self.thousand_of_many, self.all_of_many, self.many_upserts],
            [self.alone, self.alone_upserts],
            [self.half_rate],
            [self.exact],
        ]

    def _measure(self, name, subject, load):
        figure = self.world.measure(name, subject, load)
        said = "no figure: " + self.world.checks[-1].detail if figure is None else \
            f"{figure.rate:,.0f}/s" + (f", {figure.errors} errors" if figure.errors else "")
        self.say(f"round {self.number + 1}: {name}: {said}")
        return figure

    def _wrk(self, name, subject, target, connections=CONNECTIONS):
        return self._measure(name, subject, lambda: loads.wrk(
            subject.port, target, connections, self.plan.seconds, self.seed(name)))

    def seed(self, name):
        """Another one for each measurement, the same whenever the benchmark runs."""
        return self.number * 1000 + sum(name.encode()) % 1000

    # --- the page, and the answer without rows

    def page(self):
        figure = self._wrk("page", self.world.small, Target(self.few))
        self.page_rate = figure.rate if figure else None

    def page_flask(self):
        self._wrk("page: Flask", self.world.flask, Target(self.few))

    def page_libh2o(self):
        self._libh2o("page: libh2o", False)

    def json(self):
        self._wrk("JSON", self.world.small, Target(self.few, json=True))

    def json_libh2o(self):
        self._libh2o("JSON: libh2o", True)

    def _libh2o(self, name, json):
        """A body of exactly the size that an answer has now."""
        try:
            body, content_type = self.world.small.body(json)
        except LoadFailed as error:
            self.world.skip(name, str(error))
            return
        self.world.check(f"{name}: its size", self.world.small, loads.Load(1, 1, 1, 1))
        self.world.sizes[name] = len(body)
        with Constant(body, content_type, self.plan.threads) as constant:
            self._wrk(name, constant, Target(self.few, json=json))

    def _pgbench(self, name, subject, target, clients=CONNECTIONS, each=False):
        return self._measure(name, subject, lambda: loads.pgbench(
            self.world.cluster, subject.database, target, clients, self.plan.seconds, each))

    def upserts(self):
        self._pgbench("JSON: pgbench", self.world.upserts, Target(self.few))

    # --- one path

    def one_path(self):
        self._wrk("one path", self.world.small, Target(1))

    def one_path_upserts(self):
        self._pgbench("one path: pgbench", self.world.upserts, Target(1))

    # --- many paths in the ledger

    def thousand_of_many(self):
        self._wrk("1,000 of many", self.world.large, Target(self.few, self.many // self.few))

    def all_of_many(self):
        self._wrk("all of many", self.world.large, Target(self.many))

    def many_upserts(self):
        """On the ledger's own table: the totals are told what comes in beside the services."""
        pair = self.world.large

        def load():
            done = loads.pgbench(self.world.cluster, pair.ledger.database, Target(self.many),
                                 CONNECTIONS, self.plan.seconds)
            pair.ledger.run("UPDATE pathcount_lane SET hits = hits + %s WHERE lane = 0",
                            done.acknowledged)
            return done

        self._measure("all of many: pgbench", pair, load)

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
            self.world.skip("half rate", "the whole rate is not known")
            return
        self._measure("half rate", pair, lambda: loads.client(
            pair.port, Target(self.few), CONNECTIONS, self.plan.seconds, self.seed("half rate"),
            self.page_rate / 2))

    # --- many connections

    def idle(self):
        pair = self.world.small
        try:
            with loads.idle_connections(pair.port, Target(self.few), self.plan.idle,
                                        self.seed("open")) as opened:
                self.world.check("opening idle connections", pair, opened)
                figure = self._wrk("beside idle", pair, Target(self.few))
                if figure:
                    figure.memory = pair.memory()
        except LoadFailed as error:
            # a figure that it has already does not stand if the idle ones were not there
            self.world.figures.get("beside idle", [])[self.number:] = []
            self.world.skip("beside idle", str(error))

    def busy(self):
        self._wrk("1,000 connections", self.world.small, Target(self.few), MANY_CONNECTIONS)

    # --- exactly

    def exact(self):
        """Clients that wait for every answer: nothing is in flight at the end, so every path's
        count is known to the hit."""
        pair = self.world.small
        self._measure("every answer awaited", pair, lambda: loads.client(
            pair.port, Target(self.few, json=True), CONNECTIONS, self.plan.check_seconds,
            self.seed("exact")))
