"""Scaling up and down under load, without a failed request."""
from harness.lab import until

AGREED_S = 60  # after a renderer has moved to another counter-svc, its old connections stay idle for 20 s


def served(task):
    """Whether the task's API has a connection."""
    return bool(task.in_network("ss", "-Htn", "state", "established", "sport", "=", ":8081").stdout)


def test_scaling_under_load(stack, prefix, note):
    """1 → 6 → 2 renderers, 1 → 3 → 1 counters, with clients on the public overlay."""
    stack.shape(renderers=1, counters=1)
    load = stack.load_inside(prefix)
    try:
        stack.running_under_load(prefix)
        for service, number in (("render-svc", 6), ("render-svc", 2),
                                ("counter-svc", 3), ("counter-svc", 1)):
            stack.form = None
            stack.command("scale", service, str(number))
            if service == "counter-svc" and number > 1:
                # The renderers find the new counters, and use one of them.
                until(lambda: sum(
                    served(task) for task in stack.tasks("counter-svc")) == 1,
                    "work for one counter-svc", AGREED_S)
            stack.only(service, number)
            if service == "render-svc":
                stack.client_knows("tasks.render-svc", number)
            stack.running_under_load(prefix)
    finally:
        report = load.stop()
    note(f"scaling: {report}")
    stack.audit(prefix, report.sent, report.acked, exact=True)
    assert not report.failed and not report.unavailable and not report.unreached
    assert len(report.by_address) == 6, "a renderer got no request"
