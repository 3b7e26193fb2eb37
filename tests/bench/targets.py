"""The lines of the table: what is to be reached, and whether it was.

A line's ratio is that of the medians; its range goes from the least to the greatest ratio within a
round, where both stood beside each other.
"""

import statistics
from dataclasses import dataclass


@dataclass
class Line:
    """One row: a figure beside another and the ratio of both, or a figure alone with `peer` None.
    `least` says whether the target is a lower or an upper bound; `ratio` (or, alone, `figure`) is
    what is held against it. Without a figure all is None."""

    number: int
    what: str
    unit: str
    figure: float
    figure_range: tuple
    peer_name: str
    peer: float
    peer_range: tuple
    ratio: float
    ratio_range: tuple
    least: bool
    target: float
    met: bool


class Book:
    """Looks up figures by measurement."""

    def __init__(self, figures):
        self._figures = figures

    def values(self, name, read):
        """One number a round, None where there is no figure."""
        return [None if figure is None else read(figure) for figure in self._figures.get(name, [])]


def summary(values):
    """Median, and least and greatest."""
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    return statistics.median(known), (min(known), max(known))


def compare(number, what, unit, ours, peer_name, peers, least, target):
    """A line of two series, round by round."""
    figure, figure_range = summary(ours)
    peer, peer_range = summary(peers)
    ratios = [one / other for one, other in zip(ours, peers)
              if one is not None and other is not None and other > 0]
    _, ratio_range = summary(ratios)
    ratio = figure / peer if figure is not None and peer else None
    return Line(number, what, unit, figure, figure_range, peer_name, peer, peer_range, ratio,
                ratio_range, least, target, holds(ratio, least, target))


def alone(number, what, unit, values, target):
    """A line of one series under a limit: every round must keep it."""
    figure, figure_range = summary(values)
    worst = None if figure is None else figure_range[1]
    return Line(number, what, unit, figure, figure_range, None, None, None, None, None, False,
                target, holds(worst, False, target))


def holds(value, least, target):
    if value is None:
        return None
    return value >= target if least else value <= target


def rate(figure):
    return figure.rate


def latency(percentile):
    return lambda figure: figure.latency_us[percentile] / 1000


def cpu(process):
    return lambda figure: figure.cpu_us[process]


def memory(process):
    return lambda figure: figure.memory[process] / 1e6


def thousands(number):
    return f"{number:,}"


def lines(world, plan):
    """Every line, in the order of the targets."""
    book = Book(world.figures)
    many = thousands(plan.many_paths) + " paths"
    idle = thousands(plan.idle)

    def rates(number, what, ours, peer_name, peers, target):
        return compare(number, what, "/s", book.values(ours, rate), peer_name,
                       book.values(peers, rate), True, target)

    def growth(what, name, process):
        return compare(7, f"CPU a hit, {process}: {what}", "µs", book.values(name, cpu(process)),
                       "64 conns, 1,000 paths", book.values("page", cpu(process)), False, 1.3)

    upsert = book.values("alone: pgbench", latency("p50"))
    services = ("render-svc", "counter-svc")
    return [
        rates(1, "page, 1,000 paths", "page", "Flask", "page: Flask", 40),
        rates(1, "page, 1,000 paths", "page", "libh2o, same size", "page: libh2o", 0.65),
        rates(2, "JSON without rows", "JSON", "libh2o, same size", "JSON: libh2o", 0.6),
        rates(2, "JSON without rows", "JSON", "pgbench, row each", "JSON: pgbench", 3),
        rates(3, "page, one path", "one path", "pgbench, one row", "one path: pgbench", 25),
        rates(4, f"page, 1,000 of {many}", "1,000 of many", "line 1", "page", 0.8),
        rates(4, f"page, all of {many}", "all of many", "line 1", "page", 0.4),
        rates(4, f"page, all of {many}", "all of many", "pgbench, same table",
              "all of many: pgbench", 2),
        compare(5, "one connection, median", "ms", book.values("alone", latency("p50")),
                "pgbench, 1 client", upsert, False, 3),
        compare(5, "half of the rate, p99", "ms", book.values("half rate", latency("p99")),
                "pgbench, 1 client", upsert, False, 8),
        rates(6, f"page, {idle} idle beside", "beside idle", "line 1", "page", 0.9),
        alone(6, f"render-svc with {idle} idle", "MB",
              book.values("beside idle", memory("render-svc")), 100),
        *(alone(6, f"{service} at rest", "MB", [world.at_rest[service] / 1e6], 15)
          for service in services),
        *(growth("1,000 conns", "1,000 connections", service) for service in services),
        *(growth(many, "all of many", service) for service in services),
    ]
