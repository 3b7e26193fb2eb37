"""There is one version: that of the Makefile. Whoever says one says that."""

import pathlib
import re

import pytest

from harness.services import ROOT, run

ROOT = pathlib.Path(ROOT)
PROGRAMS = ("counter-svc", "render-svc")


def makefile_version():
    return re.search(r"^VERSION *:= *(\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_says_it(program):
    assert run(program, "--version").stdout == f"{program} {makefile_version()}\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_log_says_it(stage, program):
    keys = stage.ledger().keys if program == "counter-svc" else {"lanes": 1}
    service = stage.service(program, keys)
    assert [event["version"] for event in service.events("starting")] == [makefile_version()]
