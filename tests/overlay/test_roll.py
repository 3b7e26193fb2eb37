"""New versions under load, good and bad ones."""
import pytest

from harness.lab import Stack, docker, images, until, world


@pytest.fixture(scope="module", autouse=True)
def tags(lab):  # pylint: disable=unused-argument
    """lab2: the same programs under a new tag. bad-counter, bad-render: lab2, but one of the two programs ends
    at once."""
    broken = images.KEEP / "broken"
    broken.mkdir(exist_ok=True)
    for name in ("counter-svc", "render-svc"):
        image = f"{world.REGISTRY}/{name}"
        (broken / "Dockerfile").write_text(
            f'FROM {image}:lab\nENTRYPOINT ["/{name}", "--no-such-option"]\n')
        bad = f"bad-{name.split('-', maxsplit=1)[0]}"
        images.build(f"{image}:{bad}", broken)
        for tag in {"lab2", "bad-counter", "bad-render"} - {bad}:
            docker(0, "tag", f"{image}:lab", f"{image}:{tag}")
            docker(0, "push", "--quiet", f"{image}:{tag}")


@pytest.fixture
def rolled(stack):
    """The unmodified stack.yml. After the test the version is reset."""
    stack.shape(renderers=2, counters=2)
    stack.form = None
    return stack


@pytest.mark.parametrize("bad", ["counter", "render"])
def test_rolling_to_a_broken_image(rolled, prefix, note, bad):
    """Swarm rolls back by itself, and the page stays available. (Runs before the test that changes the version,
    because it does not change it.)"""
    load = rolled.load_inside(prefix)
    try:
        rolled.running_under_load(prefix)
        done = rolled.command("roll", f"bad-{bad}", check=False)
        assert done.returncode == 1 and f"{bad}-svc was rolled back" in done.stderr
        until(lambda: image_of(rolled, f"{bad}-svc").endswith(":lab")
              and rolled.settled(), "the old version alone", 120)
        rolled.running_under_load(prefix)
    finally:
        report = load.stop()
    note(f"rolling to a broken {bad}-svc: {report}")
    rolled.audit(prefix, report.sent, report.acked, exact=True)
    assert not report.failed and not report.unavailable and not report.unreached


def test_rolling_under_load(rolled, prefix, note):
    load = rolled.load_inside(prefix)
    try:
        rolled.running_under_load(prefix)
        done = rolled.command("roll", "lab2")
        assert "render-svc runs lab2" in done.stdout
        rolled.only("counter-svc", 2)
        rolled.only("render-svc", 2)
        rolled.running_under_load(prefix)
    finally:
        report = load.stop()
    note(f"rolling: {report}")
    rolled.audit(prefix, report.sent, report.acked, exact=True)
    assert not report.failed and not report.unavailable and not report.unreached


def image_of(stack: Stack, service):
    """The image of all running tasks of a service, without its digest. "" if there are several."""
    seen = {task.inspect("{{.Config.Image}}").split("@")[0] for task in stack.tasks(service)}
    return seen.pop() if len(seen) == 1 else ""
