"""Requests that cannot be counted get an error with the reason, count nothing, and affect no other request."""

import random
import re
from urllib.parse import quote

import pytest

from harness import contract, page
from harness.http import JSON, Connection, get, hit
from harness.proxy import Gate
from harness.wait import Later

BAD_ESCAPES = ["/%", "/%4", "/%zz", "/a%2", "/%%41", "/%-1", "/%0x", "/a%", "/%+1"]

WITH_NUL = ["/%00", "/a%00b", "/a/%00"]

NOT_UTF8 = [
    "/%ff", "/%80", "/%c3", "/%c3%28", "/%e2%82", "/%f0%9f%98",  # an incomplete sequence
    "/%c0%af", "/%e0%80%af", "/%f0%80%80%af",  # an overlong sequence
    "/%ed%a0%80", "/%ed%bf%bf",  # surrogates
    "/%f4%90%80%80", "/%f8%88%80%80%80",  # beyond U+10FFFF
    b"/raw\xff", b"/raw\xc3",
]

TOO_LONG = ["/" + "a" * 2048, "/" + "%61" * 2048, "/" + "%C3%A9" * 1024, "/" + "a" * 7000]

REFUSED = ([(target, 400) for target in BAD_ESCAPES + WITH_NUL + NOT_UTF8]
           + [(target, 414) for target in TOO_LONG])


def short(value):
    return str(value)[:30]


@pytest.mark.parametrize("target, status", REFUSED, ids=short)
def test_a_browser_gets_a_small_error_page(pair, target, status):
    answer = get(pair.address, target)
    assert answer.status == status
    assert len(page.read(answer).outside.split()) >= 3
    assert len(answer.body) < 4096


@pytest.mark.parametrize("target, status", REFUSED, ids=short)
def test_json_clients_get_a_problem_document(pair, target, status):
    answer = get(pair.address, target, JSON)
    assert answer.status == status
    contract.check_problem(answer)


@pytest.mark.parametrize("targets, word", [
    (BAD_ESCAPES, "escape|percent"), (WITH_NUL, "NUL"), (NOT_UTF8, "UTF-8"), (TOO_LONG, "2,?048")])
def test_a_refusal_names_the_error(pair, targets, word):
    for target in targets:
        assert re.search(word, get(pair.address, target, JSON).json()["detail"], re.I), target
        assert re.search(word, page.read(get(pair.address, target)).outside, re.I), target


@pytest.mark.parametrize("target", ["/<b>%zz", '/"%zz', "/%3Cscript%3E%zz"])
def test_a_refused_value_is_not_echoed_as_markup(pair, target):
    text = get(pair.address, target.encode()).text
    assert "<b>" not in text and "<script>" not in text


def test_refused_requests_are_not_counted(pair):
    before = pair.ledger.totals_by_scanning()
    for target, status in REFUSED:
        assert get(pair.address, target).status == status
    assert pair.ledger.totals_by_scanning() == before


def test_the_connection_outlives_a_refusal(pair):
    with Connection(pair.address) as connection:
        for target, status in REFUSED[:6]:
            assert connection.ask("GET", target).status == status
        assert connection.ask("GET", "/good").status == 200


def test_a_path_of_2048_bytes_is_accepted(pair):
    for path in ("/" + "b" * 2047, "/" + "é" * 1023 + "c"):
        assert hit(pair.address, path) == 1
        assert pair.ledger.count(path) == 1


def test_the_limit_applies_to_the_canonical_path(pair):
    assert hit(pair.address, "/" + "%64" * 2047) == 1
    assert hit(pair.address, "/" + "e" * 2047 + "?" + "query" * 100) == 1
    assert hit(pair.address, "/x/../" + "f" * 2047) == 1


def test_a_refused_request_does_not_affect_the_others_of_a_batch(stage):
    pair = stage.pair(render_keys={"lanes": 1})
    hit(pair.address, "/first")
    gate = Gate()
    pair.proxy.next(gate, "POST", "/v1/hits")
    held = Later(hit, pair.address, "/first")
    gate.until_held()
    good = [Later(hit, pair.address, f"/good/{n}") for n in range(10)]
    for target, status in REFUSED:
        assert get(pair.address, target).status == status  # the refusal comes at once, while the others wait
    good += [Later(hit, pair.address, f"/good/{n}") for n in range(10, 20)]
    assert not any(one.done for one in good)
    gate.open()
    assert held.result() == 2
    assert [one.result() for one in good] == [1] * 20
    assert len(pair.proxy.batches) < 15  # they were sent in one batch
    assert pair.ledger.totals_by_scanning() == {"paths": 21, "hits": 22}


def test_the_longest_incompressible_paths_fit_the_ledger(stage):
    pair = stage.pair()
    letters = [chr(n) for n in range(0x100, 0x2000) if chr(n).isalpha()]
    chance = random.Random(1)
    paths = ["/" + "".join(chance.choices(letters, k=600)) for _ in range(120)]
    paths = [path.encode()[:2048].decode("utf-8", "ignore") for path in paths]
    hits = [Later(hit, pair.address, quote(path)) for path in paths]
    assert [one.result() for one in hits] == [1] * 120
    assert set(pair.ledger.counts()) == set(paths)
