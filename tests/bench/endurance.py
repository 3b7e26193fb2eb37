"""After the rounds: what stays bounded. The sizes of the journal and of the table over three
minutes at full rate, and counter-svc's memory with every path of the large ledger in its cache."""

import threading

import loads
import schema
from loads import LoadFailed, Target
from rounds import CONNECTIONS

SAMPLE_S = 0.5


class Sizes(threading.Thread):
    """Samples the sizes of a ledger's journal and table for the time of a block."""

    def __init__(self, ledger):
        super().__init__(daemon=True)
        self._ledger = ledger
        self._end = threading.Event()
        self._trouble = None
        self.samples = []  # bytes by table, one sample each SAMPLE_S

    def run(self):
        try:
            with self._ledger.connect() as connection:
                while not self._end.wait(SAMPLE_S):
                    self.samples.append(schema.bytes_on_disk(connection))
        except Exception as error:  # the thread that waits for us raises it
            self._trouble = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self.join()
        if self._trouble:
            raise LoadFailed(f"The sizes could not be read: {self._trouble}")


def largest(samples):
    """The largest sum of both sizes in a series of samples."""
    return max(sum(sizes.values()) for sizes in samples)


def long_run(world, plan, say):
    """The page at full rate for plan.long_seconds. Keeps the sizes after a sixth of the time and at
    the end: each is the largest of the five seconds before."""
    pair = world.small
    sizes = Sizes(pair.ledger)

    def load():
        with sizes:
            return loads.wrk(pair.port, Target(plan.few_paths), CONNECTIONS, plan.long_seconds, 1)

    say(f"page for {plan.long_seconds} s")
    figure = world.measure("page, long run", pair, load)
    if figure is None:
        return
    window = max(int(min(5, plan.long_seconds / 6) / SAMPLE_S), 1)
    sixth = max(len(sizes.samples) // 6, 1)
    world.sizes_on_disk = {
        "early": largest(sizes.samples[max(sixth - window, 0):sixth]),
        "late": largest(sizes.samples[-window:]), "samples": sizes.samples}
    say(f"page for {plan.long_seconds} s: {figure.rate:,.0f}/s, journal and table "
        f"{world.sizes_on_disk['early'] / 1e6:.1f} MB, then "
        f"{world.sizes_on_disk['late'] / 1e6:.1f} MB")


def full_memory(world, say):
    """counter-svc's memory after a hit on every path of the large ledger, all of which it must then
    have in its cache."""
    pair = world.large
    if world.measure("every path once", pair, pair.count_each_path) is None:
        return
    cached = int(pair.counter.metric("pathcount_cached_paths"))
    world.note("every path is cached", cached >= pair.paths, f"{cached} of {pair.paths}")
    world.memory_when_full = pair.memory()["counter-svc"]
    say(f"every path once: counter-svc holds {world.memory_when_full / 1e6:.1f} MB")


def compare_with_view(world):
    """At the end the table and the view that adds the journal must agree, path by path."""
    for name, pair in (("small", world.small), ("large", world.large)):
        different = schema.differences(pair.ledger)
        world.note(f"{name} ledger: the table and its view agree", different == 0,
                   f"{different} paths differ")
