"""Measurements for tests of faults: the time until pages are served again, and the audit of hits."""
import time

from harness.lab import all_hits, until

TARGET_S = 30       # limit until all hosts serve pages again
FAR_ABOVE_S = 90
TTL_S = 16          # TTL in swarm/ha/halib/postgres.py


def audit(stack, prefix, load, watches):
    """Ends the load and the watches, and audits their hits against the ledger."""
    report = load.stop()
    sent, acked = all_hits(report, watches)
    stored = stack.audit(prefix, sent, acked, exact=False)
    return f"sent {sent.total()}, acknowledged {acked.total()}, stored {stored}"


def until_whole(watches, since):
    """Waits until every host has served pages for 4 s, beginning after the fault took effect."""
    until(lambda: time.time() > since + 6 and all(
        watch.steady(4) for watch in watches), "the page whole again", FAR_ABOVE_S)


def gap(watches, since):
    """The longest time without a 200 at any of the hosts."""
    longest = 0
    for watch in watches:
        ends = [since, *(end for _, end, status in watch.since(since) if status == 200)]
        longest = max(longest, *(later - sooner for sooner, later in zip(ends, ends[1:])), 0)
    return longest


def others(stack, host):
    return [h for h in stack.hosts if h != host]
