-- The first $1 rows of the ranking: the page that nearly everybody asks for.
SELECT path, count FROM pathcount ORDER BY count DESC, path LIMIT $1::bigint
