"""Secrets are rotated under load, and no request fails."""
import json

import pytest

from harness.lab import world

pytestmark = pytest.mark.upkeep
FILES = {"token": "counter_token", "ledger-pw": "ledger_pw"}


@pytest.fixture
def rotated(stack):
    """The unmodified stack.yml, with two tasks of each service."""
    stack.shape(renderers=2, counters=2)
    stack.form = None
    return stack


def versions(stack):
    """{(service, file): version} of every secret that a service has."""
    found = {}
    for service in ("render-svc", "counter-svc", "postgres"):
        secrets = json.loads(stack.swarm("service", "inspect", "--format",
                                         "{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}",
                                         f"{world.STACK}_{service}"))
        for secret in secrets:
            found[service, secret["File"]["Name"]] = int(secret["SecretName"].rpartition("_v")[2])
    return found


def verifier(stack):
    return stack.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'pathcount'")


@pytest.mark.parametrize("what", FILES)
def test_rotating_under_load(rotated, prefix, note, what):
    file, before, role = FILES[what], versions(rotated), verifier(rotated)
    load = rotated.load_inside(prefix)
    try:
        rotated.running_under_load(prefix)
        assert "rotated" in rotated.command("rotate", what).stdout
        rotated.only("counter-svc", 2)
        rotated.only("render-svc", 2)
        rotated.running_under_load(prefix)
    finally:
        report = load.stop()
    note(f"rotating {what}: {report}")
    rotated.audit(prefix, report.sent, report.acked, exact=True)
    assert not report.failed and not report.unavailable and not report.unreached

    after = versions(rotated)
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {key for key in after if key[1].removesuffix("_previous") == file
                       and key[0] != "postgres"}
    assert {after[key] for key in changed} == {before["counter-svc", file] + 1}
    assert (verifier(rotated) != role) == (what == "ledger-pw")

    # A later deployment keeps the rotated secrets, and does not restart the database.
    database = rotated.tasks("postgres")[0].container
    rotated.command("deploy", "--wait")
    assert versions(rotated) == after
    assert rotated.tasks("postgres")[0].container == database


def test_an_interrupted_rotation_continues(rotated, prefix):
    """After its first step counter-svc has both secrets, and render-svc has the old one."""
    before = versions(rotated)["counter-svc", "counter_token"]
    new = f"{world.STACK}_counter_token_v{before + 1}"
    rotated.command("secrets", COUNTER_TOKEN_VERSION=str(before + 1))
    old = f"{world.STACK}_counter_token_v{before}"
    rotated.function("update_service", "counter-svc", "--secret-rm", old, *(
        word for source, target in ((new, "counter_token"), (old, "counter_token_previous"))
        for word in ("--secret-add", f"source={source},target={target},uid=10001,gid=10001,mode=0400")))
    load = rotated.load_inside(prefix)
    try:
        rotated.running_under_load(prefix)
        said = rotated.command("rotate", "token").stdout
        assert f"continuing the rotation of counter_token from version {before}" in said
        rotated.running_under_load(prefix)
    finally:
        report = load.stop()
    assert not report.failed and not report.unavailable and not report.unreached
    assert {version for (_, file), version in versions(rotated).items()
            if file.startswith("counter_token")} == {before + 1}
    assert old not in rotated.swarm("secret", "ls", "--format", "{{.Name}}").split()
