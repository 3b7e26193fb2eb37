"""More and fewer replicas under load: nobody notices."""
from harness import wait_until

NOTICED_S = 5


def served(task):
    """Whether somebody has a connection to the task's API."""
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
                # The renderers find every one of them, and soon.
                wait_until("work for every counter-svc", lambda: all(
                    served(task) for task in stack.tasks("counter-svc")), NOTICED_S)
            stack.only(service, number)
            stack.running_under_load(prefix)
    finally:
        report = load.stop()
    note(f"scaling: {report}")
    stack.audit(prefix, report.sent, report.acked, exact=True)
    assert not report.failed and not report.unavailable and not report.nobody
    assert len(report.by_address) == 6, "a renderer was never asked"
