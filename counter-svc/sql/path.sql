-- The path $1: its count, how many rows stand before it in the ranking, but at most $2, and when it
-- was first and last hit, in milliseconds since 1970; NULL when that is not known.
SELECT
    p.count,
    (
        SELECT count(*)
        FROM (
            (
                SELECT FROM pathcount AS r
                WHERE r.count > p.count
                ORDER BY r.count DESC, r.path
                LIMIT $2::bigint
            )
            UNION ALL
            (
                SELECT FROM pathcount AS r
                WHERE r.count = p.count AND r.path < p.path
                ORDER BY r.path
                LIMIT $2::bigint
            )
            LIMIT $2::bigint
        ) AS before
    ),
    CASE WHEN isfinite(p.first_hit_at) THEN (extract(epoch FROM p.first_hit_at) * 1000)::bigint END,
    CASE WHEN isfinite(p.last_hit_at) THEN (extract(epoch FROM p.last_hit_at) * 1000)::bigint END
FROM pathcount AS p
WHERE p.path = $1::text
