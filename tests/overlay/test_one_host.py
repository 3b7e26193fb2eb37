"""The commands for one host without Swarm, as the README gives them, run as they stand there."""
import re
import subprocess

from harness import REPO, images, net, wait_until, world

ASK = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={
    "Accept": "application/json", "Prefer": "return=minimal"})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


def commands():
    """The section's two blocks: what starts it, and what ends it."""
    text = (REPO / "README.md").read_text(encoding="utf-8")
    section = text.split("\n## One host\n")[1].split("\n## ")[0]
    start, end = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return start, end


def test_the_commands_for_one_host(stack):
    host = stack.hosts[-1]
    start, end = commands()
    environ = images.environment(host, TAG="lab", PATHCOUNT_PORT="9190") | {"PATH": "/usr/bin:/bin"}

    def shell(script):
        done = subprocess.run(["bash", "-euc", script], check=False, env=environ, text=True,
                              capture_output=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    def visit():
        return world.run(*net.within(world.host_netns(host)), "/usr/bin/python3", "-c", ASK,
                         f"http://{world.host_address(host)}:9190/one-host", check=False).stdout

    try:
        shell(start)
        wait_until("a page", lambda: '"count":1' in visit(), 60)
        assert '"count":2' in visit()
    finally:
        shell(end + "docker volume rm pathcount-data")
