"""Runs the scanners. Prints each command, so that it can be repeated by hand."""

import os
import shlex
import subprocess

THOROUGH = os.environ.get("THOROUGH") == "1"
"""`make security` instead of `make test-security`: more tests of each kind, for some hours."""


def run(command, folder, seconds):
    """Runs a command in a folder, which is also its home. Returns its output."""
    print("$", shlex.join(command), flush=True)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb", "LANG": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", timeout=seconds,
                          check=False)
    print(done.stdout[-4000:])
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}"
    return done.stdout
