"""The primary's host is cut off from the others under load, and comes back. For every path: acknowledged ≤ stored
≤ sent. Times are reported, and fail only far above the target."""
import os
import time

from measures import FAR_ABOVE_S, TARGET_S, TTL_S, audit, others, until_whole

LONG = os.environ.get("HA") == "long"


def test_host_of_the_primary_cut_off(stack, prefix, commits, under_load, note):
    """It goes on running, and must not confirm anything meanwhile."""
    old = stack.primary()
    victim = stack.host_of(old)
    stack.away(victim)
    with under_load(others(stack, victim)) as (load, watches):
        stack.lab("cut", victim)
        cut = time.time()
        stack.unreachable = frozenset({victim})
        until_whole(watches, cut)
        took = max(watch.whole_since() for watch in watches) - cut
        new = stack.primary()
        # It stays away for this long, whatever happens meanwhile.
        time.sleep(max(0, cut + (60 if LONG else 2 * TTL_S) - time.time()))
        mended = time.time()
        alone = [one for one in commits.of(old, cut + 1) if one[4] < mended]
        stack.lab("mend", victim)
        stack.unreachable = frozenset()
        stack.until_well()
        figures = audit(stack, prefix, load, watches)
    note(f"the primary's host cut off: pages everywhere else after {took:.1f} s (target {TARGET_S} s), {new} "
         f"for {old}, which confirmed {len(alone)} commits meanwhile; {figures}")
    assert not alone and new and new != old and took <= FAR_ABOVE_S
