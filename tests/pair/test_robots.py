"""Headers and the file for robots. Python's own parser reads robots.txt."""

import urllib.robotparser

import pytest

from harness.face import Face
from harness.http import ask, get, hit


@pytest.fixture(scope="module")
def denying(module_stage):
    return module_stage.pair(render_keys={"robots": "deny", "path_lower_case": "true"})


def test_robots_txt_denies_all_robots_and_is_not_counted(denying):
    before = denying.ledger.totals()
    for target in ("/robots.txt", "/robots.txt?x", "/./robots.txt", "/Robots.TXT"):
        answer = Face(denying.address).get(target)
        assert answer.status == 200 and answer.media_type == "text/plain"
        parser = urllib.robotparser.RobotFileParser()
        parser.parse(answer.text.splitlines())
        assert not any(parser.can_fetch(agent, path)
                       for agent in ("*", "Googlebot") for path in ("/", "/a", "/-/paths"))
    assert ask(denying.address, "HEAD", "/robots.txt").status == 200
    assert ask(denying.address, "OPTIONS", "/robots.txt").status == 204
    assert denying.ledger.totals() == before
    assert get(denying.address, "/-/paths/robots.txt").status == 404


def test_other_paths_are_counted(denying):
    assert [hit(denying.address, path) for path in ("/robots.txt/", "/robots", "/a/robots.txt")] == [1, 1, 1]


def test_by_default_robots_txt_is_counted_like_any_path(pair):
    assert hit(pair.address, "/robots.txt") == 1


@pytest.mark.parametrize("target", ["/page", "/-/", "/-/paths", "/-/paths/page", "/-/nothing", "/%zz"])
def test_pages_forbid_indexing_and_following(pair, target):
    hit(pair.address, "/page")
    answer = get(pair.address, target)
    assert answer.media_type == "text/html" and answer.header("x-robots-tag") == "noindex, nofollow"
