"""The programs of an earlier schema version, built from the repository's history."""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.services import ROOT

SCHEMA = ":(glob)counter-svc/**/schema.h"    # the file has moved
KEEP = pathlib.Path(ROOT) / "build" / "previous"


def schema_version(text=None):
    """The schema version of the source here, or of another schema.h."""
    text = text or (pathlib.Path(ROOT) / "counter-svc/ledger/schema.h").read_text(encoding="utf-8")
    return int(re.search(r"#define SCHEMA_VERSION (\d+)", text)[1])


def git(*words, **options):
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=False, **options)


def commit_before(version):
    """The last commit with an older schema version than this one."""
    if git("rev-parse", "--git-dir").returncode != 0:
        pytest.skip("the previous version is built from the repository's history, which is missing here")
    came = git("log", "--format=%H", f"-S#define SCHEMA_VERSION {version}", "--", SCHEMA, text=True)
    commit = came.stdout.split()[-1] + "^" if came.stdout.strip() else "HEAD"
    found = git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", text=True).stdout.strip()
    assert found, "the history does not reach back to the previous version: fetch all of it"
    return found


def build_previous(version):
    """Builds the last programs with an older schema than `version`, unless they exist. Returns their folder
    and their schema version."""
    commit = commit_before(version)
    older = schema_version(git("grep", "-h", "#define SCHEMA_VERSION", commit, "--", SCHEMA, text=True).stdout)
    assert older < version
    folder = KEEP / commit[:12]
    KEEP.mkdir(parents=True, exist_ok=True)
    with open(KEEP / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one build for all test processes
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            archive = git("archive", commit).stdout
            subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
            subprocess.run(["make", f"-j{os.cpu_count()}", "--no-print-directory", "CC=gcc", "SANITIZER=",
                            "CFLAGS=-O1", "all"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            (folder / "done").touch()
    return folder / "build", older
