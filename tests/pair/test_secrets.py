"""Secrets, given in every possible way, are never disclosed: not in a log of any level, an answer, a command
line or an error. (test_sandbox.py tests that environment and memory cannot be read,
tests/unit/test_config_wipe.c that freed memory is wiped.)"""

from urllib.parse import quote

import pytest

from harness.http import ask, get
from harness.proxy import refuse
from harness.services import run
from harness.wait import until

MARK = "m4rk"
TOKEN, OLD_TOKEN, OLD_PW = MARK + "-token", MARK + "-old-token", MARK + "-old-password"

LOUD = {"LOG_LEVEL": "debug", "ACCESS_LOG": "true", "LISTEN": "127.0.0.1:0",
        "ADMIN_LISTEN": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def ledger(cluster):
    return cluster.new_ledger(password=MARK + "-password")


def in_files(tmp_path, secrets):
    """Each secret as a file, and the keys that name them."""
    for key, value in secrets.items():
        (tmp_path / key).write_text(value + "\n")
    return {f"{key}_file": str(tmp_path / key) for key in secrets}


def configured(way, tmp_path, plain, secrets):
    """The keys of a file and the environment that configure a service in one of the ways."""
    if way.endswith("_FILE"):
        secrets = in_files(tmp_path, secrets)
    keys = {**plain, **secrets}
    if way.startswith("file"):
        return keys, LOUD
    return None, {**LOUD, **{key.upper(): str(value) for key, value in keys.items()}}


def started(stage, name, keys, env):
    service = stage.service(name, keys, env=env, start=False)
    if keys and "counter_token_file" in keys:
        del service.keys["counter_token"]
    return service.start()


@pytest.mark.parametrize("way, uri", [
    ("file", False), ("file_FILE", True), ("environment", True), ("environment_FILE", False)])
def test_no_secret_is_in_any_answer_or_log(stage, ledger, tmp_path, way, uri):
    plain = {**ledger.keys, "counter_token": TOKEN}
    secrets = {"counter_token": plain.pop("counter_token"), "postgres_pw": plain.pop("postgres_pw"),
               "counter_token_previous": OLD_TOKEN, "postgres_pw_previous": OLD_PW}
    if uri:
        user, password = quote(plain.pop("postgres_user")), quote(secrets.pop("postgres_pw"))
        at = plain.pop("postgres_url")
        secrets["postgres_url"] = f"postgresql://{user}:{password}@{at}/{plain.pop('postgres_db')}"
    given = configured(way, tmp_path, plain, secrets)
    counter = started(stage, "counter-svc", *given).until_ready()
    proxy = stage.proxy(counter)
    render = started(stage, "render-svc", *configured(
        way, tmp_path, {"counter_url": "http://%s:%d" % proxy.address},
        {"counter_token": TOKEN})).until_ready()

    answers = [get(render.address, "/a"), get(render.address, "/%zz"), get(render.address, "/-/paths"),
               get(render.admin, "/ready"), get(counter.admin, "/ready")]
    for token in (TOKEN, OLD_TOKEN, "wrong"):
        for target in ("/v1/totals", "/v1/unknown", "/v1/paths?limit=x"):
            answers.append(ask(counter.address, "GET", target, {"Authorization": f"Bearer {token}"}))
    # failures: a failed call, ended sessions, a refused login
    proxy.next(refuse, "POST", "/v1/hits")
    answers.append(get(render.address, "/b"))
    ledger.run(f"ALTER ROLE {ledger.role} PASSWORD 'another'")
    for pid in ledger.backends():
        ledger.run("SELECT pg_terminate_backend(%s)", pid)
    refused = started(stage, "counter-svc", *given)
    until(lambda: "authentication" in refused.log(), "a refused login")
    ledger.run(f"ALTER ROLE {ledger.role} PASSWORD '{ledger.password}'")
    refused.until_ready()
    counter.until_ready()
    answers.append(get(render.address, "/c"))

    assert {answer.status for answer in answers} >= {200, 400, 401, 404}
    for answer in answers:
        assert MARK.encode() not in answer.raw
    for service in (counter, refused, render):
        assert MARK not in service.log()
        with open(f"/proc/{service.pid}/cmdline", "rb") as file:
            assert MARK.encode() not in file.read()


@pytest.mark.parametrize("way", ["file", "file_FILE", "environment", "environment_FILE"])
@pytest.mark.parametrize("wrong", [
    {}, {"idle_ms": "many"}, {"postgres_url": f"postgresql://u:{MARK}@h:99999/d"},
    {"postgres_url": f"postgresql://u:{MARK}@h/d?nonsense={MARK}"}, {"postgres_url": f"{MARK}:{MARK}:1"},
    {"counter_token": MARK + "\x01"}, {"counter_token_previous": MARK * 2000},
    {"postgres_pw": MARK + "\n\n" + MARK}, {"postgres_pw_previous": "\x7f" + MARK}], ids=str)
def test_no_secret_is_in_the_output_of_the_command_line(tmp_path, way, wrong):
    plain = {"postgres_user": "u", "postgres_db": "d",
             **{key: value for key, value in wrong.items() if key == "idle_ms"}}
    secrets = {"counter_token": TOKEN, "counter_token_previous": OLD_TOKEN, "postgres_pw": MARK,
               "postgres_pw_previous": OLD_PW, "postgres_url": f"postgresql://u:{MARK}@h/d",
               **{key: value for key, value in wrong.items() if key != "idle_ms"}}
    keys, env = configured(way, tmp_path, plain, secrets)
    arguments = []
    if keys:
        path = tmp_path / "config.yml"
        path.write_text("".join(f"{key}: {quoted(value)}\n" for key, value in keys.items()))
        arguments = ["--config", str(path)]
    for option in ("--check-config", "--help", "--version", "--probe"):
        done = run("counter-svc", *arguments, option, env=env)
        assert MARK not in done.stdout + done.stderr, option
        assert option != "--check-config" or done.returncode == (2 if wrong else 0), done.stderr


def quoted(value):
    """A YAML scalar that may contain anything."""
    return '"' + "".join(f"\\x{ord(c):02x}" if ord(c) < 32 or c in '"\\\x7f' else c
                         for c in value) + '"'
