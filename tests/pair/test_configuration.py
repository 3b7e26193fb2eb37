"""Configuration as operators use it: file, environment, secrets in files, and clear errors."""

import os
import re
import socket

import pytest

from harness.http import ask, get, hit
from harness.ports import free_port
from harness.services import TOKEN, program, run
from harness.wait import until

BOTH = ["counter-svc", "render-svc"]

RIGHT = {
    "counter-svc": {"counter_token": "s3cret-t0ken", "postgres_user": "u", "postgres_pw": "s3cret-pw",
                    "postgres_db": "d", "postgres_url": "127.0.0.1:5432"},
    "render-svc": {"counter_token": "s3cret-t0ken", "counter_url": "http://127.0.0.1:1"},
}


def written(tmp_path, text, name="config.yml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def as_yaml(keys):
    return "".join(f"{key}: {value}\n" for key, value in keys.items())


def as_environment(keys):
    return {key.upper(): str(value) for key, value in keys.items()}


def check(name, *arguments, env=None):
    return run(name, "--check-config", *arguments, env=env)


def assert_refused(done, *words):
    """Checks for status 2 and one line on stderr with each of the words and without a secret."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert "s3cret" not in done.stderr


# --- valid configurations


@pytest.mark.parametrize("name", BOTH)
def test_a_valid_configuration_is_accepted_as_file_and_as_environment(tmp_path, name):
    path = written(tmp_path, as_yaml(RIGHT[name]))
    for done in (check(name, "--config", path), check(name, env=as_environment(RIGHT[name]))):
        assert done.returncode == 0, done.stderr
        assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", BOTH)
def test_checking_starts_nothing(tmp_path, name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = {**as_environment(RIGHT[name]), "LISTEN": "127.0.0.1:%d" % taken.getsockname()[1]}
        assert check(name, env=env).returncode == 0


@pytest.mark.parametrize("name", BOTH)
def test_comments_quotes_and_an_empty_variable_are_accepted(tmp_path, name):
    path = written(tmp_path, "# ours\n---\n" + "".join(
        f'{key}: "{value}"  # said\n' for key, value in RIGHT[name].items()))
    done = check(name, "--config", path, env={"IDLE_MS": "", "COUNTER_TOKEN": ""})
    assert done.returncode == 0, done.stderr


# --- errors


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("line, words", [
    ("nonsense: 1", ["nonsense"]), ("Idle_ms: 1", ["Idle_ms"]), ("idle_ms: many", ["idle_ms"]),
    ("idle_ms: -1", ["idle_ms"]), ("idle_ms: 1.5", ["idle_ms"]),
    ("idle_ms: 99999999999999999999", ["idle_ms"]), ("idle_ms:", ["idle_ms"]),
    ("idle_ms: [1]", []), ("idle_ms: {a: 1}", []), ("idle_ms: 0x10", ["idle_ms"]),
    ("drain_ms: -1", ["drain_ms"]), ("drain_ms: 5s", ["drain_ms"]), ("drain_ms: true", ["drain_ms"]),
    ("listen: nowhere", ["listen"]), ("listen: 127.0.0.1", ["listen"]),
    ("listen: 127.0.0.1:65536", ["listen"]), ("listen: 127.0.0.1:x", ["listen"]),
    ("admin_listen: '[::1'", ["admin_listen"]), ("log_level: loud", ["log_level", "debug"]),
    ("access_log: maybe", ["access_log", "true"]), ("counter_token: again", ["counter_token"])])
def test_an_error_in_a_file_names_file_and_line(tmp_path, name, line, words):
    path = written(tmp_path, as_yaml(RIGHT[name]) + line + "\n")
    assert_refused(check(name, "--config", path), f"{path}:{len(RIGHT[name]) + 1}", *words)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("variable, value", [
    ("IDLE_MS", "many"), ("DRAIN_MS", "-1"), ("LISTEN", "x"), ("LOG_LEVEL", "loud"),
    ("ACCESS_LOG", "1"), ("IDLE_MS", "99999999999"), ("SHUTDOWN_MS", " 5")])
def test_an_error_in_a_variable_names_it(name, variable, value):
    done = check(name, env={**as_environment(RIGHT[name]), variable: value})
    assert_refused(done, variable)


@pytest.mark.parametrize("name, key, value", [
    ("render-svc", "counter_url", "ftp://h:1"),
    ("render-svc", "counter_url", "http://"), ("render-svc", "counter_url", "http://h:99999"),
    ("render-svc", "request_deadline_ms", "0"), ("render-svc", "max_waiting", "0"),
    ("render-svc", "lanes", "0"), ("render-svc", "call_deadline_ms", "0"),
    ("counter-svc", "lane_ttl_s", "0"), ("counter-svc", "lane_ttl_s", "x"),
    ("counter-svc", "max_paths", "0"), ("counter-svc", "max_paths", "1000000000001"),
    ("counter-svc", "max_cached_bytes", "1048575"), ("counter-svc", "max_unfolded", "999"),
    ("counter-svc", "fold_interval_ms", "99"), ("counter-svc", "fold_interval_ms", "60001"),
    ("render-svc", "workers", "-1"), ("render-svc", "workers", "many")])
def test_keys_have_ranges(name, key, value):
    done = check(name, env=as_environment({**RIGHT[name], key: value}))
    assert done.returncode == 2, f"{key}={value} was accepted"
    assert key in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name, other", [
    ("counter-svc", "counter_url"), ("counter-svc", "workers"), ("render-svc", "postgres_pw")])
def test_keys_of_the_other_service_are_refused_in_a_file(tmp_path, name, other):
    path = written(tmp_path, as_yaml(RIGHT[name]) + f"{other}: x\n")
    assert_refused(check(name, "--config", path), other)


@pytest.mark.parametrize("name", BOTH)
def test_the_token_is_required(name):
    keys = {key: value for key, value in RIGHT[name].items() if key != "counter_token"}
    assert_refused(check(name, env=as_environment(keys)), "counter_token")


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "a: b: c\n", "\tidle_ms: 1000\n", "{\n",
                                  "idle_ms: 1000\n---\nidle_ms: 2000\n", "idle_ms: &a 1000\ndrain_ms: *a\n",
                                  "\0\n"])
def test_a_file_that_is_not_a_flat_mapping_is_refused_with_its_line(tmp_path, name, text):
    path = written(tmp_path, text)
    assert_refused(check(name, "--config", path, env=as_environment(RIGHT[name])), path + ":")


@pytest.mark.parametrize("name", BOTH)
def test_an_unreadable_file_is_reported(tmp_path, name):
    for path in (str(tmp_path / "missing.yml"), str(tmp_path)):
        assert_refused(check(name, "--config", path, env=as_environment(RIGHT[name])), path)


@pytest.mark.parametrize("name", BOTH)
def test_a_service_with_a_wrong_configuration_does_not_start(name):
    done = run(name, env={**as_environment(RIGHT[name]), "IDLE_MS": "many"})
    assert_refused(done, "IDLE_MS")


# --- secrets


@pytest.mark.parametrize("name", BOTH)
def test_a_secret_may_be_in_a_file(tmp_path, name):
    keys = {key: value for key, value in RIGHT[name].items() if key != "counter_token"}
    secret = written(tmp_path, "s3cret-t0ken\n", "token")
    path = written(tmp_path, as_yaml({**keys, "counter_token_file": secret}))
    assert check(name, "--config", path).returncode == 0
    assert check(name, env={**as_environment(keys), "COUNTER_TOKEN_FILE": secret}).returncode == 0


@pytest.mark.parametrize("name", BOTH)
def test_a_secret_and_its_file_together_are_refused(tmp_path, name):
    secret = written(tmp_path, "s3cret-other\n", "token")
    done = check(name, env={**as_environment(RIGHT[name]), "COUNTER_TOKEN_FILE": secret})
    assert_refused(done, "COUNTER_TOKEN")
    path = written(tmp_path, as_yaml({**RIGHT[name], "counter_token_file": secret}))
    assert_refused(check(name, "--config", path), "counter_token")


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_secret_file_that_is_missing_or_empty_is_refused(tmp_path, name, content):
    keys = {key: value for key, value in RIGHT[name].items() if key != "counter_token"}
    path = str(tmp_path / "token")
    if content is not None:
        written(tmp_path, content, "token")
    assert_refused(check(name, env={**as_environment(keys), "COUNTER_TOKEN_FILE": path}),
                   "COUNTER_TOKEN_FILE")


# --- effects


def test_the_environment_overrides_the_file_and_the_file_the_default(stage):
    counter = stage.counter(stage.ledger())
    url = "http://%s:%d" % counter.address
    with_both = stage.service("render-svc", {"counter_url": "http://127.0.0.1:1"},
                              env={"COUNTER_URL": url})
    assert hit(with_both.until_ready().address, "/a") == 1
    port = free_port()
    with_file = stage.service("render-svc", {"counter_url": url, "listen": f"127.0.0.1:{port}"})
    assert with_file.address == ("127.0.0.1", port)


def test_every_key_can_be_set_in_the_environment(stage, tmp_path):
    ledger = stage.ledger()
    password = written(tmp_path, ledger.password + "\n", "pw")
    token = written(tmp_path, TOKEN, "token")
    keys = {k: v for k, v in ledger.keys.items() if k != "postgres_pw"}
    env = {**as_environment(keys), "POSTGRES_PW_FILE": password, "COUNTER_TOKEN_FILE": token,
           "LISTEN": "127.0.0.1:0", "ADMIN_LISTEN": "127.0.0.1:0", "IDLE_MS": "60000"}
    counter = stage.service("counter-svc", None, env=env).until_ready()
    render = stage.service("render-svc", None, env={
        "COUNTER_URL": "http://%s:%d" % counter.address, "COUNTER_TOKEN_FILE": token,
        "LISTEN": "127.0.0.1:0", "ADMIN_LISTEN": "127.0.0.1:0"}).until_ready()
    assert hit(render.address, "/by/environment") == 1


def test_services_listen_on_ipv6(stage):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    counter = stage.counter(stage.ledger())
    render = stage.render(counter, listen="[::1]:0", admin_listen="[::1]:0")
    assert render.address[0] == "::1"
    assert hit(render.address, "/six") == 1


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("key", ["listen", "admin_listen"])
def test_a_port_in_use_is_reported_in_one_line(name, key):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(name, env=as_environment({
            **RIGHT[name], "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0",
            key: f"127.0.0.1:{port}"}))
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "level=error" in line]
    assert len(errors) == 1 and "127.0.0.1" in errors[0] and str(port) in errors[0], done.stderr


def test_the_number_of_workers_is_as_configured(stage):
    service = stage.service("render-svc", {**RIGHT["render-svc"], "workers": 3})
    threads = len(os.listdir(f"/proc/{service.pid}/task"))
    assert 3 <= threads <= 3 + 4  # the main thread, and the one that looks names up
    assert get(service.admin, "/live").status == 200


# --- the command line


@pytest.mark.parametrize("name", BOTH)
def test_help_names_every_key_with_its_variable(name):
    done = run(name, "--help")
    assert done.returncode == 0 and done.stderr == ""
    keys = {"listen", "admin_listen", "log_level", "access_log", "drain_ms", "shutdown_ms",
            "idle_ms", "counter_token", "sandbox"}
    keys |= {"counter-svc": {"postgres_user", "postgres_pw", "postgres_db", "postgres_url",
                             "postgres_pw_previous", "counter_token_previous", "lane_ttl_s",
                             "max_paths", "max_cached_bytes", "max_unfolded", "fold_interval_ms"},
             "render-svc": {"workers", "counter_url", "request_deadline_ms", "max_waiting", "call_deadline_ms",
                            "lanes", "max_reads", "max_exports", "max_watchers", "max_watched_views"}}[name]
    for key in keys:
        assert re.search(rf"\b{key}\b", done.stdout), key
        assert key.upper() in done.stdout, key.upper()
    for option in ("--config", "--check-config", "--probe", "--version"):
        assert option in done.stdout


@pytest.mark.parametrize("name", BOTH)
def test_version_prints_name_and_version(name):
    done = run(name, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{name} \S+\n", done.stdout)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("arguments", [["--nonsense"], ["--config"], ["extra"], ["-x"],
                                       ["--check-config", "--probe"]])
def test_a_wrong_command_line_ends_with_one_line_and_status_2(name, arguments):
    done = run(name, *arguments, env=as_environment(RIGHT[name]))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr


# --- --probe


@pytest.mark.parametrize("name", BOTH)
def test_the_probe_succeeds_while_the_service_lives(stage, name):
    admin = f"127.0.0.1:{free_port()}"
    keys = {**RIGHT[name], "admin_listen": admin}
    env = as_environment(keys)
    assert run(name, "--probe", env=env).returncode == 1  # no service listens
    service = stage.service(name, keys)
    assert run(name, "--probe", env=env).returncode == 0  # alive, although it is not ready
    service.freeze()
    assert run(name, "--probe", env=env).returncode == 1
    service.thaw()
    until(lambda: run(name, "--probe", env=env).returncode == 0, "the service to answer again")


@pytest.mark.parametrize("name", BOTH)
def test_a_failed_probe_reports_the_reason(name):
    done = run(name, "--probe", env=as_environment(
        {**RIGHT[name], "admin_listen": f"127.0.0.1:{free_port()}"}))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


# --- the admin listener


@pytest.mark.parametrize("name", BOTH)
def test_the_admin_listener_answers_live_and_ready_and_nothing_else(stage, name):
    service = stage.service(name, RIGHT[name])
    assert get(service.admin, "/live").status == 200
    assert ask(service.admin, "HEAD", "/live").status == 200
    assert get(service.admin, "/ready").status == 503
    assert get(service.admin, "/ready").text.strip()
    assert "s3cret" not in get(service.admin, "/ready").text
    for target in ("/", "/nowhere", "/v1/totals", "/live/", "/-/icon.svg", "/?/live", "/nowhere?/live"):
        assert get(service.admin, target).status == 404, target
    answer = ask(service.admin, "POST", "/live")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("name", BOTH)
def test_the_admin_listener_ignores_queries(stage, name):
    service = stage.service(name, RIGHT[name])
    for query in ("?", "?x", "?x=1", "?x=1&x=2", "??", "?a/b", "?%zz"):
        assert get(service.admin, "/live" + query).text == "live\n"
        # both are not ready, and the reason may change between two requests
        assert get(service.admin, "/ready" + query).text.startswith("not ready: ")
        assert "pathcount_build_info" in get(service.admin, "/metrics" + query).text


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("target", ["/", "*", "/live", "/ready", "/metrics?x=1", "/nowhere"])
def test_the_admin_listener_answers_options(stage, name, target):
    service = stage.service(name, RIGHT[name])
    answer = ask(service.admin, "OPTIONS", target)
    assert (answer.status, answer.header("allow")) == (204, "GET, HEAD, OPTIONS")


def test_both_services_become_ready(stage):
    pair = stage.pair()
    for service in (pair.counter, pair.render):
        assert get(service.admin, "/ready").status == 200


def test_render_is_not_ready_without_a_counter(stage):
    pair = stage.pair()
    pair.counter.kill()
    until(lambda: pair.render.ready().status == 503, "render-svc to notice")
    assert pair.render.ready().text.strip()
    pair.counter.restart()
    pair.render.until_ready(5)


@pytest.mark.parametrize("name", BOTH)
def test_the_admin_listener_is_on_loopback_unless_configured(name):
    line = next(line for line in run(name, "--help").stdout.splitlines() if "ADMIN_LISTEN" in line
                or re.search(r"\badmin_listen\b", line))
    assert "127.0.0.1:" in run(name, "--help").stdout[run(name, "--help").stdout.index(line):][:600]


def test_both_programs_are_built():
    for name in BOTH:
        assert os.path.isfile(program(name))
