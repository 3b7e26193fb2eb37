-- The last rows in front of (count $1, path $2) in the ranking, with paths from $3 up to but not
-- including $4, at most $5; the nearest first. The mirror image of rows_by_count.sql.
WITH RECURSIVE few AS MATERIALIZED (
    SELECT path, count
    FROM pathcount
    WHERE $3::text <> '' AND path >= $3::text AND path < $4::text
    ORDER BY path
    LIMIT 1001
),
found AS MATERIALIZED (
    SELECT $3::text <> '' AND count(*) <= 1000 AS few
    FROM few
),
step (tier) AS (
    SELECT pathcount_tier($1::bigint)
    FROM found
    WHERE NOT found.few
    UNION ALL
    SELECT (
        SELECT higher.tier
        FROM pathcount AS higher
        WHERE higher.tier > step.tier
        ORDER BY higher.tier
        LIMIT 1
    )
    FROM step
    WHERE step.tier IS NOT NULL
)
SELECT path, count
FROM (
    (
        SELECT path, count
        FROM few
        WHERE
            (SELECT few FROM found)
            AND (count > $1::bigint OR (count = $1::bigint AND path < $2::text))
    )
    UNION ALL
    (
        SELECT of_tier.path, of_tier.count
        FROM step
        CROSS JOIN LATERAL (
            (
                SELECT r.path, r.count
                FROM pathcount AS r
                WHERE
                    step.tier < 256 AND r.tier = step.tier
                    AND r.path < CASE WHEN step.tier = $1::bigint THEN $2::text ELSE $4::text END
                    AND r.path >= $3::text AND r.path < $4::text
                ORDER BY r.path DESC
                LIMIT $5::bigint
            )
            UNION ALL
            (
                SELECT r.path, r.count
                FROM pathcount AS r
                WHERE
                    step.tier >= 256 AND r.tier = step.tier
                    AND (r.count > $1::bigint OR (r.count = $1::bigint AND r.path < $2::text))
                    AND r.path >= $3::text AND r.path < $4::text
                ORDER BY r.count, r.path DESC
                LIMIT $5::bigint
            )
        ) AS of_tier
        LIMIT $5::bigint
    )
) AS one_of_both
ORDER BY count, path DESC
LIMIT $5::bigint
