"""The units for hosts without Docker: valid, confined, and consistent with the programs."""

import pathlib
import re
import subprocess

import pytest
import yaml

from harness.services import BUILD_DIR, ROOT, run

FOLDER = pathlib.Path(ROOT) / "contrib" / "systemd"
EXPOSURE = 20  # in tenths: the exposure of a unit must be below 2.0


@pytest.fixture(params=["counter", "render"])
def unit(request, tmp_path):
    """A unit that starts the program that has just been built."""
    path = tmp_path / f"pathcount-{request.param}.service"
    text = (FOLDER / path.name).read_text()
    assert "=/usr/local/bin/" in text
    path.write_text(text.replace("/usr/local/bin/", f"{BUILD_DIR}/"))
    return path


def analyze(*words):
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True,
                          check=False)


def settings(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def program_of(unit):
    return unit.stem.replace("pathcount-", "") + "-svc"


def configuration_of(unit):
    name, = re.findall(r"--config /etc/pathcount/(\S+)$", *settings(unit, "ExecStart"))
    return FOLDER / name


def test_systemd_finds_no_error(unit):
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_verify_finds_errors(unit):
    """Shows that the test above could fail."""
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=stricter"))
    assert "stricter" in analyze("verify", "--man=no", unit).stderr


def test_units_are_confined(unit):
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", unit)
    assert done.returncode == 0, done.stdout
    open_unit = unit.with_name("pathcount-open.service")
    open_unit.write_text(re.sub(r"(?m)^(Protect|Private|System|Restrict)\w+=.*\n", "", unit.read_text()))
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE}", open_unit).returncode != 0


def test_the_example_configuration_is_valid(unit, tmp_path):
    """With the secrets where the unit expects them."""
    env = dict(word.replace("%d", str(tmp_path)).split("=", 1)
               for line in settings(unit, "Environment") for word in line.split())
    loaded = [line.split(":")[0] for line in settings(unit, "LoadCredential")]
    assert sorted(env.values()) == sorted(str(tmp_path / name) for name in loaded)
    for name in loaded:
        (tmp_path / name).write_text(f"a secret {name}\n")
    done = run(program_of(unit), "--config", str(configuration_of(unit)), "--check-config", env=env)
    assert (done.returncode, done.stderr) == (0, "")


def test_units_have_time_to_stop(unit):
    said = run(program_of(unit), "--help").stdout
    defaults = dict(re.findall(r"^  (drain_ms|shutdown_ms) .*; default (\d+)$", said, re.MULTILINE))
    keys = {**defaults, **yaml.safe_load(configuration_of(unit).read_text())}
    needs_ms = int(keys["drain_ms"]) + int(keys["shutdown_ms"])
    assert int(*settings(unit, "TimeoutStopSec")) * 1000 >= needs_ms + 5000
