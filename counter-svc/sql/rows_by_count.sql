-- Rows behind (count $1, path $2) in the ranking, with paths from $3 up to but not including $4, at
-- most $5.
--
-- Where up to 1,000 rows have the prefix they are read by path, and sorted. Otherwise the ranking is
-- walked from one tier that has rows to the next, and of each only the stretch from $3 to $4 is read. A
-- step costs some microseconds and tiers are a few thousand in a large ledger, so this is bounded also
-- where the rows stand at the ranking's foot. A tier below 256 is one count, whose rows the index has
-- in order. A recursive query hands on its rows as it finds them, and ends with the last that is
-- wanted.
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
        SELECT lower.tier
        FROM pathcount AS lower
        WHERE lower.tier < step.tier
        ORDER BY lower.tier DESC
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
            AND (count < $1::bigint OR (count = $1::bigint AND path > $2::text))
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
                    AND r.path > CASE WHEN step.tier = $1::bigint THEN $2::text ELSE '' END
                    AND r.path >= $3::text AND r.path < $4::text
                ORDER BY r.path
                LIMIT $5::bigint
            )
            UNION ALL
            (
                SELECT r.path, r.count
                FROM pathcount AS r
                WHERE
                    step.tier >= 256 AND r.tier = step.tier
                    AND (r.count < $1::bigint OR (r.count = $1::bigint AND r.path > $2::text))
                    AND r.path >= $3::text AND r.path < $4::text
                ORDER BY r.count DESC, r.path
                LIMIT $5::bigint
            )
        ) AS of_tier
        LIMIT $5::bigint
    )
) AS one_of_both
ORDER BY count DESC, path
LIMIT $5::bigint
