"""Counts hits in the past: appends journal entries with earlier times, which are folded like any other."""

import datetime

ENTRY = ("INSERT INTO pathcount_journal (position, id, kind, writer, at, lanes, sequences, opened, ended, paths, hits, "
         "bot_hits, new_paths) SELECT max(position) + 1, floor(random() * 9e15)::bigint, 1, 0, %s, '{}', '{}', '{}', "
         "'{}', ARRAY[%s], ARRAY[%s::bigint], ARRAY[%s::bigint], 0 FROM pathcount_journal")


def now(ledger):
    """The time of the ledger's server, in UTC."""
    return ledger.value("SELECT now()").astimezone(datetime.timezone.utc)


def count(ledger, hits, since):
    """Counts (time, path, hits, hits by bots), as if history had begun at `since`."""
    ledger.until_folded()
    with ledger.connect() as connection:
        with connection.transaction():
            connection.execute("SELECT pathcount_fold()")
            connection.execute("UPDATE pathcount_history SET hours_since = %s, days_since = %s", (since, since))
            for entry in hits:
                connection.execute(ENTRY, entry)
            connection.execute("SELECT pathcount_edited()")
        while connection.execute("SELECT pathcount_history_step(now(), 10000)").fetchone()[0]:
            pass
