"""render-svc's public API conforms to proto/public-api.yml.

The client in harness.face checks every answer against that file. This module tests the file itself.
"""

import os
import re
import signal

import pytest
import yaml

from harness import contract
from harness.face import Face
from harness.http import MINIMAL, Connection, ask, get
from harness.services import ROOT
from harness.wait import until


@pytest.fixture(scope="module")
def face(pair):
    return Face(pair.address)


def test_the_contract_is_valid_and_its_examples_match():
    contract.PUBLIC.check_itself()


def test_the_contract_is_served(face):
    answer = face.get("/-/openapi.yml")
    assert answer.status == 200 and answer.media_type == "application/yaml"
    with open(os.path.join(ROOT, "proto", "public-api.yml"), "rb") as file:
        assert answer.body == file.read()
    assert yaml.safe_load(answer.body)["openapi"].startswith("3.1.")


@pytest.mark.parametrize("accept", [None, "application/json", "text/html"])
@pytest.mark.parametrize("target", ["/a", "/a%zz", "/" + "a" * 2049])
def test_answers_to_visits_conform(face, target, accept):
    face.get(target, {"Accept": accept} if accept else None)


def test_every_route_is_described(face):
    """Each route in the source's table is in the file."""
    with open(os.path.join(ROOT, "render-svc", "public", "routes.c"), encoding="utf-8") as file:
        routes = re.findall(r'{ROUTE_\w+, "(/-/[^"]*)", (true|false), (?:true|false), '
                            '("[^"]*"|METHODS_TO_READ)', file.read())
    assert len(routes) >= 6
    described = {(method, template) for method, template, _ in contract.PUBLIC.operations()}
    for name, with_path, methods in routes:
        methods = "GET" if methods == "METHODS_TO_READ" else methods.strip('"')
        for method in set(methods.split(", ")) - {"HEAD"}:
            assert any(one == method and (template.startswith(name + "/") if with_path == "true"
                                          else template == name)
                       for one, template in described), f"{method} {name}"


@pytest.mark.parametrize("target", [
    "/", "/a", "/a?x=y", "/a//b", "/-/", "/-/paths", "/-/paths?limit=x", "/-/paths/a", "/-/live", "/-/badge/a.svg",
    "/-/openapi.yml", "/-/health", "*"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_options_lists_the_methods(pair, version, target):
    """HAProxy's `option httpchk` sends OPTIONS in HTTP/1.0 without Host."""
    before = pair.ledger.totals()
    with Connection(pair.address) as connection:
        connection.sock.sendall(f"OPTIONS {target} HTTP/{version}\r\n{'Host: a' if version == '1.1' else 'A: b'}"
                                "\r\n\r\n".encode())
        answer = connection.receive()
    contract.PUBLIC.check("OPTIONS", target if target != "*" else "/a", answer)
    assert answer.status == 204
    assert pair.ledger.totals() == before


def test_options_of_files(pair):
    for target in set(re.findall(r"/-/assets/[^\"]+", get(pair.address, "/-/").text)):
        answer = ask(pair.address, "OPTIONS", target)
        assert (answer.status, answer.header("allow")) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("target, status", [("/-/nothing", 404), ("/%zz", 400), ("/" + "a" * 2049, 414)])
def test_options_of_nothing(pair, target, status):
    assert ask(pair.address, "OPTIONS", target).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("target", ["/-/../visit", "/-/hit/../../visit", "/%2d/../visit"])
def test_only_get_counts(pair, method, target):
    """Even for targets that resolve to another path."""
    assert ask(pair.address, method, target, body=b"").status == 405
    assert pair.ledger.count("/visit") == 0


# --- health


@pytest.mark.parametrize("target", ["/-/health", "/-/health?", "/-/health?x=1&x=2"])
def test_health_is_200_and_counts_nothing(pair, face, target):
    before = pair.ledger.totals()
    for method in ("GET", "HEAD"):
        answer = face.ask(method, target)
        assert answer.status == 200 and answer.header("cache-control") == "no-store"
    assert pair.ledger.totals() == before


def test_health_is_503_while_hits_cannot_be_counted(stage, outage):
    """Otherwise it agrees with /ready."""
    pair = stage.pair()
    face = Face(pair.address)
    assert face.get("/-/health").status == 200
    outage.stop()
    until(lambda: face.get("/-/health").status == 503, "PostgreSQL to be missed")
    assert pair.render.ready().status == 503
    assert "PostgreSQL" not in face.get("/-/health").text  # the reason is not public
    outage.start()
    until(lambda: face.get("/-/health").status == 200, "PostgreSQL to be back")
    pair.counter.kill()
    until(lambda: face.get("/-/health").status == 503, "counter-svc to be missed")
    pair.counter.restart()
    until(lambda: face.get("/-/health").status == 200, "counter-svc to be back")


@pytest.mark.parametrize("workers", [1, 3])
def test_health_is_503_from_the_start_of_a_stop(stage, workers):
    pair = stage.pair(render_keys={"drain_ms": 30000, "workers": workers})
    face = Face(pair.address)
    assert face.get("/-/health").status == 200
    pair.render.signal(signal.SIGTERM)
    until(lambda: face.get("/-/health").status == 503, "the stop to begin")
    assert get(pair.address, "/still", MINIMAL).status == 200


@pytest.mark.parametrize("target", ["/-/paths", "/-/paths/a", "/-/live?limit=x", "/-/badge/a.svg",
                                    "/-/hit/a.gif", "/-/openapi.yml", "/-/health", "/-/nothing"])
def test_every_answer_has_the_security_headers(pair, target):
    answer = get(pair.address, target)
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("referrer-policy") == "no-referrer"
    assert "default-src 'none'" in answer.header("content-security-policy")
    assert answer.header("cache-control")
