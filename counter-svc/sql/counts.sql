-- The counts of the paths $1, in their order; NULL for one that has no row.
SELECT array_agg(count ORDER BY ordinal)
FROM unnest($1::text[]) WITH ORDINALITY AS asked (path, ordinal)
LEFT JOIN pathcount USING (path)
