-- The last rows in front of (count $1, path $2) in the ranking, with paths from $3 up to but not
-- including $4, at most $5; the nearest first. The mirror image of rows_by_count.sql.
SELECT path, count
FROM (
    (
        SELECT path, count
        FROM pathcount
        WHERE count = $1::bigint AND path < $2::text AND path >= $3::text AND path < $4::text
        ORDER BY path DESC
        LIMIT $5::bigint
    )
    UNION ALL
    (
        SELECT path, count
        FROM pathcount
        WHERE count > $1::bigint AND path >= $3::text AND path < $4::text
        ORDER BY count, path DESC
        LIMIT $5::bigint
    )
) AS both_scans
ORDER BY count, path DESC
LIMIT $5::bigint
