-- The first $1 rows of the ranking: the page that nearly everybody asks for. From 256 on a tier holds
-- several counts and is sorted when it is its turn; below it is one count, whose rows the index has
-- in order: there may be a million of them. The parts come one behind the other, and the second only
-- when the first has not got enough.
(
    SELECT path, count
    FROM pathcount
    WHERE tier >= 256
    ORDER BY tier DESC, count DESC, path
    LIMIT $1::bigint
)
UNION ALL
(
    SELECT path, count
    FROM pathcount
    WHERE tier < 256
    ORDER BY tier DESC, path
    LIMIT $1::bigint
)
LIMIT $1::bigint
