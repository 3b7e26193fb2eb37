"""Processes that are killed, or frozen for longer than every timeout."""

import contextlib
import os
import signal

from harness.wire import Halt

from table import fault


def killed(world, services):
    for service in services:
        service.kill()
    yield
    for service in services:
        service.restart()


@fault("a counter-svc is killed", "moment")
def _counter_killed(world, _):
    yield from killed(world, [world.in_use])


@fault("a counter-svc is killed and stays away", "away")
def _counter_away(world, _):
    yield from killed(world, [world.in_use])


@fault("every counter-svc is killed", "moment")
def _counters_killed(world, _):
    yield from killed(world, world.counters)


@fault("every counter-svc is killed and stays away", "away")
def _counters_away(world, _):
    yield from killed(world, world.counters)


@fault("a render-svc is killed", "moment")
def _render_killed(world, chance):
    yield from killed(world, [chance.choice(world.renders)])


@fault("a render-svc is killed and stays away", "away")
def _render_away(world, chance):
    yield from killed(world, [chance.choice(world.renders)])


@fault("PostgreSQL is killed", "moment")
def postgres_killed(world, _):
    world.database.primary.kill()
    yield
    world.database.primary.start()


@fault("PostgreSQL is killed and stays away", "away")
def _postgres_away(world, chance):
    yield from postgres_killed(world, chance)


@fault("a backend of PostgreSQL is killed", "moment")
def _backend_killed(world, chance):
    """Kills a backend. PostgreSQL then ends all backends, and recovers."""
    backends = world.ledger.backends()
    if backends:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(sorted(backends)), signal.SIGKILL)
    yield


@fault("a counter-svc is stopped", "frozen")
def _counter_frozen(world, _):
    victim = world.in_use
    victim.freeze()
    yield
    victim.thaw()


@fault("every counter-svc is stopped", "frozen")
def _counters_frozen(world, _):
    for counter in world.counters:
        counter.freeze()
    yield
    for counter in world.counters:
        counter.thaw()


@fault("a counter-svc is stopped in the middle of reading an answer", "frozen")
def counters_frozen_reading(world, chance):
    """Freezes both counters after half of an answer of PostgreSQL, because the owner of the connection is
    unknown."""
    halt = Halt()
    with contextlib.ExitStack() as stack:
        for wire in world.postgres_wires:
            stack.enter_context(wire.treating(halt))
        assert halt.reached.wait(10), "PostgreSQL sent nothing"
        for counter in world.counters:
            counter.freeze()
        halt.go_on()
        yield
    for counter in world.counters:
        counter.thaw()


@fault("a render-svc is stopped", "frozen")
def _render_frozen(world, chance):
    victim = chance.choice(world.renders)
    victim.freeze()
    yield
    victim.thaw()


@fault("PostgreSQL is stopped", "frozen")
def _postgres_frozen(world, _):
    with world.database.primary.frozen():
        yield
