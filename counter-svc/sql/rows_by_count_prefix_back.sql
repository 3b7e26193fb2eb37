-- The last rows in front of (count $1, path $2) in the ranking, with paths from $3 up to but not
-- including $4, at most $5; the nearest first. The mirror image of rows_by_count_prefix.sql.
WITH RECURSIVE few AS MATERIALIZED (
    SELECT path, count
    FROM pathcount
    WHERE path >= $3::text AND path < $4::text
    ORDER BY path
    LIMIT 5001
),
found AS MATERIALIZED (
    SELECT count(*) <= 5000 AS few FROM few
),
near AS MATERIALIZED (
    SELECT path, count
    FROM (
        SELECT path, count
        FROM pathcount
        WHERE count > $1::bigint AND NOT (SELECT few FROM found)
        ORDER BY count, path DESC
        LIMIT 20000
    ) AS last_of_all
    WHERE path >= $3::text AND path < $4::text
    LIMIT $5::bigint
),
filled AS MATERIALIZED (
    SELECT (SELECT few FROM found) OR (SELECT count(*) FROM near) >= $5::bigint AS yes
),
step (count) AS (
    (
        SELECT count
        FROM pathcount
        WHERE count > $1::bigint AND NOT (SELECT yes FROM filled)
        ORDER BY count
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT higher.count
        FROM pathcount AS higher
        WHERE higher.count > step.count
        ORDER BY higher.count
        LIMIT 1
    )
    FROM step
    WHERE step.count IS NOT NULL
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
        SELECT path, count
        FROM pathcount
        WHERE
            NOT (SELECT few FROM found)
            AND count = $1::bigint
            AND path < $2::text AND path >= $3::text AND path < $4::text
        ORDER BY path DESC
        LIMIT $5::bigint
    )
    UNION ALL
    (
        SELECT path, count
        FROM near
        WHERE (SELECT yes FROM filled)
    )
    UNION ALL
    (
        SELECT of_one_count.path, of_one_count.count
        FROM step
        CROSS JOIN LATERAL (
            SELECT r.path, r.count
            FROM pathcount AS r
            WHERE r.count = step.count AND r.path >= $3::text AND r.path < $4::text
            ORDER BY r.path DESC
            LIMIT $5::bigint
        ) AS of_one_count
        LIMIT $5::bigint
    )
) AS all_parts
ORDER BY count, path DESC
LIMIT $5::bigint
