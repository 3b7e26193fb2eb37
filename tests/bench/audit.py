"""Every acknowledged hit is in the table, exactly once.

A load knows how many hits were acknowledged and, per path, how many were sent (wrk) or acknowledged
(our own client). The audit compares this with what the table gained. The table must have gained at
least what was acknowledged, and at most that plus what was in flight when the load ended.
"""

import time

import schema

QUIET_S = 0.25
PATIENCE_S = 60

BUSY = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()")


class Mismatch(Exception):
    """Hits were lost or counted twice."""


class Table:
    """The rows of one database's `pathcount` (or of a table of another name with the same two
    columns) as they were at the last audit. Only the loads that are audited may change them.

    `totals` is a function that returns the totals that the service reports, as {"paths", "hits"};
    with it, the table is one that counter-svc writes. `in_flight` says whether hits can still
    arrive after the end of a load."""

    def __init__(self, ledger, name="pathcount", totals=None, in_flight=True):
        self.ledger = ledger
        self.name = name
        self.totals = totals
        self._progress = schema.progress(ledger) if totals else \
            f"SELECT sum(count) FROM {name}" if in_flight else "SELECT 0"
        self._backlog = schema.backlog(ledger) if totals else "SELECT 0"
        self.known = self.read()

    def read(self):
        """number of the path → count; every row must be one of ours."""
        # one value: this reads a million rows many times faster than a row at a time
        fields = (self.ledger.value(
            f"SELECT string_agg(path || ' ' || count, ' ') FROM {self.name}") or "").split()
        try:
            return dict(zip((int(path.removeprefix("/bench/")) for path in fields[0::2]),
                            map(int, fields[1::2])))
        except ValueError as error:
            raise Mismatch(f"A row has a path that was never sent: {error}.") from None

    def settle(self):
        """Waits until no hit is in flight any more and the table holds all hits: no statement runs,
        the journal has no entry that is not in the table, and nothing changes for a while. Returns
        the time.monotonic() of the last change."""
        deadline = time.monotonic() + PATIENCE_S
        last, since = None, 0
        with self.ledger.connect() as connection:
            while time.monotonic() < deadline:
                now = [connection.execute(query).fetchone()[0]
                       for query in (self._progress, self._backlog, BUSY)]
                if now != last or now[1] > 0 or now[2] > 0:
                    last, since = now, time.monotonic()
                elif time.monotonic() - since >= QUIET_S:
                    return since
                time.sleep(0.02)
        raise Mismatch(f"The table still changes {PATIENCE_S} s after the end of the load.")

    def audit(self, load):
        """Compares what the table gained since the last audit with what a load knows (see
        loads.Load). The table must have settled. Returns the number of hits gained."""
        before, after = self.known, self.read()
        self.known = after
        if len(before.keys() - after.keys()) > 0:
            raise Mismatch("Rows have disappeared.")
        stored = {number: count - before.get(number, 0) for number, count in after.items()
                  if count != before.get(number, 0)}
        self._compare_paths(stored, load)
        total = sum(stored.values())
        if not load.acknowledged <= total <= load.acknowledged + load.in_flight:
            raise Mismatch(f"{load.acknowledged} hits were acknowledged, at most {load.in_flight} "
                           f"were in flight, {total} were stored.")
        self._compare_totals(after)
        return total

    def settle_and_audit(self, load):
        self.settle()
        return self.audit(load)

    @staticmethod
    def _compare_paths(stored, load):
        paths, stride = load.paths, load.stride
        for number, count in stored.items():
            index, rest = divmod(number, stride)
            if rest != 0 or index >= paths:
                raise Mismatch(f"/bench/{number:07} was stored but never sent.")
            if count < 0:
                raise Mismatch(f"The count of /bench/{number:07} fell by {-count}.")
            if load.sent_by_path is not None and count > load.sent_by_path[index]:
                raise Mismatch(f"/bench/{number:07} was sent {load.sent_by_path[index]} times and "
                               f"stored {count} times.")
        if load.acknowledged_by_path is not None:
            for index, count in enumerate(load.acknowledged_by_path):
                if stored.get(index * stride, 0) < count:
                    raise Mismatch(f"/bench/{index * stride:07} was acknowledged {count} times and "
                                   f"stored {stored.get(index * stride, 0)} times.")
        if load.sent_by_path is not None:
            not_stored = sum(load.sent_by_path) - sum(stored.values())
            if not_stored > load.in_flight:
                raise Mismatch(f"{not_stored} hits were sent but not stored; at most "
                               f"{load.in_flight} of them were in flight.")

    def _compare_totals(self, counts):
        """The service's totals must become those of the rows. They may be a second old."""
        if self.totals is None:
            return
        expected = {"paths": len(counts), "hits": sum(counts.values())}
        deadline = time.monotonic() + PATIENCE_S
        while (reported := {name: self.totals()[name] for name in expected}) != expected:
            if time.monotonic() > deadline:
                raise Mismatch(f"The rows add up to {expected}, the service reports {reported}.")
            time.sleep(0.05)
