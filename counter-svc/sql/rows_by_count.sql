-- Rows behind (count $1, path $2) in the ranking, with paths from $3 up to but not including $4, at
-- most $5. Two scans of one index, each from where the cursor points, instead of one that would walk
-- through all rows with the cursor's count.
SELECT path, count
FROM (
    (
        SELECT path, count
        FROM pathcount
        WHERE count = $1::bigint AND path > $2::text AND path >= $3::text AND path < $4::text
        ORDER BY path
        LIMIT $5::bigint
    )
    UNION ALL
    (
        SELECT path, count
        FROM pathcount
        WHERE count < $1::bigint AND path >= $3::text AND path < $4::text
        ORDER BY count DESC, path
        LIMIT $5::bigint
    )
) AS both_scans
ORDER BY count DESC, path
LIMIT $5::bigint
