"""Badges: images that show the count of a path."""

import xml.etree.ElementTree
from urllib.parse import quote, urlencode

import jsonschema
import pytest

from beacon_helpers import assert_is_for_all_origins, face, texts  # noqa: F401 (fixtures)

HOSTILE = ["<script>alert(1)</script>", '"><svg onload=alert(1)>', "'", "]]>", "&amp;", "&#x3c;", "<!--",
           "\u202eabc", "\U0010fffd", "é", "日本語", "\u00a0", "a" * 256]


# --- badges


def test_a_badge_shows_the_count_and_counts_nothing(pair, face):
    pair.api.count({"/badge/d": 1234567, "/badge/d/e": 5})
    for _ in range(3):
        assert texts(face.get("/-/badge/badge/d.svg")) == ["hits", "1,234,567"]
    assert pair.ledger.count("/badge/d") == 1234567


def test_a_badge_of_a_path_that_was_never_counted_shows_0(pair, face):
    pair.api.count({"/never/one": 3})
    assert texts(face.get("/-/badge/never.svg")) == ["hits", "0"]
    assert texts(face.get("/-/badge/never/on.svg")) == ["hits", "0"]


@pytest.mark.parametrize("query, seconds", [
    ("", 60), ("cacheSeconds=0", 60), ("cacheSeconds=60", 60), ("cacheSeconds=86400", 86400),
    ("cacheSeconds=99999999999", 31536000)])
def test_a_badge_may_be_cached_for_a_minute_or_longer(face, query, seconds):
    answer = face.get("/-/badge/kept.svg?" + query)
    assert answer.header("cache-control") == f"public, max-age={seconds}"
    assert answer.header("vary") == "origin"


def test_a_badge_that_counts_is_never_cached(pair, face):
    for number in (1, 2):
        answer = face.get("/-/hit/never/kept.svg?cacheSeconds=86400")
        assert texts(answer) == ["hits", str(number)]
        assert answer.header("cache-control") == "no-store"


def test_a_badge_can_show_a_short_number(pair, face):
    """Its title has the whole number, for screen readers and the tooltip."""
    pair.api.count({"/short": 12_344})
    answer = face.get("/-/badge/short.svg?numbers=short")
    assert texts(answer) == ["hits", "12.3k"]
    assert xml.etree.ElementTree.fromstring(answer.body).get("aria-label") == "hits: 12,344"
    assert texts(face.get("/-/hit/short.svg?numbers=short&label=")) == ["12.3k"]
    assert texts(face.get("/-/badge/short.svg?numbers=full")) == ["hits", "12,345"]


SHIELDS = {  # from https://shields.io/badges/endpoint-badge
    "type": "object", "required": ["schemaVersion", "label", "message"], "additionalProperties": False,
    "properties": {
        "schemaVersion": {"const": 1}, "label": {"type": "string"}, "message": {"type": "string", "minLength": 1},
        "color": {"pattern": "^[0-9a-f]{6}$"}, "labelColor": {"pattern": "^[0-9a-f]{6}$"},
        "style": {"enum": ["flat", "flat-square", "plastic", "for-the-badge", "social"]},
        "cacheSeconds": {"type": "integer", "minimum": 60}}}


@pytest.mark.parametrize("query, expected", [
    ("", {"label": "hits", "message": "1,234,567", "color": "007ec6", "labelColor": "555555", "style": "flat",
          "cacheSeconds": 60}),
    ("&numbers=short&label=a%22b&color=red&style=plastic&cacheSeconds=600", {
        "label": 'a"b', "message": "1.2M", "color": "e05d44", "style": "plastic", "cacheSeconds": 600})])
