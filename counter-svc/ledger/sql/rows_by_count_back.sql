-- Returns the last rows before (count $1, path $2) in the ranking with paths from $3 up to but not
-- including $4, at most $5, the nearest first. The mirror image of rows_by_count.sql.
WITH few AS MATERIALIZED (
    SELECT path, count, bot_count
    FROM pathcount_rows
    WHERE $3::text <> '' AND path >= $3::text AND path < $4::text
    ORDER BY path
    LIMIT 10001
),
found AS MATERIALIZED (
    SELECT $3::text <> '' AND count(*) <= 10000 AS few
    FROM few
)
SELECT path, count, bot_count
FROM (
    (
        SELECT path, count, bot_count
        FROM few
        WHERE
            (SELECT few FROM found)
            AND (count > $1::bigint OR (count = $1::bigint AND path < $2::text))
    )
    UNION ALL
    (
        SELECT path, count, bot_count
        FROM pathcount_rows
        WHERE
            NOT (SELECT few FROM found)
            AND count = $1::bigint AND path < $2::text
            AND path >= $3::text AND path < $4::text
        ORDER BY path DESC
        LIMIT $5::bigint
    )
    UNION ALL
    (
        SELECT path, count, bot_count
        FROM pathcount_rows
        WHERE
            NOT (SELECT few FROM found)
            AND count > $1::bigint
            AND path >= $3::text AND path < $4::text
        ORDER BY count, path DESC
        LIMIT $5::bigint
    )
) AS one_of_both
ORDER BY count, path DESC
LIMIT $5::bigint
