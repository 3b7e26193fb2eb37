"""Exhausted resources of the machine, and a clock that is set."""

import contextlib
import os
import resource

from table import fault

CROWD = 150  # more than the connections of all services


def _step(seconds):
    def strikes(world, _):
        world.clock.step(seconds)
        yield
        world.clock.step(0)
    return strikes


fault("the clock is an hour fast, and set right again")(_step(3600))
fault("the clock is an hour slow, and set right again")(_step(-3600))


def _without_descriptors(pick):
    """Prevents the service from opening files and connections, and ends the open connections."""
    def strikes(world, chance):
        victim = pick(world, chance)
        open_now = len(os.listdir(f"/proc/{victim.pid}/fd"))
        usual = resource.prlimit(victim.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (open_now, usual[1]))
        crowd = world.crowd(victim, 20)
        for wire in world.doors + world.counter_proxies + world.postgres_wires:
            wire.cut_all()
        yield
        resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, usual)
        for connection in crowd:
            connection.close()
    return strikes


def _with_a_crowd(pick):
    """Opens silent connections until no other one is served."""
    def strikes(world, chance):
        victim = pick(world, chance)
        crowd = world.crowd(victim, CROWD)
        for wire in world.doors + world.counter_proxies:
            wire.cut_all()
        yield
        for connection in crowd:
            connection.close()
    return strikes


def _short_of_memory(pick):
    """Limits the memory to little more than the service uses, while many connections arrive. If the kernel
    kills it, it is started again."""
    def strikes(world, chance):
        victim = pick(world, chance)
        with victim.group.limited(victim.group.used + 64 * 1024):
            crowd = world.crowd(victim, CROWD // 2)
            for connection in crowd:
                with contextlib.suppress(OSError):
                    connection.sock.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 60000)
            yield
            for connection in crowd:
                connection.close()
        if not victim.is_running:
            victim.restart()
    return strikes


def _a_counter(world, _):
    return world.in_use


def _a_render(world, chance):
    return chance.choice(world.renders)


for _name, _pick in (("counter-svc", _a_counter), ("render-svc", _a_render)):
    fault(f"a {_name} has no file descriptor left")(_without_descriptors(_pick))
    fault(f"a {_name} has all the connections it may have")(_with_a_crowd(_pick))
    fault(f"a {_name} has no memory left")(_short_of_memory(_pick))
