-- Returns the last rows by path before $1, from $2 up to but not including $3, at most $4, the
-- nearest first.
SELECT path, count, bot_count
FROM pathcount_rows
WHERE path < $1::text AND path >= $2::text AND path < $3::text
ORDER BY path DESC
LIMIT $4::bigint
