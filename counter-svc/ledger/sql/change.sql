-- Makes the change $1 (JSON), by which there may be at most $2 paths; answers with its result as JSON.
SELECT pathcount_change($1::text::jsonb, $2::bigint)::text
