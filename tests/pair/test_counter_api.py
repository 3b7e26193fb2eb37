"""counter-svc's internal API conforms to proto/counter-api.yml.

The client in harness.api checks every answer, in every test of this folder, against that file. This module calls
every operation in every way.
"""

import json

import pytest

from harness import contract
from harness.api import BEARER
from harness.http import Connection, ask
from harness.services import TOKEN
from harness.wait import Later

from counter_api_helpers import api, batch, counter  # noqa: F401 (fixtures)

OPERATIONS = [
    ("POST", "/v1/lanes", None),
    ("POST", "/v1/hits", {"lane": 1, "sequence": 1, "paths": ["/a"], "hits": [1]}),
    ("GET", "/v1/paths", None), ("GET", "/v1/paths/a", None), ("GET", "/v1/totals", None),
    ("GET", "/v1/history", None),
]


# --- the file itself


def test_the_contract_is_openapi_3_1_and_describes_every_operation():
    assert contract.COUNTER.document()["openapi"].startswith("3.1")
    described = {(method, template) for method, template, _ in contract.COUNTER.operations()}
    assert described == {("POST", "/v1/lanes"), ("POST", "/v1/hits"), ("GET", "/v1/paths"),
                         ("GET", "/v1/paths/{path}"), ("GET", "/v1/totals"), ("GET", "/v1/history"),
                         ("POST", "/v1/changes"), ("GET", "/v1/changes")}


def test_the_contract_demands_the_token_everywhere():
    for method, template, operation in contract.COUNTER.operations():
        security = operation.get("security", contract.COUNTER.document().get("security"))
        assert security and {} not in security, f"{method} {template}"
        assert "401" in operation["responses"], f"{method} {template}"


def test_the_contract_is_valid_and_its_examples_match():
    contract.COUNTER.check_itself()


# --- the token


