"""Hosts other than the primary's are cut off from all others for 60 s under load, etcd loses its majority,
and all hosts lose power.

After each of them, for every path: acknowledged ≤ stored ≤ sent.
"""
import signal
import time

from harness.lab import until
from measures import FAR_ABOVE_S, TARGET_S, TTL_S, audit, gap, others, until_whole
from members import MEMBERS, send

CUT_S = 60
WORKER = 4          # the other one, 5, has the load
MARGIN_S = 30       # for noticing, on a busy machine


def cut(stack, victim, prefix, under_load):
    """Cuts a host off for CUT_S and waits until all is well. Returns the longest time without a 200 at any
    other host, and the figures of the audit."""
    stack.away(victim)
    with under_load(others(stack, victim)) as (load, watches):
        began = time.time()
        stack.lab("cut", victim)
        stack.unreachable = frozenset({victim})
        until_whole(watches, began)
        until(lambda: time.time() > began + CUT_S, "the end of the cut", 2 * CUT_S)
        stack.lab("mend", victim)
        stack.unreachable = frozenset()
        stack.until_well()
        longest = gap(watches, began)
        return longest, audit(stack, prefix, load, watches)


def standbys(stack):
    """The synchronous standby and the other one."""
    roles = {role: member for member, (role, _) in stack.roles().items()}
    return roles["sync_standby"], roles["replica"]


def test_synchronous_standby_cut_off(stack, prefix, under_load, note):
    primary, (standby, other) = stack.primary(), standbys(stack)
    longest, figures = cut(stack, stack.host_of(standby), prefix, under_load)
    note(f"the synchronous standby's host cut off for {CUT_S} s: {longest:.1f} s without a 200 elsewhere "
         f"(target {TARGET_S} s); {figures}")
    assert stack.primary() == primary and standbys(stack) == (other, standby)
    assert longest <= FAR_ABOVE_S


def test_leader_of_etcd_cut_off(stack, prefix, under_load, note):
    """Its host has no other part: neither the primary nor the synchronous standby."""
    primary, (_, other) = stack.primary(), standbys(stack)
    stack.lead_etcd(other)
    until(lambda: stack.etcd_leader() == other, "etcd's leader to be elsewhere", MARGIN_S)
    longest, figures = cut(stack, stack.host_of(other), prefix, under_load)
    note(f"the host of etcd's leader cut off for {CUT_S} s: {longest:.1f} s without a 200 elsewhere; {figures}")
    assert stack.primary() == primary and stack.etcd_leader() != other
    assert longest <= TARGET_S


def test_worker_cut_off(stack, prefix, under_load, note):
    """counter-svc may be there."""
    primary, roles = stack.primary(), standbys(stack)
    longest, figures = cut(stack, WORKER, prefix, under_load)
    note(f"worker {WORKER} cut off for {CUT_S} s: {longest:.1f} s without a 200 elsewhere; {figures}")
    assert stack.primary() == primary and standbys(stack) == roles and longest <= TARGET_S


def test_etcd_without_a_majority(stack, prefix, commits, under_load, note):
    """docs/ha.md: Patroni stops the primary, and every visitor gets 503 until a second member is back."""
    primary = stack.primary()
    stopped = [pid for member in MEMBERS if member != primary for pid in stack.pids_of("etcd", member)]
    with under_load(stack.hosts) as (load, watches):
        began = time.time()
        send(stopped, signal.SIGSTOP)
        try:
            until(lambda: time.time() > began + 1 and all(
                watch.seen[-1][2] != 200 for watch in watches), "503 everywhere", TTL_S + MARGIN_S)
            took, silent = time.time() - began, time.time()
            time.sleep(TTL_S)
            confirmed = [one for member in MEMBERS for one in commits.of(member, silent)]
            answers = [status for watch in watches for _, _, status in watch.since(silent)]
        finally:
            send(stopped, signal.SIGCONT)
        back = time.time()
        until_whole(watches, back)
        again = max(watch.whole_since() for watch in watches) - back
        stack.until_well()
        figures = audit(stack, prefix, load, watches)
    note(f"etcd without a majority: 503 after {took:.1f} s; pages everywhere {again:.1f} s after it had one "
         f"again; {figures}")
    assert not confirmed and answers and 200 not in answers and again <= FAR_ABOVE_S


def test_all_hosts_off_and_on(stack, prefix, note):
    load = stack.load_inside(prefix, requests=200)
    report = load.stop()
    for host in stack.hosts:
        stack.lab("kill", host)
    began = time.time()
    for host in stack.hosts:
        stack.lab("revive", host)
    stack.recover()
    note(f"all hosts off and on: three servers after {time.time() - began:.0f} s")
    stack.audit(prefix, report.sent, report.acked, exact=True)
