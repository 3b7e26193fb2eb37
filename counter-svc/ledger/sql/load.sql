-- Returns the data of a new state, from one snapshot: position, id and generation of the
-- checkpoint; the totals of paths, hits and hits by bots; the lanes with their sequences and the
-- times of their last use, in milliseconds since 1970; the first $1 rows of the ranking; the count
-- of the row $2 and its hits by bots, NULL if there is no such row; and the time. Counts include
-- the quarantine.
SELECT
    checkpoint.position,
    checkpoint.id,
    checkpoint.generation,
    totals.paths,
    least(totals.hits, 9223372036854775807)::bigint,
    least(totals.bot_hits, 9223372036854775807)::bigint,
    lane.ids,
    lane.sequences,
    lane.used_at,
    top.paths,
    top.counts,
    top.bot_counts,
    overflow.count,
    overflow.bot_count,
    (extract(epoch FROM now()) * 1000)::bigint
FROM pathcount_checkpoint AS checkpoint
CROSS JOIN pathcount_totals AS totals
CROSS JOIN (
    SELECT
        array_agg(lane ORDER BY lane) AS ids,
        array_agg(sequence ORDER BY lane) AS sequences,
        array_agg((extract(epoch FROM used_at) * 1000)::bigint ORDER BY lane) AS used_at
    FROM pathcount_lanes
) AS lane
CROSS JOIN (
    SELECT
        array_agg(path ORDER BY count DESC, path) AS paths,
        array_agg(count ORDER BY count DESC, path) AS counts,
        array_agg(bot_count ORDER BY count DESC, path) AS bot_counts
    FROM (
        SELECT
            ranked.path,
            greatest(
                least(ranked.count::numeric + coalesce(refused.count, 0), 9223372036854775807), 0
            )::bigint AS count,
            greatest(
                least(
                    ranked.bot_count::numeric + coalesce(refused.bot_count, 0), 9223372036854775807
                ), 0
            )::bigint AS bot_count
        FROM (
            SELECT path, count, bot_count
            FROM pathcount
            ORDER BY count DESC, path
            LIMIT $1::bigint
        ) AS ranked
        LEFT JOIN pathcount_quarantine AS refused USING (path)
    ) AS first
) AS top
LEFT JOIN LATERAL (
    SELECT
        greatest(least(sum(part.count), 9223372036854775807), 0)::bigint AS count,
        greatest(least(sum(part.bot_count), 9223372036854775807), 0)::bigint AS bot_count
    FROM (
        SELECT count, bot_count FROM pathcount WHERE path = $2::text
        UNION ALL
        SELECT count, bot_count FROM pathcount_quarantine WHERE path = $2::text
    ) AS part
    HAVING count(*) <> 0
) AS overflow ON true
