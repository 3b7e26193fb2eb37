"""The restrictions of a running service. tests/unit/test_sandbox.c tries the calls that would end it."""

import os
import resource
import signal
import subprocess

import pytest

from harness.services import TOKEN
from harness.wait import until

BOTH = ["counter-svc", "render-svc"]


def of(pair, name):
    return {"counter-svc": pair.counter, "render-svc": pair.render}[name]


def threads(service):
    """The kernel's status of each thread: name → value."""
    found = []
    for thread in os.listdir(f"/proc/{service.pid}/task"):
        with open(f"/proc/{service.pid}/task/{thread}/status", encoding="ascii") as file:
            found.append({name: value.strip() for name, _, value in
                          (line.partition(":") for line in file)})
    return found


@pytest.mark.parametrize("name", BOTH)
def test_every_thread_has_no_privileges_and_the_filter(stage, name):
    counter = stage.counter(stage.ledger())
    # a name, so that the thread that looks names up exists
    render = stage.render(("localhost", counter.address[1]), workers=2)
    seen = threads({"counter-svc": counter, "render-svc": render}[name])
    assert len(seen) >= (2 if name == "counter-svc" else 4)
    for thread in seen:
        assert thread["NoNewPrivs"] == "1"
        assert thread["Seccomp"] == "2"
        assert {thread[f"Cap{which}"].strip("0") for which in ("Inh", "Prm", "Eff", "Amb")} == {""}
        assert os.geteuid() != 0 or thread["CapBnd"].strip("0") == ""


def test_only_the_filter_can_be_switched_off(stage):
    service = stage.counter(stage.ledger(), sandbox=False)
    for thread in threads(service):
        assert (thread["Seccomp"], thread["NoNewPrivs"]) == ("0", "1")
        assert thread["CapEff"].strip("0") == ""


# the services' own user, without capabilities even as root
AS_ITSELF = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def read_as_itself(path):
    return subprocess.run([*AS_ITSELF, "cat", path], capture_output=True, check=False)


@pytest.mark.parametrize("name", BOTH)
def test_its_user_cannot_read_the_environment_and_the_memory(stage, name):
    env = {"COUNTER_TOKEN": TOKEN}
    service = stage.service(name, None, env={
        **env, "LISTEN": "127.0.0.1:0", "ADMIN_LISTEN": "127.0.0.1:0",
        **({"COUNTER_URL": "http://127.0.0.1:1"} if name == "render-svc" else {})})
    with subprocess.Popen([*AS_ITSELF, "cat"], env={**os.environ, **env},
                          stdin=subprocess.PIPE) as other:
        # those of an ordinary process can be read
        until(lambda: TOKEN.encode() in read_as_itself(f"/proc/{other.pid}/environ").stdout,
              "the environment of another process")
        other.stdin.close()
    for file in ("environ", "mem", "maps"):
        read = read_as_itself(f"/proc/{service.pid}/{file}")
        assert read.returncode != 0 and read.stdout == b"", file


@pytest.mark.parametrize("name", BOTH)
def test_a_crash_leaves_no_core(stage, name):
    pair = stage.pair()
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        service = of(pair, name)
        service.stop()
        service.restart()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    service.expect_status(-signal.SIGSEGV)
    service.signal(signal.SIGSEGV)
    ended = os.waitid(os.P_PID, service.pid, os.WEXITED | os.WNOWAIT)
    assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGSEGV)
    assert service.ended() == -signal.SIGSEGV
