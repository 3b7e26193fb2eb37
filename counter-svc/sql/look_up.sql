-- The counts of the paths $1 in the tables, in their order, NULL for those without a row; with the
-- checkpoint's position and generation, and the id of entry $2, all from one snapshot.
SELECT
    checkpoint.position,
    checkpoint.generation,
    (SELECT id FROM pathcount_journal WHERE position = $2::bigint),
    ARRAY(
        SELECT (
            SELECT greatest(least(sum(part.count), 9223372036854775807), 0)::bigint
            FROM (
                SELECT count FROM pathcount WHERE path = asked.path
                UNION ALL
                SELECT count FROM pathcount_quarantine WHERE path = asked.path
            ) AS part
            HAVING count(*) <> 0
        )
        FROM unnest($1::text[]) WITH ORDINALITY AS asked (path, ordinal)
        ORDER BY asked.ordinal
    )
FROM pathcount_checkpoint AS checkpoint
