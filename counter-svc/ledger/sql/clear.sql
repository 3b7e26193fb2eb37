-- Deletes the oldest $2 of the folded entries, but neither the last $1 of them nor the last entry
-- of all, because the next one is chained to it. Returns the number of deleted entries. The
-- statement reads both bounds itself: a position from memory may belong to a fold that a crash of
-- PostgreSQL has undone.
WITH deleted AS (
    DELETE FROM pathcount_journal
    WHERE position IN (
        SELECT position
        FROM pathcount_journal
        WHERE
            position <= (SELECT position - $1::bigint FROM pathcount_checkpoint)
            AND position < (SELECT max(position) FROM pathcount_journal)
        ORDER BY position
        LIMIT $2::bigint
    )
    RETURNING position
)
SELECT count(*) FROM deleted
