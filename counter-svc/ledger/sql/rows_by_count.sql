-- Returns the rows after (count $1, path $2) in the ranking with paths from $3 up to but not
-- including $4, at most $5. `pathcount_rows` is a placeholder for the table or view
-- (ledger/statement.c).
--
-- If up to 10,000 rows have the prefix, they are read by path and sorted. Otherwise the ranking is
-- read from the cursor on: equal counts first, then lower ones.
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
            AND (count < $1::bigint OR (count = $1::bigint AND path > $2::text))
    )
    UNION ALL
    (
        SELECT path, count, bot_count
        FROM pathcount_rows
        WHERE
            NOT (SELECT few FROM found)
            AND count = $1::bigint AND path > $2::text
            AND path >= $3::text AND path < $4::text
        ORDER BY path
        LIMIT $5::bigint
    )
    UNION ALL
    (
        SELECT path, count, bot_count
        FROM pathcount_rows
        WHERE
            NOT (SELECT few FROM found)
            AND count < $1::bigint
            AND path >= $3::text AND path < $4::text
        ORDER BY count DESC, path
        LIMIT $5::bigint
    )
) AS one_of_both
ORDER BY count DESC, path
LIMIT $5::bigint
