-- The path $1: its count, how many rows stand before it in the ranking, but at most $2, and when it
-- was first and last hit, in milliseconds since 1970; NULL where nobody knows. Who stands before it
-- is counted in the index, from the top, and no further than is asked for. A tier below 256 is one
-- count: of that only the stretch in front of the path is counted.
SELECT
    p.count,
    (
        SELECT count(*)
        FROM (
            (
                SELECT FROM pathcount AS r
                WHERE r.tier > p.tier
                ORDER BY r.tier DESC, r.path
                LIMIT $2::bigint
            )
            UNION ALL
            (
                SELECT FROM pathcount AS r
                WHERE p.tier < 256 AND r.tier = p.tier AND r.path < p.path
                ORDER BY r.path
                LIMIT $2::bigint
            )
            UNION ALL
            (
                SELECT FROM pathcount AS r
                WHERE
                    p.tier >= 256 AND r.tier = p.tier
                    AND (r.count > p.count OR (r.count = p.count AND r.path < p.path))
                LIMIT $2::bigint
            )
            LIMIT $2::bigint
        ) AS before
    ),
    CASE WHEN isfinite(p.first_hit_at) THEN (extract(epoch FROM p.first_hit_at) * 1000)::bigint END,
    CASE WHEN isfinite(p.last_hit_at) THEN (extract(epoch FROM p.last_hit_at) * 1000)::bigint END
FROM pathcount AS p
WHERE p.path = $1::text
