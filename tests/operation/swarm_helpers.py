"""A fake Swarm for the commands in swarm/."""

import json
import os
import pathlib
import subprocess

import pytest

from harness.services import ROOT

FAKE_DOCKER = pathlib.Path(__file__).parent / "docker_swarm"


def running(service, *hosts):
    return [[f"pathcount_{service}.{n}", host, "Running", "Running 1 minute ago", "", True]
            for n, host in enumerate(hosts, start=1)]


def one(service, *hosts, **more):
    return {"replicas": len(hosts), "image": f"pathcount/{service}:1", "previous_image": "", "secrets": {},
            "update": ["", ""], "tasks": running(service, *hosts), **more}


class Swarm:
    """A healthy Swarm of three nodes, until a test changes `state`."""

    def __init__(self, folder):
        self.file, self.path = folder / "swarm.json", folder / "bin"
        self.path.mkdir()
        (self.path / "docker").symlink_to(FAKE_DOCKER)
        token, password = "pathcount_counter_token_v", "pathcount_ledger_pw_v"
        self.state = {
            "nodes": [[f"h{n}", "Ready", "Active", n == 1] for n in (1, 2, 3)],
            "secrets": [f"{token}3", "pathcount_admin_token_v1", f"{password}2", f"{password}1",
                        "pathcount_postgres_pw_v1"],
            "services": {
                "pathcount_render-svc": one("render-svc", "h1", "h2", "h3",
                                            secrets={"counter_token": f"{token}3"}),
                "pathcount_counter-svc": one("counter-svc", "h1", "h2", secrets={
                    "counter_token": f"{token}3", "counter_token_previous": f"{token}3",
                    "admin_token": "pathcount_admin_token_v1",
                    "ledger_pw": f"{password}2", "ledger_pw_previous": f"{password}2"}),
                "pathcount_postgres": one("postgres", "h1", secrets={
                    "ledger_pw": f"{password}1", "postgres_pw": "pathcount_postgres_pw_v1"})},
            "container": "", "failures": [], "changes": [], "log": []}

    def service(self, name):
        return self.state["services"][f"pathcount_{name}"]

    def run(self, command, *words, **environ):
        """Runs swarm/COMMAND. Then `state` is the state after it."""
        self.file.write_text(json.dumps(self.state))
        done = subprocess.run(
            [os.path.join(ROOT, "swarm", command), *words], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=120, env={
                "PATH": f"{self.path}:/usr/bin:/bin", "SWARM": str(self.file), "POLL_S": "0.01",
                "REPORT_S": "0", "STUCK_S": "0", "WAIT_S": "60", **environ})
        self.state = json.loads(self.file.read_text())
        assert "does not know" not in done.stderr, done.stderr
        return done

    def asked(self, words):
        """The commands for Docker with these words."""
        return [line for line in self.state["log"] if words in line]


@pytest.fixture
def swarm(tmp_path):
    return Swarm(tmp_path)
