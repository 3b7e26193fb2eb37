-- Makes the change $1 (JSON). There may be at most $2 paths afterwards. Returns its result as JSON.
SELECT pathcount_change($1::text::jsonb, $2::bigint)::text
