"""Many clients at once, which record requests and answers; and the audit.

Every client keeps its connection alive, honours `Connection: close`, and hits paths at random. A hit is
*sent* once a byte of it may have left, and *acknowledged* once it was answered 200. In every other case (503,
lost connection) its outcome is unknown: it may be in the ledger once or not at all.
"""

import random
import threading
import time
from collections import Counter, defaultdict
from urllib.parse import quote

from .http import MINIMAL, Connection, request_bytes
from .wait import PATIENCE_S, until


class Tally:
    """The records of all clients."""

    def __init__(self):
        self.sent = Counter()
        self.acknowledged = Counter()
        self.numbers = defaultdict(list)  # path → the counts in its answers
        self.statuses = Counter()
        self.lost = []  # (seconds, whether the connection had an answer before, error)
        self.refused = 0  # refused connections: nothing was sent
        self.slowest_s = 0.0

    @property
    def unknown(self):
        return self.sent - self.acknowledged

    @property
    def everything_was_answered(self):
        return not self.unknown

    def __str__(self):
        return (f"sent {sum(self.sent.values())}, acknowledged "
                f"{sum(self.acknowledged.values())}, statuses {dict(self.statuses)}, "
                f"lost {len(self.lost)}, refused {self.refused}, slowest {self.slowest_s:.2f} s")


class Load:
    """`clients` threads hitting `paths` at `addresses` in turn, from start() to stop(). Each rests for
    `pause_s` after an answer."""

    def __init__(self, addresses, paths, clients=16, keep_alive=True, until_refused=False,
                 hits_each=None, timeout=PATIENCE_S, tally=None, pause_s=0):
        self.tally = tally or Tally()
        self._addresses = addresses
        self._paths = paths
        self._keep_alive = keep_alive
        self._until_refused = until_refused
        self._hits_each = hits_each
        self._timeout = timeout
        self._pause_s = pause_s
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(number,), daemon=True)
                         for number in range(clients)]

    def start(self):
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        """Ends the load after the outstanding answers, and returns the tally."""
        self._over.set()
        return self.finished()

    def finished(self):
        """Waits until the clients end by themselves (`hits_each`, `until_refused`)."""
        for thread in self._threads:
            thread.join(self._timeout + PATIENCE_S)
            assert not thread.is_alive(), "a client of the load hangs"
        return self.tally

    def until_acknowledged(self, number):
        """Waits until `number` more hits are acknowledged than now."""
        goal = sum(self.tally.acknowledged.values()) + number
        until(lambda: sum(self.tally.acknowledged.values()) >= goal,
              f"{number} more hits to be acknowledged ({self.tally})", 2 * PATIENCE_S)

    @property
    def seconds(self):
        """Seconds since the start."""
        return time.monotonic() - self._started

    def _client(self, number):
        chance = random.Random(number)
        address = self._addresses[number % len(self._addresses)]
        requests = {path: request_bytes("GET", quote(path), MINIMAL) for path in self._paths}
        connection, answered, left = None, False, self._hits_each
        while not self._over.is_set() and left != 0:
            if connection is None:
                try:
                    connection, answered = Connection(address, self._timeout), False
                except OSError:
                    with self._lock:
                        self.tally.refused += 1
                    if self._until_refused:
                        return
                    time.sleep(0.02)
                    continue
            path = chance.choice(self._paths)
            left = left and left - 1
            answer = self._hit(connection, path, requests[path], answered)
            answered = True
            if answer is None or answer.closes or not self._keep_alive:
                connection.close()
                connection = None
            time.sleep(self._pause_s)
        if connection is not None:
            connection.close()

    def _hit(self, connection, path, request, answered):
        start = time.monotonic()
        with self._lock:
            self.tally.sent[path] += 1
        try:
            connection.sock.sendall(request)
            answer = connection.receive()
        except OSError as error:
            with self._lock:
                self.tally.lost.append((self.seconds, answered, error))
            return None
        number = answer.json()["count"] if answer.status == 200 else None
        with self._lock:
            self.tally.statuses[answer.status] += 1
            self.tally.slowest_s = max(self.tally.slowest_s, time.monotonic() - start)
            if number is not None:
                self.tally.acknowledged[path] += 1
                self.tally.numbers[path].append(number)
        return answer


def audit(tally, stored, before=None, repeats=False):
    """Checks acknowledged ≤ stored ≤ sent for every path, with equality if every answer was 200. `stored` is
    the ledger now, `before` the ledger when the load began.

    No count is in two answers, except with `repeats`: a repeat is answered with the counts of that moment,
    which another hit's answer may also contain.

    Returns the number of stored hits."""
    before = Counter(before or {})
    total = 0
    for path, sent in tally.sent.items():
        in_ledger = stored.get(path, 0) - before[path]
        acknowledged = tally.acknowledged[path]
        assert acknowledged <= in_ledger <= sent, \
            f"{path}: acknowledged {acknowledged}, stored {in_ledger}, sent {sent}; {tally}"
        numbers = tally.numbers[path]
        assert repeats or len(set(numbers)) == len(numbers), f"{path}: a number is in two answers"
        if numbers:
            assert before[path] < min(numbers) and max(numbers) <= stored[path], path
        total += in_ledger
    unasked = {path for path in stored if path not in tally.sent and path not in before}
    assert not unasked, f"stored paths that were never requested: {unasked}"
    return total
