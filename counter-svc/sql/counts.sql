-- The counts of the paths $1, in their order; NULL for one that has no row. And the count of the
-- overflow row, whose key is $2; NULL when there is none.
SELECT
    array_agg(count ORDER BY ordinal),
    (SELECT count FROM pathcount WHERE path = $2::text)
FROM unnest($1::text[]) WITH ORDINALITY AS asked (path, ordinal)
LEFT JOIN pathcount USING (path)
