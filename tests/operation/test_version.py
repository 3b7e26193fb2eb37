"""The version is defined once, in the Makefile. Everything else must agree with it."""

import pathlib
import re
import subprocess

import pytest

from harness.http import get
from harness.services import ROOT, run

ROOT = pathlib.Path(ROOT)
PROGRAMS = ("counter-svc", "render-svc")


def makefile_version():
    return re.search(r"^VERSION *:= *(\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_print_the_version(program):
    assert run(program, "--version").stdout == f"{program} {makefile_version()}\n"


def test_the_changelog_begins_with_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\S+)\] - (unreleased|\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert newest and newest[1] == makefile_version()


@pytest.mark.parametrize("api", ["counter-api", "public-api"])
def test_the_api_descriptions_have_the_version(api):
    text = (ROOT / "proto" / f"{api}.yml").read_text(encoding="utf-8")
    assert re.search(r"^  version: (\S+)$", text, re.MULTILINE)[1] == makefile_version()


def test_the_changelog_has_the_schema_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    known = re.search(r"#define SCHEMA_VERSION (\d+)", (ROOT / "counter-svc/ledger/schema.h").read_text())[1]
    assert re.search(r"Schema of the\s+ledger: (\d+)", text)[1] == known


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_image_is_labelled_with_the_version(tmp_path, program):
    """The label is the argument that swarm/build passes to `docker build`."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" != build ] || echo "$@" >>"$LOG"\necho 1\n')
    docker.chmod(0o755)
    subprocess.run([ROOT / "swarm" / "build"], check=True, stdout=subprocess.DEVNULL, env={
        "PATH": "/usr/bin:/bin", "DOCKER": str(docker), "LOG": str(tmp_path / "log")})
    build, = (line for line in (tmp_path / "log").read_text().splitlines() if f"{program}/Dockerfile" in line)
    assert f"--build-arg VERSION={makefile_version()} " in build
    assert 'org.opencontainers.image.version="$VERSION"' in (ROOT / program / "Dockerfile").read_text()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_log_has_the_version(stage, program):
    keys = stage.ledger().keys if program == "counter-svc" else {"lanes": 1}
    service = stage.service(program, keys)
    assert [event["version"] for event in service.events("starting")] == [makefile_version()]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_metrics_have_the_version(stage, program):
    keys = stage.ledger().keys if program == "counter-svc" else {"lanes": 1}
    body = get(stage.service(program, keys).admin, "/metrics").body.decode()
    found = re.findall(r'^pathcount_build_info\{.*version="([^"]+)".*\} 1$', body, re.MULTILINE)
    assert found == [makefile_version()]
