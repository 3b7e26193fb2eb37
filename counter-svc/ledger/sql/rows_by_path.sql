-- Returns the rows by path after $1, from $2 up to but not including $3, at most $4.
SELECT path, count, bot_count
FROM pathcount_rows
WHERE path > $1::text AND path >= $2::text AND path < $3::text
ORDER BY path
LIMIT $4::bigint
