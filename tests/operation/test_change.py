"""swarm/change with a running counter-svc. tests/overlay tests how it reaches a container."""

import os
import pathlib
import subprocess

import pytest

from harness.services import ADMIN_TOKEN, ROOT, TOKEN, program
from harness.stage import Stage

FAKE_DOCKER = pathlib.Path(__file__).parent / "docker_exec"


@pytest.fixture(scope="module")
def counter(cluster, tmp_path_factory):
    stage = Stage(cluster, tmp_path_factory.mktemp("module"))
    yield stage.counter(stage.ledger(), admin_token=ADMIN_TOKEN)
    stage.close()


@pytest.fixture
def change(counter):
    """Runs swarm/change; returns its status, output and errors."""
    host, port = counter.address

    def run(*words, **environ):
        done = subprocess.run(
            [os.path.join(ROOT, "swarm", "change"), *map(str, words)], capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, timeout=60, env={
                "PATH": "/usr/bin:/bin", "DOCKER": str(FAKE_DOCKER), "COUNTER_SVC": program("counter-svc"),
                "LISTEN": f"{host}:{port}", "COUNTER_TOKEN": TOKEN, "ADMIN_TOKEN": ADMIN_TOKEN, **environ})
        return done.returncode, done.stdout, done.stderr
    return run


def test_a_count_is_changed_inside_the_stack(counter, change):
    counter.api.count({"/a b": 3})
    status, said, errors = change("set", "/a b", 5, "--why", "a test of words")
    assert (status, errors) == (0, "") and '"/a b": 3 -> 5' in said
    assert counter.api.get_count("/a b") == 5
    assert 'why="a test of words"' in change("log")[1]
    assert change("undo", "/a b")[0] == 0 and counter.api.get_count("/a b") == 3


def test_a_file_of_this_host_is_imported(counter, change, tmp_path):
    file = tmp_path / "the counts.csv"
    file.write_text("path,count\n/imported,7\n")
    assert change("import", "--add", "--dry-run", file)[0] == 0
    assert counter.api.get_count("/imported") is None
    status, said, errors = change("import", "--add", file)
    assert status == 0 and said.count("rows=1 paths=+1 hits=+7") == 1, errors
    assert counter.api.get_count("/imported") == 7


def test_rows_are_normalised_by_the_settings_of_the_command(counter, change):
    counter.api.count({"/Upper/": 2, "/upper/": 1})
    assert change("normalise")[0] == 2
    status, said, errors = change("normalise", PATH_LOWER_CASE="true")
    assert (status, errors) == (0, "") and "changed: rows=2 paths=-1 hits=+0" in said
    assert counter.api.get_count("/upper/") == 3
    assert change("normalise", PATH_STRIP_SLASH="true")[0] == 0
    assert counter.api.get_count("/upper") == 3


def test_a_file_with_an_error_is_not_imported(counter, change, tmp_path):
    file = tmp_path / "counts.csv"
    file.write_text("".join(f"/many/{n},1\n" for n in range(10001)) + "wrong,1\n")
    status, said, errors = change("import", "--replace", file)
    assert status == 1 and not said and ":10002:" in errors and "nothing was changed" in errors
    assert counter.api.get_count("/many/0") is None
    assert "cannot read" in change("import", "--add", tmp_path / "none.csv")[2]


def test_without_a_counter_here_it_names_the_host(change):
    status, _, errors = change("log", LEDGER_ELSEWHERE="h2")
    assert status == 1 and "no counter-svc runs on this host" in errors


def test_help_and_usage(change):
    assert change("--help")[1].startswith("swarm/change")
    assert change("--", "--help")[1].startswith("counter-svc change")
    assert change()[0] == 2
