"""Helpers of test_badges.py and test_beacon.py."""

import xml.etree.ElementTree

import pytest

from harness.face import Face

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def face(pair):
    return Face(pair.address)


def texts(answer):
    """The texts of a badge, without shadows. Checks that it is SVG and contains only shapes."""
    assert answer.status == 200 and answer.media_type == "image/svg+xml", answer.start
    root = xml.etree.ElementTree.fromstring(answer.body)
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds <= {"svg", "title", "g", "text", "rect", "clipPath", "linearGradient", "stop"}
    for element in root.iter():
        assert not any(name.startswith("on") or "href" in name or name == "style" for name in element.attrib)
    shown = [element.text for element in root.iter(SVG + "text") if element.get("aria-hidden") is None]
    assert root.find(SVG + "title").text == root.get("aria-label")
    return shown


def assert_is_for_all_origins(answer, origin):
    """Checks that a page of this origin may read the answer, with or without credentials."""
    assert answer.header("access-control-allow-origin") == origin
    assert answer.header("access-control-allow-credentials") == "true"
    assert answer.header("vary") == "origin"
    assert answer.header("cross-origin-resource-policy") == "cross-origin"
