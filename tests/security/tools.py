"""Running the tools: each as a command that can be repeated by hand, which is printed."""

import os
import shlex
import subprocess

THOROUGH = os.environ.get("THOROUGH") == "1"
"""`make security` instead of `make test`: more of everything, for some hours."""


def run(command, folder, seconds):
    """Runs a command in a folder, which is its home, too; returns what it said."""
    print("$", shlex.join(command), flush=True)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb", "LANG": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", timeout=seconds,
                          check=False)
    print(done.stdout[-4000:])
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}"
    return done.stdout
