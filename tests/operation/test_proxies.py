"""pathcount behind nginx, HAProxy and Caddy, each configured as docs/proxies.md says."""

import contextlib
import re
import subprocess
import time
from types import SimpleNamespace

import pytest

from harness.face import Watcher, rows_of
from harness.http import JSON, MINIMAL, Connection, ask, get, hit
from harness.load import audit
from harness.proxy import forward, refuse, swallow
from harness.stage import Stage
from harness.wait import Later, PATIENCE_S, until
from harness.wire import reset
from proxies import Proxy, documented

LANGUAGES = ("nginx", "haproxy", "caddyfile")
each_proxy = pytest.mark.parametrize("language", LANGUAGES)

PLAIN = {
    "nginx": "server { listen 80; location / { proxy_pass http://10.0.0.1:9090; } }",
    "haproxy": "defaults\n mode http\n timeout connect 2s\n timeout client 60s\n timeout server 60s\n"
               "listen web\n bind :80\n option httpchk\n server a 10.0.0.1:9090 check inter 200ms\n",
}
EXPORT = "/-/paths?format=csv&prefix=/rows"
ROWS = {f"/rows/{n:05}/{'x' * 90}": 1 for n in range(2500)}


@pytest.fixture(scope="module")
def site(cluster, tmp_path_factory):
    """A pair, two addresses of its render-svc, which stand for two hosts, and each proxy in front of both."""
    stage = Stage(cluster, tmp_path_factory.mktemp("site"))
    pair = stage.pair(render_keys={"call_deadline_ms": 1000, "request_deadline_ms": 2000})
    pair.api.count_all(ROWS, 1000)
    hosts = [stage.wire(pair.render) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        proxies = {language: stack.enter_context(Proxy(
            tmp_path_factory.mktemp(language), language, documented(language),
            [host.address for host in hosts])) for language in LANGUAGES}
        yield SimpleNamespace(stage=stage, pair=pair, hosts=hosts, proxies=proxies)
    stage.close()


@contextlib.contextmanager
def before(site, at):
    """Replaces both hosts by another server for the time of the block."""
    usual = [host.target for host in site.hosts]
    for host in site.hosts:
        host.target = at.address
        host.cut_all()
    try:
        yield
    finally:
        for host, target in zip(site.hosts, usual):
            host.target = target
            host.cut_all()


def answered_503(passage, _data):
    """An action that replaces the answer by a 503."""
    passage.send(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")


def closed(passage, _data):
    """An action that closes the connection instead of answering."""
    passage.close()


@contextlib.contextmanager
def treating(site, mishap):
    """Applies an action to every answer of either host for the time of the block, except those to the proxies'
    health checks."""
    def treatment(passage, data):
        (type(passage).send if data.endswith(b"\r\n\r\nready\n") else mishap)(passage, data)

    with contextlib.ExitStack() as stack:
        for host in site.hosts:
            stack.enter_context(host.treating(treatment))
        yield


def cut_in_the_head(passage, data):
    """An action that closes the connection in the middle of an answer's head."""
    passage.send(data[:20])
    passage.close()


def the_proxy(site, language):
    """The address of a proxy, once it has a healthy host."""
    address = site.proxies[language].address
    until(lambda: get(address, "/-/health").status == 200, f"{language} to have a host")
    return address


# --- hits

@each_proxy
def test_hits_are_counted_once(site, language):
    paths = [f"/load/{language}/{n}" for n in range(3)]
    load = site.stage.load([the_proxy(site, language)], paths, clients=8)
    load.until_acknowledged(200)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost
    assert audit(tally, {path: site.pair.ledger.count(path) for path in paths})


@pytest.mark.parametrize("mishap, status", [(reset, 502), (closed, 502), (cut_in_the_head, 502), (answered_503, 503)],
                         ids=["reset", "closed", "cut", "answered 503"])
@pytest.mark.parametrize("method, target", [("GET", "/twice"), ("POST", "/-/hit/twice")])
@each_proxy
def test_a_request_is_not_sent_twice(site, language, mishap, status, method, target):
    """Its hit is counted. The action is applied at both hosts."""
    address, path = the_proxy(site, language), f"/{language}-{mishap.__name__}-{method}"
    for n in range(4):  # make connections that can be reused
        hit(address, f"/warm/{language}/{n}")
    with treating(site, mishap):
        answer = ask(address, method, target + path, body=b"" if method == "POST" else None)
    assert answer.status == status
    assert site.pair.ledger.count("/twice" + path) == 1


ODD = {
    "/a//b": "/a//b", "//a": "//a", "/a/./b": "/a/b", "/a/../b": "/b", "/a/": "/a/", "/A": "/A",
    "/a%2Fb": "/a/b", "/%61": "/a", "/a%20b": "/a b", "/a+b": "/a+b", "/caf%C3%A9": "/café", "/a;b=1": "/a;b=1",
    "/a%3Fb": "/a?b", "/a%23b": "/a#b", "/%2561": "/%61", "/a%5Cb": "/a\\b", "/a?b=//c&d": "/a", "/a?": "/a",
    "/~!$&'()*,=:@": "/~!$&'()*,=:@", "/a%0Ab": "/a\nb", "/" + "a" * 2040: "/" + "a" * 2040}


@each_proxy
def test_paths_arrive_as_they_were_sent(site, language):
    with Connection(the_proxy(site, language)) as connection:
        found = {target: connection.ask("GET", "/odd" + target, MINIMAL).json()["path"] for target in ODD}
    assert found == {target: "/odd" + path if path != "/b" else "/odd/b" for target, path in ODD.items()}


@each_proxy
def test_proxies_use_http_1_1(site, language):
    seen = site.stage.proxy(site.pair.render)
    with before(site, seen):
        assert get(the_proxy(site, language), "/version").status == 200
    assert {exchange.request.start for exchange in seen.seen if exchange.path == "/version"} == {
        "GET /version HTTP/1.1"}


# --- time

def test_the_deadline_of_pathcount_comes_before_those_of_proxies(site):
    """With render-svc's default deadline. All proxies wait at the same time."""
    to_counter = site.stage.proxy(site.pair.counter)
    render = site.stage.render(to_counter)
    to_counter.always(swallow, "POST", "/v1/hits")
    with before(site, render):
        answers = [Later(get, the_proxy(site, language), "/deadline", JSON) for language in LANGUAGES]
        for answer in (later.result(30) for later in answers):
            assert answer.status == 503 and "could not be counted in time" in answer.json()["detail"]


@each_proxy
def test_a_stream_is_not_buffered(site, language):
    path = f"/stream/{language}"
    with Watcher(the_proxy(site, language), f"?prefix={path}") as watcher:
        assert rows_of(watcher.next()[2]) == []
        for number in (1, 2):
            assert hit(site.pair.render.address, path) == number
            watcher.until(lambda data, number=number: (path, number) in rows_of(data))


def test_a_stream_outlives_the_timeouts_of_the_proxies(site):
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(the_proxy(site, language), "?prefix=/quiet"))
                    for language in LANGUAGES]
        for watcher in watchers:
            watcher.next()
        time.sleep(32)  # longer than the proxies' longest timeout, 30 s
        hit(site.pair.render.address, "/quiet")
        for watcher in watchers:
            watcher.until(lambda data: ("/quiet", 1) in rows_of(data))


