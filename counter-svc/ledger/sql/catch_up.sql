-- Returns entry $1 and those after it, at most $2, in order. Each has the counts and the hits by
-- bots that its paths have in the tables as of the checkpoint (NULL: no row), the position of the
-- checkpoint, its generation and the time. If there are no entries, returns one row with NULL for
-- the entry.
SELECT
    checkpoint.position,
    checkpoint.generation,
    (extract(epoch FROM now()) * 1000)::bigint,
    entry.position,
    entry.id,
    entry.kind::bigint,
    entry.writer,
    (extract(epoch FROM entry.at) * 1000)::bigint,
    entry.lanes,
    entry.sequences,
    entry.opened,
    entry.ended,
    entry.paths,
    entry.hits,
    entry.bot_hits,
    entry.new_paths,
    row_of.counts,
    row_of.bot_counts
FROM pathcount_checkpoint AS checkpoint
LEFT JOIN LATERAL (
    SELECT *
    FROM pathcount_journal
    WHERE position >= $1::bigint
    ORDER BY position
    LIMIT $2::bigint
) AS entry ON true
LEFT JOIN LATERAL (
    SELECT
        array_agg(found.count ORDER BY requested.ordinal) AS counts,
        array_agg(found.bot_count ORDER BY requested.ordinal) AS bot_counts
    FROM unnest(entry.paths) WITH ORDINALITY AS requested (path, ordinal)
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
) AS row_of ON entry.position > $1::bigint
ORDER BY entry.position
