"""proto/counter-api.yml, held against real answers."""

import functools
import os
import re

import jsonschema
import yaml

from .services import ROOT

PATH = os.path.join(ROOT, "proto", "counter-api.yml")
METHODS = {"get", "put", "post", "delete", "head", "options", "patch", "trace"}


@functools.lru_cache(maxsize=1)
def document():
    with open(PATH, encoding="utf-8") as file:
        return yaml.safe_load(file)


def resolved(thing):
    """What a local $ref points to, or the thing itself."""
    while isinstance(thing, dict) and "$ref" in thing:
        assert thing["$ref"].startswith("#/"), f"not a local reference: {thing['$ref']}"
        target = document()
        for name in thing["$ref"][2:].split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]
        thing = target
    return thing


def operations():
    """(method, path template, operation) of everything the file describes."""
    for template, item in document()["paths"].items():
        for method, operation in resolved(item).items():
            if method in METHODS:
                yield method.upper(), template, operation


def operation(method, target):
    """The operation a request is of, or None; a path without variables goes before one with."""
    path = target.partition("?")[0]
    found = []
    for known, template, described in operations():
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]*", re.escape(template))
        if known == method and re.fullmatch(pattern, path):
            found.append((template.count("{"), described))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def validate(value, schema):
    """Raises jsonschema.ValidationError when the value does not fit; $refs are of the document."""
    resolver = jsonschema.RefResolver.from_schema(document())
    jsonschema.Draft202012Validator(
        schema, resolver=resolver, format_checker=jsonschema.FormatChecker()).validate(value)


def check(method, target, answer):
    """Fails unless the file describes exactly such an answer to such a request. Requests that the
    file does not know are held to its form of an error only."""
    described = operation(method, target)
    if described is None:
        assert answer.status in (404, 405), f"{method} {target}: undescribed, but {answer.start}"
        check_problem(answer)
        return
    responses = described["responses"]
    response = resolved(responses.get(str(answer.status)) or responses.get("default"))
    assert response, f"{method} {target}: {answer.status} is not described"
    for name, header in (response.get("headers") or {}).items():
        header = resolved(header)
        value = answer.header(name)
        assert value is not None or not header.get("required"), f"{answer.status} without {name}"
        if value is not None and resolved(header.get("schema", {})).get("type") == "integer":
            assert value.isdigit(), f"{name}: {value}"
    content = response.get("content") or {}
    if not content:
        assert answer.body == b"", f"{method} {target}: a body that is not described"
        return
    assert answer.media_type in content, f"{method} {target}: {answer.media_type}"
    validate(answer.json(), content[answer.media_type].get("schema", {}))
    if answer.status >= 400:
        check_problem(answer)


def check_request(request):
    """Fails unless the file describes such a request, body included."""
    described = operation(request.method, request.target)
    assert described, f"{request.method} {request.target} is not described"
    body = resolved(described.get("requestBody", {})).get("content")
    if body:
        assert request.media_type in body, request.header("content-type")
        validate(request.json(), body[request.media_type]["schema"])


def check_problem(answer):
    """An error is an application/problem+json (RFC 9457) that says its own status."""
    assert answer.media_type == "application/problem+json", f"{answer.start}: {answer.media_type}"
    problem = answer.json()
    assert problem["status"] == answer.status, problem
    assert problem["type"] and problem["title"], problem
    assert isinstance(problem["detail"], str) and problem["detail"], problem
