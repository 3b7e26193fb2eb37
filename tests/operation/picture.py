"""Draws the dashboard (swarm/monitoring/dashboard.json) with real data: panels, titles, units and layout,
with each query answered by a real Prometheus. It does not use Grafana, which Debian lacks.

    PYTHONPATH=tests /usr/bin/python3 tests/operation/picture.py [FOLDER]

Two services of each kind serve 300 hits a second, for a while three times that, and PostgreSQL is down for 15
s. Writes dashboard.png and dashboard-exactness.png.
"""

import contextlib
import datetime
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import matplotlib
from matplotlib import dates, pyplot, ticker

from harness.postgres import Cluster
from harness.stage import Stage
from harness.wait import until
from prometheus import Prometheus, dashboard

ROOT = pathlib.Path(__file__).resolve().parents[2]

CLIENT = ROOT / "build" / "release" / "obj" / "tests" / "bench" / "client"
LOAD_S, MORE_AT_S, MORE_S, KILL_AT_S, AWAY_S = 240, 50, 50, 140, 15
PICTURES = {"dashboard.png": ("Service health", "Golden signals"),
            "dashboard-exactness.png": ("Exactness", "Batches and PostgreSQL")}
COLUMNS, INCHES_A_COLUMN, INCHES_A_LINE = 24, 0.62, 0.4
UNITS = {"s": lambda: ticker.EngFormatter("s"), "ops": lambda: ticker.EngFormatter("/s", sep=""),
         "reqps": lambda: ticker.EngFormatter("/s", sep=""), "bytes": lambda: ticker.EngFormatter("B"),
         "percentunit": lambda: ticker.PercentFormatter(1, decimals=2),
         "short": lambda: ticker.EngFormatter(sep="")}


def client(render, rate, seconds):
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", CLIENT, "--connections=32",
                             f"--rate={rate}", f"--seconds={seconds}", "--paths=500",
                             str(render.address[1])], stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def watched(folder):
    """Runs the load while Prometheus scrapes. Yields Prometheus, and the begin and the end of the load."""
    with contextlib.ExitStack() as stack:
        cluster = Cluster()
        stack.callback(cluster.remove)
        stage = Stage(cluster, folder)
        stack.callback(stage.close)
        ledger = stage.ledger()
        counters = [stage.counter(ledger) for _ in range(2)]
        renders = [stage.render(counter) for counter in counters]
        prometheus = stack.enter_context(Prometheus(folder, {
            "render-svc": [one.admin for one in renders],
            "counter-svc": [one.admin for one in counters]}))
        until(lambda: prometheus.value("sum(up)") == 4, "all four to be scraped")
        begin = time.time()
        clients = [client(render, 150, LOAD_S) for render in renders]
        for at, what in ((MORE_AT_S, lambda: clients.append(client(renders[0], 600, MORE_S))),
                         (KILL_AT_S, cluster.kill), (KILL_AT_S + AWAY_S, cluster.start),
                         (LOAD_S - 5, lambda: None)):
            time.sleep(max(0, begin + at - time.time()))
            what()
        yield prometheus, begin + 10, time.time()
        for one in clients:
            one.wait(60)


def name_of(target, labels):
    """The name of a series, as Grafana makes it."""
    return re.sub(r"\{\{(\w+)\}\}", lambda label: labels.get(label[1], ""),
                  target.get("legendFormat", ""))


def at(when):
    return datetime.datetime.fromtimestamp(when, datetime.timezone.utc)


def draw(axes, panel, prometheus, begin, end):
    """Draws one panel: a line for each series, or the number of a stat panel."""
    axes.set_title(panel["title"], loc="left", fontsize=9, fontweight="bold")
    unit = UNITS[panel["fieldConfig"]["defaults"].get("unit", "short")]()
    axes.yaxis.set_major_formatter(unit)
    found = [(name_of(target, labels), times, values) for target in panel["targets"]
             for labels, times, values in prometheus.course(target["expr"], begin, end)]
    if panel["type"] == "stat":
        axes.axis("off")
        text = "   ".join(unit(float(f"{values[-1]:.3g}")) + (f" {name}" if len(found) > 1 else "")
                          for name, _, values in found)
        axes.text(0, 0.4, text, fontsize=22 if len(found) == 1 else 12, color="#15803d",
                  transform=axes.transAxes, va="center")
        return
    for name, times, values in found:
        axes.plot([at(when) for when in times], values, linewidth=1.2, label=name)
    axes.set_xlim(at(begin), at(end))
    axes.set_ylim(bottom=min([0, *(min(values) for _, _, values in found)]))
    axes.xaxis.set_major_locator(dates.MinuteLocator())
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if found:
        axes.legend(fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=3,
                    frameon=False)


def draw_rows(rows, path, *seen):
    """Draws the panels below these rows of the dashboard, in their places."""
    row, panels = "", []
    for panel in dashboard():
        row = panel["title"] if panel["type"] == "row" else row
        if row in rows:
            panels.append(panel)
    top = panels[0]["gridPos"]["y"]
    lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) - top
    figure = pyplot.figure(figsize=(COLUMNS * INCHES_A_COLUMN, lines * INCHES_A_LINE))
    for panel in panels:
        place = panel["gridPos"]
        left, upper = place["x"] / COLUMNS, 1 - (place["y"] - top) / lines
        if panel["type"] == "row":
            figure.text(0.01, upper - 0.6 / lines, panel["title"], fontsize=11, fontweight="bold")
            continue
        width, height = place["w"] / COLUMNS, place["h"] / lines
        draw(figure.add_axes((left + 0.035, upper - height + 1.9 / lines,
                              width - 0.05, height - 2.9 / lines)), panel, *seen)
    figure.savefig(path, dpi=100)


def main():
    to = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs")
    matplotlib.rcParams["font.family"] = "DejaVu Sans"
    with tempfile.TemporaryDirectory(prefix="pathcount-picture-") as folder, watched(folder) as seen:
        for name, rows in PICTURES.items():
            draw_rows(rows, to / name, *seen)


if __name__ == "__main__":
    main()
