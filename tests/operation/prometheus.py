"""Debian's Prometheus on loopback, which scrapes the services of a test."""

import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import yaml

from harness.ports import free_port
from harness.services import ROOT
from harness.wait import until

MONITORING = os.path.join(ROOT, "swarm", "monitoring")
HA_ROW, ARCHIVE_ROW = "Three database servers (--ha)", "Backups and archived WAL (--archive)"


def promtool(*arguments, stdin=None):
    """Runs promtool. Returns its status and its output."""
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True,
                          timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def dashboard():
    """The panels of the dashboard. Grafana's interval is replaced by 30 s."""
    with open(os.path.join(MONITORING, "dashboard.json"), encoding="utf-8") as file:
        return json.loads(file.read().replace("$__rate_interval", "30s"))["panels"]


def dashboard_queries(*rows):
    """The dashboard's queries as (panel, query): those below these rows, by default those that every deployment
    can answer."""
    found, row = [], None
    for panel in dashboard():
        row = panel["title"] if panel["type"] == "row" else row
        if row in rows if rows else row not in (HA_ROW, ARCHIVE_ROW):
            found += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    return found


def alerts():
    """name → the rule."""
    with open(os.path.join(MONITORING, "alerts.yml"), encoding="utf-8") as file:
        return {rule["alert"]: rule for group in yaml.safe_load(file)["groups"]
                for rule in group["rules"]}


def samples(text):
    """The samples of an exposition: (name, labels as text) → value."""
    found = {}
    for name, labels, value in re.findall(r"^([a-z_]+)(\{.*\})? (\S+)$", text, re.MULTILINE):
        assert (name, labels) not in found, f"{name}{labels} is there twice"
        found[name, labels] = float(value)
    return found


class Prometheus:
    """A running Prometheus; `targets` is job → addresses of admin listeners."""

    def __init__(self, folder, targets):
        self.folder = str(folder)
        self.port = free_port()
        self._write_config(targets)

    def _write_config(self, targets):
        # as in the stack, with other targets and scrape intervals
        with open(os.path.join(MONITORING, "prometheus.yml"), encoding="utf-8") as file:
            config = yaml.safe_load(file)
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [os.path.join(MONITORING, "alerts.yml")]
        config["scrape_configs"] = [
            {"job_name": job, "static_configs": [{"targets": ["%s:%d" % one for one in addresses]}]}
            for job, addresses in targets.items()]
        with open(os.path.join(self.folder, "prometheus.yml"), "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file)

    def __enter__(self):
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "prometheus",
                 f"--config.file={self.folder}/prometheus.yml",
                 f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._is_ready, "Prometheus to be ready", 60)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def _is_ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready").status == 200
        except OSError:
            return False

    def _ask(self, what, **parameters):
        url = (f"http://127.0.0.1:{self.port}/api/v1/{what}?" + urllib.parse.urlencode(parameters))
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read()[:500]!r}") from None
        assert not found.get("warnings"), found
        return found["data"]["result"]

    def query(self, expression):
        """The samples of an instant query: a list of (labels, value)."""
        return [(one["metric"], float(one["value"][1]))
                for one in self._ask("query", query=expression)]

    def course(self, expression, begin, end):
        """The values of a query in each second between two times: a list of (labels, times, values)."""
        found = self._ask("query_range", query=expression, start=begin, end=end, step=1)
        return [(one["metric"], *zip(*((when, float(value)) for when, value in one["values"])))
                for one in found]

    def value(self, expression):
        """The value of a query with exactly one sample."""
        found = self.query(expression)
        assert len(found) == 1, f"{expression}: {found}"
        return found[0][1]