def test_format_shields_returns_json_of_the_schema_of_shields_io(pair, face, query, expected):
    path = f"/shields/{len(query)}"
    pair.api.count({path: 1234567})
    answer = face.get(f"/-/badge{path}.svg?format=shields{query}", {"Origin": "https://a.example"})
    assert answer.status == 200 and answer.media_type == "application/json"
    jsonschema.validate(answer.json(), SHIELDS)
    assert expected.items() <= answer.json().items()
    assert answer.header("cache-control").startswith("public, max-age=")
    assert_is_for_all_origins(answer, "https://a.example")
    assert pair.ledger.count(path) == 1234567
    assert face.get("/-/badge/never/shields.svg?format=shields").json()["message"] == "0"


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.parametrize("style", ["flat", "for-the-badge"])
def test_a_label_is_shown_as_text(face, label, style):
    query = urlencode({"label": label, "style": style})
    shown, number = texts(face.get("/-/badge/label.svg?" + query))
    assert number == "0"
    assert shown == label if style == "flat" else shown.lower() == label.lower()


@pytest.mark.parametrize("label", ["", "+", "%20++"])
def test_a_badge_without_a_label_has_only_the_number(face, label):
    assert texts(face.get("/-/badge/label.svg?label=" + label)) == ["0"]


def test_spaces_in_a_label_are_collapsed(face):
    assert texts(face.get("/-/badge/label.svg?label=++a++b+")) == ["a b", "0"]


def test_a_label_is_set_in_capitals_in_any_alphabet(face):
    query = urlencode({"label": "vus à présent: είδη", "style": "for-the-badge"})
    assert texts(face.get("/-/badge/label.svg?" + query)) == ["VUS À PRÉSENT: ΕΊΔΗ", "0"]


@pytest.mark.parametrize("query, color", [
    ("", "#007ec6"), ("color=red", "#e05d44"), ("color=BrightGreen", "#44cc11"), ("color=abc", "#aabbcc"),
    ("color=12F34e", "#12f34e"), ("color=%23fff", "#ffffff"), ("labelColor=000", "#000000")])
def test_colors_are_names_or_digits(face, query, color):
    assert f'fill="{color}"' in face.get("/-/badge/color.svg?" + query).text


@pytest.mark.parametrize("style", ["flat", "flat-square", "plastic", "for-the-badge"])
def test_each_style_looks_different(face, style):
    answer = face.get("/-/badge/style.svg?style=" + style)
    assert len(texts(answer)) == 2
    others = {face.get("/-/badge/style.svg?style=" + other).text
              for other in ("flat", "flat-square", "plastic", "for-the-badge")}
    assert answer.text in others and len(others) == 4


@pytest.mark.parametrize("query", [
    "color=", "color=nocolor", "color=12345", "color=1234567", "color=%22", "color=gg0000", "color=%23",
    "labelColor=url(x)", "style=round", "style=", "label=" + "a" * 257, "label=%00", "label=%0a", "label=%FF",
    "label=%EF%BF%BE", "label=%1b", "label=a&label=b", "label", "cacheSeconds=x", "cacheSeconds=", "numbers=long"])
@pytest.mark.parametrize("place", ["badge", "hit"])
def test_an_invalid_badge_is_400_and_counts_nothing(pair, face, place, query):
    answer = face.get(f"/-/{place}/refused.svg?{query}")
    assert (answer.status, answer.media_type) == (400, "application/problem+json")
    assert pair.ledger.count("/refused") == 0


OTHERS = ["cb=1", "v=2", "utm_source=a&utm_medium=b", "1732365296123", "maxAge=3600", "logo=github", "labl=x",
          "amp;style=plastic", "t=1&t=2", "x=%FF", "%zz", "&", "=", "cacheSeconds=60", "format=webp"]


@pytest.mark.parametrize("other", OTHERS)
def test_images_ignore_unknown_parameters(pair, face, other):
    path = "/others/" + quote(other, safe="")
    assert texts(face.get(f"/-/hit{path}.svg?{other}&label=a")) == ["a", "1"]
    assert texts(face.get(f"/-/badge{path}.svg?label=a&{other}")) == ["a", "1"]
    assert face.get(f"/-/hit{path}.gif?{other}").status == 200
    assert pair.ledger.count("/others/" + other) == 2


@pytest.mark.parametrize("target", ["/-/paths?prefx=/a", "/-/paths/a?fromat=json", "/-/live?oder=path"])
def test_a_misspelt_parameter_is_an_error_except_for_images(face, target):
    assert face.get(target).status == 400
