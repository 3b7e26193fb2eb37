"""Normalisation of paths, everywhere that a path is counted or looked up."""

from urllib.parse import quote

import pytest

from harness.face import Face, Watcher, read_csv, rows_of
from harness.http import JSON, get, hit

ALL = {"path_lower_case": "true", "path_collapse_slashes": "true", "path_strip_index": "true",
       "path_strip_slash": "true"}


@pytest.fixture(scope="module")
def normal(module_stage):
    """A pair that normalises everything, and a second render-svc that normalises nothing."""
    pair = module_stage.pair(render_keys=ALL)
    pair.face = Face(pair.address)
    pair.as_it_is = module_stage.render(pair.counter).address
    return pair


def test_a_visit_counts_the_normalised_path(normal):
    for number, target in enumerate(("/blog/post", "/Blog//Post/", "/blog/post/index.html", "//BLOG/POST/INDEX.HTML/"),
                                    1):
        document = get(normal.address, target, JSON).json()
        assert (document["path"], document["count"]) == ("/blog/post", number)
    assert normal.ledger.counts().keys() & {"/Blog//Post/", "/blog/post/"} == set()
    assert hit(normal.address, quote("/É/")) == 1 == normal.ledger.count("/é")


def test_every_way_to_count_normalises(normal):
    for method, target, status in (("GET", "/-/hit/Ways/.svg", 200), ("GET", "/-/hit//WAYS/index.html.gif", 200),
                                   ("POST", "/-/hit/Ways//", 204)):
        assert normal.face.ask(method, target).status == status
    assert normal.ledger.count("/ways") == 3
    answer = normal.face.ask("POST", "/-/hit/WAYS", {"Accept": "application/json"})
    assert answer.json() == {"path": "/ways", "count": 4}


def test_every_view_normalises(normal):
    normal.api.count({"/looked/up": 7})
    assert normal.face.path("//Looked/UP/index.html")["count"] == 7
    assert ">7</text>" in normal.face.get("/-/badge/LOOKED//up/.svg").text
    assert rows_of(normal.face.json("/-/paths?prefix=//LOOKED/")) == [("/looked/up", 7)]
    assert read_csv(normal.face.get("/-/paths?format=csv&prefix=Looked")) == [["/looked/up", "7"]]
    with Watcher(normal.address, "?prefix=/LOOKED") as watcher:
        assert rows_of(watcher.next()[2]) == [("/looked/up", 7)]


def test_a_prefix_keeps_its_slash(normal):
    normal.api.count({"/pre/a": 2, "/prefix": 1})
    assert rows_of(normal.face.json("/-/paths?prefix=/PRE/")) == [("/pre/a", 2)]


def test_paths_stay_different_without_rules(normal):
    for target in ("/Off", "/off", "/off/", "//off", "/off/index.html"):
        assert hit(normal.as_it_is, target) == 1
    assert normal.face.path("/OFF/")["count"] == 1


def test_each_rule_works_alone(stage):
    pair = stage.pair(render_keys={"path_strip_slash": "true"})
    assert [hit(pair.address, target) for target in ("/a", "/a/", "/a//", "/A", "/a/index.html")] == [1, 2, 3, 1, 1]


@pytest.mark.parametrize("target", ["//-/paths", "//-//hit/a", "/-/hit//-/x.gif"])
def test_a_path_that_becomes_reserved_by_normalisation_is_refused(normal, target):
    before = normal.ledger.totals()
    assert get(normal.address, target, JSON).status == 400
    assert normal.ledger.totals() == before


def test_the_length_limit_applies_to_the_normalised_path(normal):
    assert get(normal.address, "/" + "l" * 2047 + "/", JSON).status == 200
    grows = quote("/" + "Ⱥ" * 900)
    assert get(normal.address, grows, JSON).status == 414
    assert normal.face.get("/-/paths" + grows, JSON).status == 414
    assert normal.face.get("/-/paths?format=json&prefix=" + grows).status == 400
