"""Checks real answers against proto/counter-api.yml and proto/public-api.yml."""

import functools
import os
import re

import jsonschema
import yaml

from .http import MEDIA_MSGPACK
from .services import ROOT

METHODS = {"get", "put", "post", "delete", "head", "options", "patch", "trace"}


class Contract:
    """An OpenAPI file. A path variable stands for `variable`, a regular expression."""

    def __init__(self, name, variable):
        self._path = os.path.join(ROOT, "proto", name)
        self._variable = variable

    @functools.lru_cache(maxsize=None)
    def document(self):
        with open(self._path, encoding="utf-8") as file:
            return yaml.safe_load(file)

    def resolved(self, thing):
        """The target of a local $ref, or the thing itself."""
        while isinstance(thing, dict) and "$ref" in thing:
            assert thing["$ref"].startswith("#/"), f"not a local reference: {thing['$ref']}"
            target = self.document()
            for name in thing["$ref"][2:].split("/"):
                target = target[name.replace("~1", "/").replace("~0", "~")]
            thing = target
        return thing

    def operations(self):
        """(method, path template, operation) of everything the file describes."""
        for template, item in self.document()["paths"].items():
            for method, operation in self.resolved(item).items():
                if method in METHODS:
                    yield method.upper(), template, operation

    def operation(self, method, target):
        """The operation of a request, or None. If several match, the one with the most specific path."""
        path = target.partition("?")[0]
        found = []
        for known, template, described in self.operations():
            if template.startswith("/-/") != path.startswith("/-/"):
                continue  # a target below /-/ is not a path
            pattern = re.sub(r"\\\{[^}]*\\\}", lambda _: self._variable, re.escape(template))
            if known == method and re.fullmatch(pattern, path):
                found.append((template.count("{"), -len(template), described))
        return min(found, key=lambda one: one[:2])[2] if found else None

    def validate(self, value, schema):
        """Raises jsonschema.ValidationError if the value does not fit the schema. $refs point into the
        document."""
        resolver = jsonschema.RefResolver.from_schema(self.document())
        jsonschema.Draft202012Validator(
            schema, resolver=resolver, format_checker=jsonschema.FormatChecker()).validate(value)

    def check(self, method, target, answer):
        """Fails unless the file describes this answer to this request. For a request that the file does not
        describe, it checks the form of errors only."""
        described = self.operation("GET" if method == "HEAD" else method, target)
        if method == "OPTIONS" and described is None and answer.status == 204:
            self._check_options(target, answer)
            return
        if described is None:
            other_method = any(self.operation(other.upper(), target) for other in METHODS)
            if target.startswith("/-/"):  # there, what may only be read is refused before it is looked for
                other_method |= method not in ("GET", "HEAD", "OPTIONS")
            assert answer.status == (405 if other_method else 404), \
                f"{method} {target}: undescribed, but {answer.start}"
            if method != "HEAD" and answer.media_type != "text/html":
                check_problem(answer)
            return
        responses = described["responses"]
        response = self.resolved(responses.get(str(answer.status)) or responses.get("default"))
        assert response, f"{method} {target}: {answer.status} is not described"
        for name, header in (response.get("headers") or {}).items():
            header = self.resolved(header)
            value = answer.header(name)
            assert value is not None or not header.get("required"), f"{answer.status} without {name}"
            if value is not None and self.resolved(header.get("schema", {})).get("type") == "integer":
                assert value.isdigit(), f"{name}: {value}"
        content = response.get("content") or {}
        if not content or method == "HEAD":
            assert answer.body == b"", f"{method} {target}: a body that is not described"
            return
        assert answer.media_type in content, f"{method} {target}: {answer.media_type}"
        if answer.media_type.endswith("json") or answer.media_type == MEDIA_MSGPACK:
            self.validate(answer.document(), content[answer.media_type].get("schema", {}))
            if answer.status >= 400:
                check_problem(answer)

    def _check_options(self, target, answer):
        """An OPTIONS without a description must name the described methods."""
        methods = {method for method in map(str.upper, METHODS) if self.operation(method, target)}
        assert methods and set(answer.header("allow").split(", ")) == methods | {"HEAD", "OPTIONS"}
        assert answer.body == b"" and answer.header("content-length") is None

    def check_request(self, request):
        """Fails unless the file describes this request and its body."""
        described = self.operation(request.method, request.target)
        assert described, f"{request.method} {request.target} is not described"
        body = self.resolved(described.get("requestBody", {})).get("content")
        if body:
            assert request.media_type in body, request.header("content-type")
            self.validate(request.document(), body[request.media_type]["schema"])

    def check_itself(self):
        """Fails unless the file is sound: every reference has a target, schemas are valid, examples fit their
        schemas, operation names are unique, and every path variable is described."""
        assert self.document()["openapi"].startswith("3.1.")
        assert {"info", "paths"} <= set(self.document()) <= {
            "openapi", "info", "servers", "security", "paths", "components", "tags"}
        assert self.document()["info"]["title"] and self.document()["info"]["version"]
        self._check_references(self.document())
        for schema in self.document()["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        names = [operation["operationId"] for _, _, operation in self.operations()]
        assert len(set(names)) == len(names)
        for method, template, operation in self.operations():
            self._check_operation(f"{method} {template}", template, operation)

    def _check_references(self, thing):
        if isinstance(thing, dict):
            if "$ref" in thing:
                self.resolved(thing)
            for value in thing.values():
                self._check_references(value)
        if isinstance(thing, list):
            for value in thing:
                self._check_references(value)

    def _check_operation(self, name, template, operation):
        parameters = [self.resolved(parameter) for parameter in operation.get("parameters", [])]
        for parameter in parameters:
            assert {"name", "in", "schema"} <= set(parameter), f"{name}: {parameter}"
            assert parameter["in"] in ("path", "query", "header"), f"{name}: {parameter}"
            assert parameter.get("required") or parameter["in"] != "path", f"{name}: {parameter}"
            jsonschema.Draft202012Validator.check_schema(self.resolved(parameter["schema"]))
            for key, value in (("example", parameter), ("default", parameter["schema"])):
                if key in value:
                    self.validate(value[key], parameter["schema"])
        variables = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert variables == set(re.findall(r"{(\w+)}", template)), name
        assert operation["responses"], name
        bodies = [self.resolved(response) for response in operation["responses"].values()]
        assert all(response["description"] for response in bodies), name
        bodies.append(self.resolved(operation.get("requestBody", {})))
        for content in (media for body in bodies for media in (body.get("content") or {}).values()):
            examples = [self.resolved(e)["value"] for e in content.get("examples", {}).values()]
            for example in examples + ([content["example"]] if "example" in content else []):
                self.validate(example, content["schema"])


def check_problem(answer):
    """Checks that an error is an application/problem+json (RFC 9457) with its own status."""
    assert answer.media_type == "application/problem+json", f"{answer.start}: {answer.media_type}"
    problem = answer.json()
    assert problem["status"] == answer.status, problem
    assert problem["type"] and problem["title"], problem
    assert isinstance(problem["detail"], str) and problem["detail"], problem


COUNTER = Contract("counter-api.yml", "[^/]*")
PUBLIC = Contract("public-api.yml", ".*")
