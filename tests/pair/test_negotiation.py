"""The client chooses the format of an answer (RFC 9110, 12.5.1; RFC 7240)."""

import pytest

from harness.http import get

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

HTML_WANTED = [
    None, "*/*", "text/html", "text/*", BROWSER, "text/html, application/json;q=0.9",
    "application/json;q=0.5, text/html;q=0.8", "application/json;q=0, */*", "application/json;q=0",
    "application/json;q=0.000, text/html;q=0.001", "text/plain, */*;q=0.1", "application/jsonp, */*",
]

JSON_WANTED = [
    "application/json", "APPLICATION/JSON", "application/*", "application/json, */*;q=0.1",
    "text/html;q=0.5, application/json", "text/html;q=0.8 , application/json;q=0.9",
    "text/html;q=0, application/json;q=0.1", "application/json;charset=utf-8", "*/*;q=0.1,application/json",
    "text/html;q=0.2,application/*;q=0.3", "application/json ; q=1.0", "text/html;q=0.998, application/json;q=0.999",
    " application/json ",
]

MINIMAL_WANTED = [
    "return=minimal", "Return=minimal", 'return="minimal"', "respond-async, return=minimal",
    "return=minimal; foo=bar", "return=minimal, wait=10", "wait=10,return=minimal",
]

FULL_WANTED = [None, "return=representation", "return", "return=minimalist", "respond-async",
               "xreturn=minimal", 'note="return=minimal"']


def headers(accept=None, prefer=None):
    return {name: value for name, value in (("Accept", accept), ("Prefer", prefer)) if value}


@pytest.mark.parametrize("accept", HTML_WANTED)
def test_clients_that_do_not_prefer_json_get_the_page(pair, accept):
    answer = get(pair.address, "/negotiated", headers(accept))
    assert (answer.status, answer.media_type) == (200, "text/html")


@pytest.mark.parametrize("accept", JSON_WANTED)
def test_clients_that_prefer_json_get_json(pair, accept):
    answer = get(pair.address, "/negotiated", headers(accept))
    assert (answer.status, answer.media_type) == (200, "application/json")


def test_several_accept_lines_are_one_list(pair):
    answer = get(pair.address, "/lines", {"Accept": "text/html;q=0.1", "accept": "application/json"})
    assert answer.media_type == "application/json"


@pytest.mark.parametrize("prefer", MINIMAL_WANTED)
def test_clients_that_prefer_a_minimal_return_get_path_and_count(pair, prefer):
    answer = get(pair.address, "/preferred", headers("application/json", prefer))
    assert set(answer.json()) == {"path", "count"}
    assert answer.header("preference-applied") == "return=minimal"


@pytest.mark.parametrize("prefer", FULL_WANTED)
def test_clients_that_do_not_prefer_a_minimal_return_get_everything(pair, prefer):
    answer = get(pair.address, "/preferred", headers("application/json", prefer))
    assert set(answer.json()) == {"path", "count", "totals", "rows"}
    assert answer.header("preference-applied") != "return=minimal"


def test_a_minimal_return_does_not_change_the_page(pair):
    answer = get(pair.address, "/page", headers("text/html", "return=minimal"))
    assert (answer.status, answer.media_type) == (200, "text/html")
    assert "<table" in answer.text


@pytest.mark.parametrize("accept", ["nonsense", ",,,", ";q=1", "application/json;q=abc",
                                    "a/b;q=2", "application/json;q=", "/", "q=0.5", "*"])
def test_a_malformed_preference_is_ignored(pair, accept):
    assert get(pair.address, "/malformed", headers(accept)).status == 200
