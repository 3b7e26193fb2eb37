-- Rows behind (count $1, path $2) in the ranking, with paths from $3 up to but not including $4, at
-- most $5: for a prefix. What it costs must not depend on where in the ranking its rows stand:
--   few    up to 5,000 rows have the prefix: they are read by path, and sorted
--   equal  of many, those with the cursor's own count: a stretch of the ranking's index
--   near   of many, those among the next 20,000 of the ranking, which nearly always fill a page
--   far    if they do not (all of its rows stand far below): the ranking is walked from one count to
--          the next that differs, and of each only the stretch with the prefix is read
-- Each part is only run when the one before does not do. In far the rows come in order, as a
-- recursive query hands on its rows as it finds them, and ends with the last that is wanted.
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
        WHERE count < $1::bigint AND NOT (SELECT few FROM found)
        ORDER BY count DESC, path
        LIMIT 20000
    ) AS next_of_all
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
        WHERE count < $1::bigint AND NOT (SELECT yes FROM filled)
        ORDER BY count DESC
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT lower.count
        FROM pathcount AS lower
        WHERE lower.count < step.count
        ORDER BY lower.count DESC
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
            AND (count < $1::bigint OR (count = $1::bigint AND path > $2::text))
    )
    UNION ALL
    (
        SELECT path, count
        FROM pathcount
        WHERE
            NOT (SELECT few FROM found)
            AND count = $1::bigint
            AND path > $2::text AND path >= $3::text AND path < $4::text
        ORDER BY path
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
            ORDER BY r.path
            LIMIT $5::bigint
        ) AS of_one_count
        LIMIT $5::bigint
    )
) AS all_parts
ORDER BY count DESC, path
LIMIT $5::bigint
