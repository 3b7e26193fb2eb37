"""render-svc's public API is what proto/public-api.yml says.

The client in harness.face holds every answer it gets against that file; here is the file itself.
"""

import os
import re

import pytest
import yaml

from harness import contract
from harness.face import Face
from harness.http import get
from harness.services import ROOT


@pytest.fixture(scope="module")
def face(pair):
    return Face(pair.address)


def test_the_contract_is_sound_in_itself():
    contract.PUBLIC.check_itself()


def test_the_contract_is_served(face):
    answer = face.get("/-/openapi.yml")
    assert answer.status == 200 and answer.media_type == "application/yaml"
    with open(os.path.join(ROOT, "proto", "public-api.yml"), "rb") as file:
        assert answer.body == file.read()
    assert yaml.safe_load(answer.body)["openapi"].startswith("3.1.")


@pytest.mark.parametrize("accept", [None, "application/json", "text/html"])
@pytest.mark.parametrize("target", ["/a", "/a%zz", "/" + "a" * 2049])
def test_visits_are_as_described(face, target, accept):
    face.get(target, {"Accept": accept} if accept else None)


def test_every_place_below_the_prefix_is_described(face):
    """The table of routes, read from its source, has nothing that the file leaves out."""
    with open(os.path.join(ROOT, "render-svc", "own.c"), encoding="utf-8") as file:
        routes = re.findall(r'{ROUTE_\w+, "(/-/[^"]*)", (true|false), (?:true|false), "([^"]*)"',
                            file.read())
    assert len(routes) >= 6
    described = {(method, template) for method, template, _ in contract.PUBLIC.operations()}
    for name, with_path, methods in routes:
        for method in set(methods.split(", ")) - {"HEAD"}:
            assert any(one == method and (template.startswith(name + "/") if with_path == "true"
                                          else template == name)
                       for one, template in described), f"{method} {name}"


@pytest.mark.parametrize("target", ["/-/paths", "/-/paths/a", "/-/live?limit=x", "/-/badge/a.svg",
                                    "/-/hit/a.gif", "/-/openapi.yml", "/-/nothing"])
def test_every_answer_has_the_headers_that_protect(pair, target):
    answer = get(pair.address, target)
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("referrer-policy") == "no-referrer"
    assert "default-src 'none'" in answer.header("content-security-policy")
    assert answer.header("cache-control")
