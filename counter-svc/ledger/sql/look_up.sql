-- Returns the counts of the paths $1 in the tables and their hits by bots, in the order of $1, NULL
-- for a path without a row; the position and generation of the checkpoint; and the id of entry $2.
-- All from one snapshot.
SELECT
    checkpoint.position,
    checkpoint.generation,
    (SELECT id FROM pathcount_journal WHERE position = $2::bigint),
    row_of.counts,
    row_of.bot_counts
FROM pathcount_checkpoint AS checkpoint
CROSS JOIN (
    SELECT
        array_agg(found.count ORDER BY requested.ordinal) AS counts,
        array_agg(found.bot_count ORDER BY requested.ordinal) AS bot_counts
    FROM unnest($1::text[]) WITH ORDINALITY AS requested (path, ordinal)
    LEFT JOIN LATERAL (
        SELECT
            greatest(least(sum(part.count), 9223372036854775807), 0)::bigint AS count,
            greatest(least(sum(part.bot_count), 9223372036854775807), 0)::bigint AS bot_count
        FROM (
            SELECT count, bot_count FROM pathcount WHERE path = requested.path
            UNION ALL
            SELECT count, bot_count FROM pathcount_quarantine WHERE path = requested.path
        ) AS part
        HAVING count(*) <> 0
    ) AS found ON true
) AS row_of
