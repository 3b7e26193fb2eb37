-- Deletes the oldest $2 of the entries that were folded, but neither the last $1 of those nor the last
-- entry of all: the next one is chained to it. Answers how many. Both ends are read here: a position
-- from memory may be one of a fold that a crash of PostgreSQL has undone.
WITH gone AS (
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
SELECT count(*) FROM gone
