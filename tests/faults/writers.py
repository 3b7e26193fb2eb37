"""Two counter-svc that append at the same time, and faults of one of them or both."""

import time

import database
import network
import processes
from table import fault


@fault("two counter-svc append", two_writers=True, unnoticed=True)
def _two(_world, _chance):
    yield


@fault("one of two counter-svc that append is killed", two_writers=True)
def _one_killed(world, chance):
    yield from processes.killed(world, [chance.choice(world.counters)])


@fault("one of two counter-svc that append is stopped", "frozen", two_writers=True)
def _one_stopped(world, chance):
    victim = chance.choice(world.counters)
    victim.freeze()
    yield
    victim.thaw()


@fault("two counter-svc that append are stopped by turns", "moment", two_writers=True)
def _by_turns(world, chance):
    for _ in range(20):
        victim = chance.choice(world.counters)
        victim.freeze()
        time.sleep(chance.uniform(0, 0.15))
        victim.thaw()
    yield


fault("two counter-svc that append are stopped in the middle of reading an answer", "frozen",
      two_writers=True)(processes.counters_frozen_reading)


@fault("connections of two counter-svc that append are cut again and again", "moment",
       two_writers=True)
def _cut_again(world, chance):
    for _ in range(10):
        for wire in world.postgres_wires:
            wire.cut_all()
        time.sleep(chance.uniform(0, 0.3))
    yield


@fault("backends of two counter-svc that append are ended one by one", "moment", two_writers=True)
def _ended_one_by_one(world, chance):
    for _ in range(15):
        if backends := sorted(world.ledger.backends()):
            world.ledger.run("SELECT pg_terminate_backend(%s)", chance.choice(backends))
        time.sleep(chance.uniform(0, 0.2))
    yield


@fault("render-svc move between two counter-svc again and again", "moment", two_writers=True)
def _moving(world, chance):
    """Repeats go to another counter-svc than their originals, while the first one still works on them."""
    for _ in range(20):
        world.exchange_counters()
        for proxy in world.counter_proxies:
            proxy.cut_all()
        time.sleep(chance.uniform(0, 0.15))
    yield


fault("nothing passes between two counter-svc that append and PostgreSQL", "frozen",
      two_writers=True)(network.hole(lambda world: world.postgres_wires))
fault("PostgreSQL is killed while two counter-svc append", two_writers=True)(
    processes.postgres_killed)
fault("a standby takes over while two counter-svc append", "moment", two_writers=True)(
    database.failing_over)
