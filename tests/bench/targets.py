"""The lines of the table: each compares a figure with a target.

A line's ratio is the median of the ratios of the rounds, in which both sides stood next to each
other.
"""

import statistics
from dataclasses import dataclass

from rounds import GROWTH_CONNECTIONS, MORE_CONNECTIONS, name_of


@dataclass
class Line:
    """One row of the table. `value` is what the target applies to: the ratio of the figure to the
    peer's or, without a peer, the figure. `least` says whether the target is a lower bound. All
    figures are None if they were not measured; `target` is None if the line is for information."""

    number: int
    what: str
    unit: str
    figure: float
    figure_range: tuple
    peer_name: str
    peer: float
    peer_range: tuple
    value: float
    value_range: tuple
    least: bool
    target: float
    stretch: float
    met: bool
    met_stretch: bool


class Book:
    """Looks up the figures of a measurement."""

    def __init__(self, figures):
        self._figures = figures

    def values(self, name, read):
        """One number per round; None where there is no figure."""
        return [None if figure is None else read(figure) for figure in self._figures.get(name, [])]


def summary(values):
    """The median, and the least and greatest; None without a value."""
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    return statistics.median(known), (min(known), max(known))


def holds(value, least, target):
    if value is None or target is None:
        return None
    return value >= target if least else value <= target


def compare(number, what, unit, ours, peer_name, peers, *, least=False, target=None, stretch=None):
    """A line with a peer, from one value per round of each."""
    ratios = [one / other for one, other in zip(ours, peers)
              if one is not None and other is not None and other > 0]
    ratio, ratio_range = summary(ratios)
    return Line(number, what, unit, *summary(ours), peer_name, *summary(peers), ratio, ratio_range,
                least, target, stretch, holds(ratio, least, target), holds(ratio, least, stretch))


def alone(number, what, unit, values, target, *, every_round=True):
    """A line without a peer. Every round, or else the median, must not be above the target."""
    figure, figure_range = summary(values)
    judged = figure_range[1] if figure is not None and every_round else figure
    return Line(number, what, unit, figure, figure_range, None, None, None, figure, figure_range,
                False, target, None, holds(judged, False, target), None)


def rate(figure):
    return figure.rate


def latency(percentile):
    return lambda figure: figure.latency_us[percentile] / 1000


def longest_gap(figure):
    return figure.longest_gap_us / 1000


def cpu(process):
    return lambda figure: figure.cpu_us[process]


def cpu_of_services(figure):
    return sum(figure.cpu_us[process] for process in ("render-svc", "counter-svc", "PostgreSQL"))


def memory(process):
    return lambda figure: figure.memory[process] / 1e6


def megabytes(size):
    return [None if size is None else size / 1e6]


def lines(world, plan):
    """All lines, in the order of the targets."""
    book = Book(world.figures)
    return [*throughput(book, plan), *many_paths(book, plan), *latencies(book, plan),
            *costs(book, world, plan), *connections(book, world, plan), *growth(book, plan)]


def rates(book, number, what, ours, peer_name, peers, target=None, stretch=None):
    return compare(number, what, "/s", book.values(ours, rate), peer_name,
                   book.values(peers, rate), least=True, target=target, stretch=stretch)


def throughput(book, plan):
    page = f"page, {plan.few_paths:,} paths"
    same_size = "libh2o, same size"
    yield rates(book, 1, page, "page", same_size, "page: libh2o", 0.5, 0.6)
    for connections_, target in zip(MORE_CONNECTIONS, (0.75, 0.9)):
        yield rates(book, 1, f"page, {connections_:,} connections", name_of("page", connections_),
                    same_size, name_of("page: libh2o", connections_), target)
    yield rates(book, 2, page, "page", "Flask", "page: Flask", 25, 40)
    yield rates(book, 3, "JSON without rows", "JSON", same_size, "JSON: libh2o", 0.45, 0.6)
    yield rates(book, 4, "JSON without rows", "JSON", "pgbench, single row", "JSON: pgbench", 2)
    yield rates(book, 5, "JSON without rows", "JSON", "Redis, INCR", "JSON: Redis", 0.45, 0.6)
    yield rates(book, 6, "page, one path", "one path", "pgbench, one row", "one path: pgbench", 20)


def many_paths(book, plan):
    many = f"{plan.many_paths:,} paths"
    yield rates(book, 7, f"page, all of {many}", "all of many", "line 1", "page", 0.8)
    yield rates(book, 7, f"page, all of {many}", "all of many", "pgbench, same indexes",
                "all of many: pgbench", 2.5)
    yield rates(book, 7, f"page, 1,000 of {many}", "1,000 of many", "line 1", "page", 0.8)


def latencies(book, plan):
    upsert = book.values("alone: pgbench", latency("p50"))

    def times(number, what, name, read, target, stretch=None):
        return compare(number, what, "ms", book.values(name, read), "pgbench, 1 client", upsert,
                       target=target, stretch=stretch)

    yield times(8, "one connection, median", "alone", latency("p50"), 2)
    yield times(9, "half of the rate, p90", "half rate", latency("p90"), 6)
    yield times(9, "half of the rate, p99", "half rate", latency("p99"), 25, 15)
    yield times(9, "half of the rate, longest gap", "half rate", longest_gap, 100)


def costs(book, world, plan):
    yield alone(10, "CPU per page: both services, PostgreSQL", "µs",
                book.values("page", cpu_of_services), 25, every_round=False)
    yield alone(11, "counter-svc at rest", "MB", megabytes(world.at_rest["counter-svc"]), 15)
    yield alone(11, f"counter-svc, {plan.many_paths:,} cached paths", "MB",
                megabytes(world.memory_when_full), 160)
    sizes, seconds = world.sizes_on_disk, plan.long_seconds
    yield compare(12, f"journal and table after {seconds} s", "MB", megabytes(sizes.get("late")),
                  f"after {seconds // 6} s", megabytes(sizes.get("early")), target=1.05)
    usual, _ = summary(book.values("page", rate))
    yield compare(12, f"page for {seconds} s", "/s", book.values("page, long run", rate), "line 1",
                  [usual], least=True)


def connections(book, world, plan):
    idle = f"{plan.idle:,}"
    yield rates(book, 13, f"page, {idle} idle beside", "beside idle", "line 1", "page", 0.9)
    yield alone(13, f"render-svc with {idle} idle", "MB",
                book.values("beside idle", memory("render-svc")), 100)
    yield alone(13, "render-svc at rest", "MB", megabytes(world.at_rest["render-svc"]), 15)


def growth(book, plan):
    for what, name in ((f"{GROWTH_CONNECTIONS:,} connections", name_of("page", GROWTH_CONNECTIONS)),
                       (f"{plan.many_paths:,} paths", "all of many")):
        for process in ("render-svc", "counter-svc"):
            yield compare(14, f"CPU per page, {process}: {what}", "µs",
                          book.values(name, cpu(process)), "64 connections, line 1",
                          book.values("page", cpu(process)), target=1.3)