@pytest.mark.parametrize("method, target, body", OPERATIONS)
@pytest.mark.parametrize("authorization", [
    None, "", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
    f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN} {TOKEN}", f"Bearer {TOKEN.upper()}"])
def test_nothing_is_answered_without_the_token(api, method, target, body, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    body = None if body is None else json.dumps(body).encode()
    answer = ask(api.address, method, target, {**headers, "X-Request-Id": "q"}, body)
    assert answer.status == 401
    assert answer.header("www-authenticate", "").lower().startswith("bearer")
    assert answer.header("x-request-id") == "q"
    contract.COUNTER.check(method, target, answer)


def test_a_batch_without_the_token_changes_nothing(api):
    lane = api.lane()
    body = json.dumps(batch(lane=lane)).encode()
    assert ask(api.address, "POST", "/v1/hits", {"Authorization": "Bearer x"}, body).status == 401
    assert api.post(lane, 1, {"/a": 1}).json()["repeat"] is False


def test_the_token_is_checked_before_anything_else(api):
    for method, target in (("GET", "/v1/unknown"), ("DELETE", "/v1/hits"),
                           ("GET", "/v1/paths?order=x")):
        assert ask(api.address, method, target).status == 401
    assert ask(api.address, "POST", "/v1/hits", None, b"not json").status == 401


# --- requests' ids


@pytest.mark.parametrize("target, status", [("/v1/totals", 200), ("/v1/paths", 200),
                                            ("/v1/paths/never", 404), ("/v1/nowhere", 404),
                                            ("/v1/paths?limit=x", 400)])
@pytest.mark.parametrize("value", ["1", "a-b_c.d:e/f", "x" * 64])
def test_a_request_id_is_echoed(api, target, status, value):
    answer = api.ask("GET", target, headers={"X-Request-Id": value})
    assert answer.status == status
    assert answer.header("x-request-id") == value


def test_each_answer_echoes_the_id_of_its_request(api):
    with Connection(api.address) as connection:
        for number in range(50):
            connection.send("GET", f"/v1/paths?limit={number + 1}",
                            {**BEARER, "X-Request-Id": f"id-{number}"})
        assert [connection.receive().header("x-request-id") for _ in range(50)] == [
            f"id-{number}" for number in range(50)]


# --- reading


def test_an_empty_ledger_has_no_paths(module_stage):
    api = module_stage.counter(module_stage.ledger()).api
    assert api.view() == {"paths": [], "counts": [], "bots": [], "next": None, "previous": None,
                          "totals": {"paths": 0, "hits": 0, "bots": 0}}
    assert api.totals() == {"paths": 0, "hits": 0}


def test_a_view_shows_new_hits_at_once(api):
    api.count({"/at/once": 10**6})
    page = api.view(limit=1)
    assert (page["paths"], page["counts"]) == (["/at/once"], [10**6])


def test_totals_are_the_sums_of_the_rows(module_stage):
    ledger = module_stage.ledger()
    api = module_stage.counter(ledger).api
    lane = api.lane()
    for sequence in range(1, 6):
        api.post(lane, sequence, {"/same": 2, f"/{sequence}": 1})
        expected = {"paths": 1 + sequence, "hits": 3 * sequence}
        assert ledger.totals() == ledger.totals_by_scanning() == api.totals() == expected
        assert api.view()["totals"] == expected | {"bots": 0}


def test_outdated_rows_have_their_age(module_stage):
    """A locked row keeps hits out of the table, but not out of memory."""
    ledger = module_stage.ledger()
    api = module_stage.counter(ledger).api
    api.count({"/held": 1})

    def rows(query):
        answer = api.ask("GET", f"/v1/paths?{query}")
        return dict(zip(answer.json()["paths"], answer.json()["counts"])), answer.header("age")

    assert rows("order=path") == ({"/held": 1}, None)
    with ledger.locked("/held"):
        api.count({"/held": 1})
        assert rows("limit=5") == ({"/held": 2}, None)
        stale, age = rows("order=path")
        assert stale == {"/held": 1} and int(age) >= 1
        assert api.get("/held")["count"] == 2  # this row is in memory, too
    ledger.folded()
    assert rows("order=path") == ({"/held": 2}, None)


@pytest.mark.parametrize("path", ["/", "/one", "/one/two/", "//", "/a b", "/é😀", "/a%41", "/?x#y",
                                  "/" + "x" * 2047])
def test_one_path_can_be_requested(module_stage, path):
    api = module_stage.counter(module_stage.ledger()).api
    assert api.get_count(path) is None
    api.count({path: 3})
    assert api.get_count(path) == 3


@pytest.mark.parametrize("escaped, status", [("%zz", 400), ("a%00", 400), ("%FF", 400), ("a" * 3000, 414)])
def test_an_invalid_path_is_refused(api, escaped, status):
    assert api.ask("GET", "/v1/paths/" + escaped).status == status


@pytest.mark.parametrize("query", [
    "order=", "order=size", "order=COUNT", "limit=0", "limit=-1", "limit=1001", "limit=x", "limit=",
    "limit=1.5", "limit=99999999999999999999", "limit=1&limit=2", "order=count&after=x",
    "order=count&after=1", "order=count&after=:/a", "order=count&after=99999999999999999999:/a",
    "order=path&after=%FF", "before=x", "order=path&before=1:/a",
    "after=1:/a&before=1:/a", "before=1:/a&before=1:/a", "before=", "order=path&after=%00", "prefix=%FF", "prefix=%00",
    "prefix=%zz",
    "prefix=/" + "a" * 3000, "offset=10", "prefx=/a"])
def test_an_invalid_view_is_400(api, query):
    assert api.ask("GET", "/v1/paths?" + query).status == 400


# --- everything else


@pytest.mark.parametrize("target", ["/", "/v1", "/v1/", "/v2/hits", "/v1/hits/", "/v1/lanes/1",
                                    "/v1/totals/", "/live", "/ready", "/metrics"])
def test_unknown_targets_are_404(api, target):
    assert api.ask("GET", target).status == 404


@pytest.mark.parametrize("method, target, allowed", [
    ("GET", "/v1/hits", "POST"), ("PUT", "/v1/hits", "POST"), ("GET", "/v1/lanes", "POST"),
    ("DELETE", "/v1/paths", "GET"), ("POST", "/v1/paths/a", "GET"), ("POST", "/v1/totals", "GET")])
def test_wrong_methods_are_405_with_allow(api, method, target, allowed):
    answer = api.ask(method, target)
    assert answer.status == 405
    assert allowed in answer.header("allow")


def test_paths_are_never_used_as_patterns(api):
    for path in ("/100%", "/100_", "/1000", "/100\\", "/100'"):
        api.count({path: 1})
    for path in ("/100%", "/100_", "/100\\", "/100'"):
        assert api.view(prefix=path)["paths"] == [path]


def test_many_requests_at_once_are_answered(api):
    asked = [Later(api.get_count, f"/none/{n}") for n in range(50)]
    assert [one.result() for one in asked] == [None] * 50


def test_answers_do_not_contain_the_token(api):
    for target in ("/v1/totals", "/v1/paths", "/v1/nowhere", "/v1/paths/" + "none"):
        answer = api.ask("GET", target)
        assert TOKEN not in answer.raw.decode()
