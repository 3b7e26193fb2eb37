"""The chart: hits per second of pathcount and its peers, for light and dark backgrounds."""

import statistics
from xml.sax.saxutils import escape

from rounds import MORE_CONNECTIONS, name_of

WIDTH = 860
LEFT, RIGHT = 250, 150  # room for names and for numbers
BAR, STEP, GAP, HEAD = 16, 24, 20, 58

STYLE = """
    .ground { fill: #fff; } text { fill: #111827; } .small { font-size: 13px; fill: #374151; }
    .group { font-weight: 600; } .ours { fill: #14532d; } .peer { fill: #94a3b8; }
    .range { stroke: #f59e0b; stroke-width: 2; }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117; } text { fill: #e5e7eb; } .small { fill: #cbd5e1; }
      .ours { fill: #4ade80; } .peer { fill: #64748b; }
    }
"""


def groups(plan):
    """Title, and bars: name, measurement, whether it is ours."""
    many = f"{plan['many_paths']:,}"
    same_size = "plain libh2o, body of the same size"
    return [
        ("The page: count and top 100 of 1,000 paths", [
            ("pathcount", "page", True),
            (f"next to {plan['idle']:,} idle connections", "beside idle", True),
            (same_size, "page: libh2o", False),
            ("Flask, gunicorn, psycopg2", "page: Flask", False)]),
        *((f"The page over {connections:,} connections", [
            ("pathcount", name_of("page", connections), True),
            (same_size, name_of("page: libh2o", connections), False)])
          for connections in MORE_CONNECTIONS),
        ("JSON: the count alone", [
            ("pathcount", "JSON", True),
            (same_size, "JSON: libh2o", False),
            ("Redis, INCR, appendfsync always", "JSON: Redis", False),
            ("pgbench, single row", "JSON: pgbench", False)]),
        ("The page, all requests for one path", [
            ("pathcount", "one path", True),
            ("pgbench, one row", "one path: pgbench", False)]),
        (f"The page with {many} paths in the ledger", [
            ("pathcount, 1,000 of them", "1,000 of many", True),
            ("pathcount, all of them", "all of many", True),
            ("pgbench, single row, same indexes", "all of many: pgbench", False)]),
    ]


def draw(result):
    """The SVG of a result as it is written to result.json."""
    rates = {name: [figure["rate"] for figure in figures if figure]
             for name, figures in result["figures"].items()}
    most = max((max(values) for values in rates.values() if values), default=1)
    parts, y = [], HEAD

    def x(rate):
        return LEFT + (WIDTH - LEFT - RIGHT) * rate / most

    for title, bars in groups(result["plan"]):
        y += GAP
        parts.append(f'<text class="group" x="16" y="{y}">{escape(title)}</text>')
        y += 10
        for name, measurement, is_ours in bars:
            values = rates.get(measurement)
            if not values:
                continue
            parts += bar(y, name, values, is_ours, x)
            y += STEP
        y += 4
    height = y + 12
    plan = result["plan"]
    caption = ("hits per second, 64 kept-alive connections unless noted, "
               f"{result['machine']['cores']} cores shared with the load; medians of "
               f"{plan['rounds']} rounds of {plan['seconds']} s, with least and greatest")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="15" role="img" aria-labelledby="t">',
        '  <title id="t">Hits per second of pathcount, libh2o, Flask, Redis and pgbench</title>',
        f"  <style>{STYLE}  </style>",
        f'  <rect class="ground" width="{WIDTH}" height="{height}"/>',
        '  <text class="group" x="16" y="28">Every hit on disk before its answer</text>',
        f'  <text class="small" x="16" y="49">{escape(caption)}</text>',
        *("  " + part for part in parts),
        "</svg>", ""])


def bar(y, name, values, is_ours, x):
    """A bar for the median, a line from the least to the greatest value, and the number."""
    median, least, greatest = statistics.median(values), min(values), max(values)
    middle, kind = y + BAR / 2, "ours" if is_ours else "peer"
    yield (f'<text class="small" x="{LEFT - 8}" y="{middle + 4.5:.1f}" text-anchor="end">'
           f"{escape(name)}</text>")
    yield (f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{max(x(median) - LEFT, 1):.1f}" '
           f'height="{BAR}" rx="2"/>')
    if greatest > least:
        yield (f'<line class="range" x1="{x(least):.1f}" x2="{x(greatest):.1f}" '
               f'y1="{middle}" y2="{middle}"/>')
    yield (f'<text class="small" x="{x(greatest) + 8:.1f}" y="{middle + 4.5:.1f}">{median:,.0f}'
           "</text>")
