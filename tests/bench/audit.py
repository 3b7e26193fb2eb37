"""Every hit that was acknowledged is in the table, once.

A round's load says how many hits were acknowledged, and path by path how often each was asked for
(wrk) or acknowledged (our client). What the table holds afterwards, less what it held before, must
fit: not less than was acknowledged, and not more than that and what was in flight at the end, whose
answers nobody waited for.
"""

import time

QUIET_S = 0.25
PATIENCE_S = 20


class Mismatch(Exception):
    """Hits were lost or doubled."""


class Table:
    """The rows of one database's `pathcount`, and what they were when last looked at. Nobody but
    the loads that are audited may change them."""

    def __init__(self, ledger, has_lanes=False):
        self.ledger = ledger
        self.has_lanes = has_lanes
        self.known = self.read()
        self.known_totals = self._totals()

    def read(self):
        """number of the path → count; every row must be one of ours."""
        # one value: a million rows are read many times faster so than one by one
        fields = (self.ledger.value("SELECT string_agg(path || ' ' || count, ' ') FROM pathcount")
                  or "").split()
        try:
            return dict(zip((int(path.removeprefix("/bench/")) for path in fields[0::2]),
                            map(int, fields[1::2])))
        except ValueError as error:
            raise Mismatch(f"a row that nobody asked for: {error}") from None

    def settle(self):
        """Waits until nothing that was in flight can still come in: no statement runs, and the sum
        stays for a while."""
        total = ("SELECT sum(hits) FROM pathcount_lane" if self.has_lanes
                 else "SELECT sum(count) FROM pathcount")
        busy = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type = 'client backend' AND state <> 'idle' "
                "AND pid <> pg_backend_pid()")
        deadline = time.monotonic() + PATIENCE_S
        last, since = None, 0
        with self.ledger.connect() as connection:
            while time.monotonic() < deadline:
                now = [connection.execute(query).fetchone()[0] for query in (total, busy)]
                if now != last or now[1] > 0:
                    last, since = now, time.monotonic()
                elif time.monotonic() - since >= QUIET_S:
                    return
                time.sleep(0.02)
        raise Mismatch(f"hits still come in {PATIENCE_S} s after the load's end")

    def audit(self, load):
        """Holds what was stored since the last look against what a load knows (see loads.Load).
        Returns how many hits were stored."""
        self.settle()
        before, totals_before = self.known, self.known_totals
        after, totals = self.known, self.known_totals = self.read(), self._totals()
        if len(before.keys() - after.keys()) > 0:
            raise Mismatch("rows are gone")
        stored = {number: count - before.get(number, 0) for number, count in after.items()
                  if count != before.get(number, 0)}
        self._hold_paths(stored, load)
        total = sum(stored.values())
        self._hold_totals(totals_before, totals, len(after) - len(before), total)
        if not load.acknowledged <= total <= load.acknowledged + load.in_flight:
            raise Mismatch(f"acknowledged {load.acknowledged}, in flight at most {load.in_flight}, "
                           f"stored {total}")
        return total

    @staticmethod
    def _hold_paths(stored, load):
        paths, stride = load.paths, load.stride
        for number, count in stored.items():
            index, rest = divmod(number, stride)
            if rest != 0 or index >= paths:
                raise Mismatch(f"/bench/{number:07} was stored, though nobody asked for it")
            if load.sent_by_path is not None and not 0 <= count <= load.sent_by_path[index]:
                raise Mismatch(f"/bench/{number:07}: asked for {load.sent_by_path[index]} times, "
                               f"stored {count}")
        if load.acknowledged_by_path is not None:
            for index, count in enumerate(load.acknowledged_by_path):
                if stored.get(index * stride, 0) < count:
                    raise Mismatch(f"/bench/{index * stride:07}: acknowledged {count} times, "
                                   f"stored {stored.get(index * stride, 0)}")
        if load.sent_by_path is not None:
            not_stored = sum(load.sent_by_path) - sum(stored.values())
            if not_stored > load.in_flight:
                raise Mismatch(f"{not_stored} that were asked for are not stored, of which at most "
                               f"{load.in_flight} were in flight")

    def _totals(self):
        """What the lanes add up to, if there are lanes."""
        return self.ledger.totals() if self.has_lanes else None

    @staticmethod
    def _hold_totals(before, after, paths, hits):
        """The lanes must have gained what the rows have."""
        if after is None:
            return
        gained = {name: after[name] - before[name] for name in after}
        if gained != {"paths": paths, "hits": hits}:
            raise Mismatch(f"the lanes gained {gained}, the rows {paths} paths and {hits} hits")
