"""Faults of the network between browser and render-svc, render-svc and counter-svc, counter-svc and
PostgreSQL.

Not included: a duplicated answer to a browser or from PostgreSQL. TCP prevents that, and neither protocol has
ids to detect it. render-svc does compare counter-svc's answers with its requests' ids.
"""

import contextlib

from harness import proxy, wire

from table import fault

LATE_S = 0.7


def _calls(action, share):
    """A fault of counter-svc's answers, which affects this share of the calls."""
    def strikes(world, chance):
        def sometimes(exchange):
            (action if chance.random() < share else proxy.forward)(exchange)

        for one in world.counter_proxies:
            one.always(sometimes, "POST", "/v1/hits")
            one.always(sometimes, "POST", "/v1/lanes")
        yield
        for one in world.counter_proxies:
            one.forget_plans()
    return strikes


for _name, _action, _share in (
        ("answers of counter-svc are swallowed", proxy.swallow, 0.3),
        ("answers of counter-svc are late", proxy.late(LATE_S), 0.5),
        ("answers of counter-svc are cut in the middle", proxy.cut, 0.5),
        ("answers of counter-svc come twice", proxy.twice, 0.5),
        ("connections to counter-svc are reset in place of an answer", proxy.reset, 0.5),
        ("connections to counter-svc are closed in place of an answer", proxy.drop, 0.5),
        ("requests to counter-svc are lost", proxy.lose, 0.3)):
    fault(_name)(_calls(_action, _share))


@fault("one counter-svc is unreachable")
def _refused(world, _):
    victims = world.proxies_before(world.in_use)
    for one in victims:
        one.stop_listening()
    yield
    for one in victims:
        one.listen_again()


@fault("every counter-svc is unreachable")
def _all_refused(world, _):
    for one in world.counter_proxies:
        one.stop_listening()
    yield
    for one in world.counter_proxies:
        one.listen_again()


@fault("connections to counter-svc are cut at any moment", "moment")
def _cut_counters(world, _):
    for one in world.counter_proxies:
        one.cut_all()
    yield


def _bytes(wires_of, treatment):
    """A fault of the server's bytes, on all wires."""
    def strikes(world, _):
        with contextlib.ExitStack() as stack:
            for one in wires_of(world):
                stack.enter_context(one.treating(treatment))
            yield
    return strikes


def hole(wires_of):
    """Forwards nothing in either direction."""
    def strikes(world, _):
        with contextlib.ExitStack() as stack:
            for one in wires_of(world):
                stack.enter_context(one.black_hole())
            yield
    return strikes


def _cut(wires_of):
    def strikes(world, _):
        for one in wires_of(world):
            one.cut_all()
        yield
    return strikes


for _whose, _wires_of in (("PostgreSQL", lambda world: world.postgres_wires),
                          ("render-svc", lambda world: world.doors)):
    fault(f"answers of {_whose} are swallowed")(_bytes(_wires_of, wire.swallow))
    fault(f"answers of {_whose} are late")(_bytes(_wires_of, wire.late(LATE_S / 3)))
    fault(f"answers of {_whose} are cut in the middle")(_bytes(_wires_of, wire.cut))
    fault(f"connections to {_whose} are reset in place of an answer")(
        _bytes(_wires_of, wire.reset))
    fault(f"connections to {_whose} are cut at any moment", "moment")(_cut(_wires_of))
    fault(f"nothing passes to or from {_whose}", "frozen")(hole(_wires_of))
