"""What the benchmark knows about counter-svc's tables.

The audit, the sizes and the filling depend on these names and on nothing else in the schema:

- `pathcount` holds one row per path; `pathcount_now` has the same columns and adds the hits that
  are still only in the journal.
- `pathcount_journal` has one row per commit. Its `position` grows.
- `pathcount_checkpoint` has one row. Its `position` is that of the last entry that has been added
  to `pathcount`.

A program without a journal has none of the last three: it adds hits to `pathcount` at once.
"""

JOURNAL, CHECKPOINT, NOW = "pathcount_journal", "pathcount_checkpoint", "pathcount_now"

SIZE = ("SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint "
        "FROM unnest(%s::text[]) AS name")
DIFFERENT = (f"SELECT count(*) FROM pathcount AS stored FULL JOIN {NOW} AS counted USING (path) "
             "WHERE stored.count IS DISTINCT FROM counted.count")


def has_journal(ledger):
    return ledger.value("SELECT to_regclass(%s) IS NOT NULL", JOURNAL)


def progress(ledger):
    """A query whose result changes with every batch that is counted."""
    return f"SELECT max(position) FROM {JOURNAL}" if has_journal(ledger) else \
        "SELECT sum(hits) FROM pathcount_lane"


def backlog(ledger):
    """A query for the number of entries that are not in the table yet."""
    if not has_journal(ledger):
        return "SELECT 0"
    return f"SELECT max(position) - (SELECT position FROM {CHECKPOINT}) FROM {JOURNAL}"


def bytes_on_disk(connection):
    """Size of the journal and of the table, each with its indexes and TOAST; 0 if it is missing."""
    return {name: connection.execute(SIZE, ([name],)).fetchone()[0]
            for name in ("pathcount", JOURNAL)}


def differences(ledger):
    """Number of paths whose count in the table differs from the one shown to SQL users."""
    return ledger.value(DIFFERENT) if has_journal(ledger) else 0


def fill(ledger, paths):
    """Inserts paths with one hit each while no counter-svc runs, updates the totals and vacuums, so
    that no work is left for later."""
    ledger.run("INSERT INTO pathcount (path, count, first_hit_at, last_hit_at) "
               "SELECT '/bench/' || lpad(i::text, 7, '0'), 1, now(), now() "
               "FROM generate_series(0, %s - 1) AS i", paths)
    if ledger.value("SELECT to_regprocedure('pathcount_edited()') IS NOT NULL"):
        ledger.run("SELECT pathcount_edited()")
    else:
        ledger.run("UPDATE pathcount_lane SET paths = paths + %s, hits = hits + %s WHERE lane = 0",
                   paths, paths)
    ledger.run("VACUUM (ANALYZE) pathcount")


def copy(ledger, name):
    """Creates a table with the columns, indexes, storage options and rows of `pathcount`. Fails if
    it exists."""
    with ledger.connect() as connection:
        connection.execute(f"CREATE TABLE {name} (LIKE pathcount INCLUDING ALL)")
        options, = connection.execute(
            "SELECT array_to_string(reloptions, ', ') FROM pg_class "
            "WHERE oid = 'pathcount'::regclass").fetchone()
        if options:
            connection.execute(f"ALTER TABLE {name} SET ({options})")
        connection.execute(f"INSERT INTO {name} (path, count, first_hit_at, last_hit_at) "
                           "SELECT path, count, first_hit_at, last_hit_at FROM pathcount")
        connection.execute(f"VACUUM (ANALYZE) {name}")