# --- exports

def curl(address, version):
    """Requests an export. Returns curl's exit status and the number of rows that it got."""
    done = subprocess.run(["curl", "--silent", "--fail", version, "http://%s:%d" % address + EXPORT],
                          capture_output=True, timeout=PATIENCE_S, check=False)
    return done.returncode, len(re.findall(rb"^/rows/.*,1\r$", done.stdout, re.MULTILINE))


@contextlib.contextmanager
def counter_gone_after_a_page(site):
    """counter-svc answers the first page of an export, and no other."""
    site.pair.proxy.always(lambda exchange: (refuse if "after=" in exchange.request.target else forward)(
        exchange), "GET", "/v1/paths")
    try:
        yield
    finally:
        site.pair.proxy.forget_plans()


@each_proxy
@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
def test_an_export_arrives_completely(site, language, version):
    assert curl(the_proxy(site, language), version) == (0, len(ROWS))


@pytest.mark.parametrize("how", ["as documented", "plainly"])
@pytest.mark.parametrize("language", PLAIN)
def test_an_export_that_is_cut_short_is_an_error(site, tmp_path, language, how):
    """18: the connection was closed before the last chunk. Caddy 2.6 sends that chunk nevertheless."""
    with contextlib.ExitStack() as stack:
        if how == "plainly":
            address = stack.enter_context(
                Proxy(tmp_path, language, PLAIN[language], [site.hosts[0].address])).address
        else:
            address = the_proxy(site, language)
        stack.enter_context(counter_gone_after_a_page(site))
        status, rows = curl(address, "--http1.1")
    assert status == 18 and 0 < rows < len(ROWS)


# --- health

def test_haproxy_s_default_check_finds_the_server_up(site, tmp_path):
    with Proxy(tmp_path, "haproxy", PLAIN["haproxy"], [site.hosts[0].address]) as proxy:
        until(lambda: proxy.servers()["a"]["check_status"] == "L7OK", "the check to pass")
        assert proxy.servers()["a"]["status"] == "UP" and proxy.servers()["a"]["check_code"] == "204"


def test_hosts_that_cannot_count_are_removed_and_return(site, tmp_path):
    """Proxies with a check of /-/health remove such a host before they send a hit there."""
    counter = site.stage.counter(site.stage.ledger())
    well, ill = site.pair.render, site.stage.render(counter)
    with contextlib.ExitStack() as stack:
        proxies = []
        for language in ("haproxy", "caddyfile"):
            folder = tmp_path / language
            folder.mkdir()
            proxies.append(stack.enter_context(Proxy(
                folder, language, documented(language), [well.address, ill.address])))
        counter.kill()
        until(lambda: get(ill.address, "/-/health").status == 503, "the loss of counter-svc to be noticed")
        haproxy = proxies[0]
        until(lambda: haproxy.servers()["b"]["status"] == "DOWN", "HAProxy to mark the host as down")
        assert haproxy.servers()["a"]["status"] == "UP"
        for proxy in proxies:
            until(lambda proxy=proxy: all(ask(proxy.address, "HEAD", "/-/health").status == 200 for _ in range(20)),
                  "no request to go there")
            assert [get(proxy.address, "/left/out").status for _ in range(10)] == [200] * 10
        counter.restart()
        until(lambda: haproxy.servers()["b"]["status"] == "UP", "HAProxy to mark the host as up")
