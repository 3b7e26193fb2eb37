"""pathcount below a base path, behind nginx: one site passes the base path on, one strips it. Every link and
redirect stays below the base path."""

import contextlib
import html
import re
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest
import yaml

from harness.face import Watcher, rows_of
from harness.http import JSON, ask, get, hit
from harness.services import run
from harness.stage import Stage
from proxies import Proxy, documented

BASE = "/site/hits"
WAYS = ("kept", "stripped")


def site_of(way):
    """nginx as documented, with the two lines that the docs change for a base path."""
    site = documented("nginx")
    assert site.count("location / {") == 1 and site.count("proxy_pass http://pathcount;") == 1
    site = site.replace("location / {", f"location {BASE}/ {{")
    return site if way == "kept" else site.replace("http://pathcount;", "http://pathcount/;")


@pytest.fixture(scope="module", params=WAYS)
def site(request, cluster, tmp_path_factory):
    """A pair behind nginx; its first 150 paths have a row."""
    stage = Stage(cluster, tmp_path_factory.mktemp("site"))
    pair = stage.pair(render_keys={
        "base_path": BASE, "base_path_stripped": "true" if request.param == "stripped" else "false"})
    pair.api.count({f"/row/{n:03}": n + 1 for n in range(150)} | {"//two": 1, "/two": 1, "/<&>": 1, BASE + "/again": 1})
    with contextlib.ExitStack() as stack:
        nginx = stack.enter_context(Proxy(tmp_path_factory.mktemp("nginx"), "nginx", site_of(request.param),
                                          [pair.address, stage.wire(pair.render).address]))
        yield SimpleNamespace(pair=pair, address=nginx.address, way=request.param)
    stage.close()


def links_of(answer):
    return {html.unescape(link) for link in re.findall(r'(?:href|src|action|data-from)="([^"]+)"', answer.text)}


PAGES = ["/row/003", "/", "/new", "/-/", "/-/paths", "/-/paths?prefix=/row/&limit=5",
         "/-/paths?order=path&limit=9&after=/row/05",
         "/-/paths?prefix=/none", "/-/paths/row/003", "/-/paths//two", "/-/nothing"]


@pytest.mark.parametrize("target", PAGES)
def test_every_link_is_below_the_base_and_works(site, target):
    if site.way == "stripped":
        target = target.replace("//", "/")  # as nginx does
    answer = get(site.address, BASE + target)
    assert answer.media_type == "text/html"
    links = links_of(answer) - {"#main", "#v"}
    assert len(links) >= 5
    for link in links:
        assert link.startswith(BASE + "/"), link
        if "/-/live" in link:
            continue
        resolved = urljoin(f"http://a{BASE}{target}", link).removeprefix("http://a")
        assert ask(site.address, "HEAD", resolved).status == 200, link


def test_hits_are_counted_without_the_base(site):
    for path in ("/one", "/", "/one/two", BASE + "/inside", "/caf%C3%A9"):
        before = site.pair.ledger.count(path.replace("%C3%A9", "é"))
        assert get(site.address, BASE + path, JSON).json()["path"] == path.replace("%C3%A9", "é")
        assert site.pair.ledger.count(path.replace("%C3%A9", "é")) == before + 1
    for target in ("/-/hit/image.gif", "/-/hit/image.svg"):
        assert get(site.address, BASE + target).status == 200
    assert ask(site.address, "POST", BASE + "/-/hit/image", body=b"").status == 204
    assert site.pair.ledger.count("/image") == 3


def test_links_in_json_are_below_the_base(site):
    target, seen = BASE + "/-/paths?limit=40&format=json", []
    while target is not None:
        page = get(site.address, target).json()
        seen += rows_of(page)
        target = page["next"]
        assert target is None or target.startswith(BASE + "/-/paths?")
    assert len(set(path for path, _ in seen)) == len(seen) >= 150


def test_a_redirect_stays_below_the_base(site):
    answer = get(site.address, BASE + "/-/paths?before=999999:/&limit=7")
    assert answer.status == 303 and answer.header("location").endswith(BASE + "/-/paths?limit=7")
    assert urljoin("http://a/", answer.header("location")).split("/", 3)[3] == BASE[1:] + "/-/paths?limit=7"


def test_live_works_below_the_base(site):
    with Watcher(site.address, "?prefix=/watched", at=BASE) as watcher:
        watcher.next()
        assert hit(site.address, BASE + "/watched/" + site.way) == 1
        watcher.until(lambda data: ("/watched/" + site.way, 1) in rows_of(data))


def test_openapi_names_the_base_as_its_server(site):
    document = yaml.safe_load(get(site.address, BASE + "/-/openapi.yml").body)
    assert [server["url"] for server in document["servers"]] == [BASE] and "/-/paths" in document["paths"]


def test_examples_contain_the_base(site):
    text = html.unescape(get(site.address, BASE + "/-/").text)
    examples = re.findall(r"http://[^'\"\s]*", text)
    assert len(examples) > 8 and all(re.fullmatch(r"http://[^/]*" + BASE + "/.*", one) for one in examples)


def test_paths_outside_the_base_are_not_counted(site):
    """Sent to render-svc itself, with the base path kept. nginx passes on nothing else."""
    if site.way == "stripped":
        assert hit(site.pair.address, "/direct") == 1
        return
    before = site.pair.ledger.totals()
    for target, status in (("/direct", 404), ("/", 404), ("/-/paths", 404), (BASE + "x", 404), ("/site", 404),
                           (BASE + "/../x", 404), ("/-/health", 404), (BASE, 308), (BASE + "/%zz", 400)):
        answer = get(site.pair.address, target)
        assert answer.status == status, target
        if status == 308:
            assert answer.header("location") == BASE + "/"
    assert site.pair.ledger.totals() == before
    assert hit(site.pair.address, "/x/.." + BASE + "//y") == 1 == site.pair.ledger.count("//y")
    assert ask(site.pair.address, "OPTIONS", "*").status == 204


def test_the_base_does_not_count_towards_the_length_of_a_path(site):
    assert get(site.address, BASE + "/" + "a" * 2047, JSON).status == 200
    assert get(site.address, BASE + "/" + "a" * 2048, JSON).status == 414


@pytest.mark.parametrize("base", ["hits", "/", "/hits/", "//hits", "/a//b", "/a/../b", "/a b", "/é", "/<b>",
                                  "/" + "a" * 200])
def test_an_invalid_base_is_reported(base):
    done = run("render-svc", "--check-config", env={"COUNTER_TOKEN": "t", "BASE_PATH": base})
    assert done.returncode == 2 and "base_path must be segments" in done.stderr


def test_base_path_stripped_needs_a_base_path():
    done = run("render-svc", "--check-config", env={"COUNTER_TOKEN": "t", "BASE_PATH_STRIPPED": "true"})
    assert done.returncode == 2 and "there is no base_path" in done.stderr
