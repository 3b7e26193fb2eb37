"""Both API descriptions are valid by OpenAPI 3.1's own schema. (tests/pair compares real answers with them.)"""

import json
import subprocess

import pytest
from browser import ROOT

VALIDATOR = (ROOT / "build" / "npm" / "node_modules" / "@seriousme" / "openapi-schema-validator"
             / "bin" / "validate-api-cli.js")


def verdict(path):
    done = subprocess.run(["node", VALIDATOR, path], capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["counter-api.yml", "public-api.yml"])
def test_the_file_is_openapi(name):
    path = ROOT / "proto" / name
    assert path.read_text().startswith("openapi: 3.1")
    assert verdict(path) == {"valid": True}


def test_the_validator_would_find_an_error(tmp_path):
    wrong = (ROOT / "proto" / "public-api.yml").read_text().replace("in: query", "in: nowhere", 1)
    (tmp_path / "wrong.yml").write_text(wrong)
    assert not verdict(tmp_path / "wrong.yml")["valid"]
