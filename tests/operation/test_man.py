"""The man pages: made from the programs' --help, valid mdoc, installed by `make install`."""

import os
import re
import subprocess

import pytest

from harness.services import BUILD_DIR, ROOT, run

PROGRAMS = ("counter-svc", "render-svc")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the files that `make install` copies. Processes of tests take turns to make them, with the lock
    of tests/run."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["flock", os.path.join(ROOT, "build/release/lock"), "make", "--no-print-directory", "install",
                    f"DESTDIR={folder}", "PREFIX=/usr"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return folder / "usr"


def asked(installed, *command):
    """The output of a reader of man pages, stdout and stderr."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={
        "PATH": os.environ["PATH"], "MANPATH": str(installed / "share/man"), "LC_ALL": "C.UTF-8",
        "MANWIDTH": "200"})
    return done.returncode, done.stdout, done.stderr


def page(installed, program):
    """The page as `man` shows it, a line for each paragraph."""
    status, shown, _ = asked(installed, "man", "8", program)
    assert status == 0
    return re.sub(r"\s+", " ", shown.replace("\u2010", "-"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_mandoc_finds_no_error(installed, program):
    _, found, _ = asked(installed, "mandoc", "-T", "lint", installed / f"share/man/man8/{program}.8")
    # Outside BSD, .Os has the name and version of the program. mandoc only searches this machine for
    # referenced pages.
    usual = "explicitly specified: Os pathcount|not found: Xr (counter|render)-svc 8"
    assert [line for line in found.splitlines() if not re.search(usual, line)] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_man_prints_no_warning(installed, program):
    status, _, warnings = asked(installed, "man", "--warnings", "8", program)
    assert (status, warnings) == (0, "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_page_contains_all_of_help(installed, program):
    shown = page(installed, program)
    said = run(program, "--help").stdout
    keys = re.findall(r"^  ([a-z]\w+) +([A-Z]\w+)  +(.*)$", said, re.MULTILINE)
    assert len(keys) > 15 and all(f"{key}, {variable}" in shown for key, variable, _ in keys)
    for _, _, expected in keys:
        if expected != "or the path of a file that holds it":
            assert expected[1:] + "." in shown, expected
    sentences = re.findall(r"^      (\S.*)$", said, re.MULTILINE)
    assert sentences and all(re.sub(r"\s+", " ", sentence) in shown for sentence in sentences)
    options = re.findall(r"^  (--\S+)(?: [A-Z]+)?  +(.*)$", said, re.MULTILINE)
    assert len(options) >= 5 and all(option in shown and what[1:] in shown for option, what in options)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_page_has_the_version(installed, program):
    version = run(program, "--version").stdout.split()[1]
    assert f"pathcount {version}" in page(installed, program)


def test_the_built_programs_are_installed(installed):
    for program in PROGRAMS:
        with open(os.path.join(BUILD_DIR, program), "rb") as built:
            assert (installed / "bin" / program).read_bytes() == built.read()
