-- Returns the audit trail of the path $1 ('': of all) before change $2, at most $3 changes, as
-- JSON.
SELECT pathcount_audit(nullif($1::text, ''), $2::bigint, $3::bigint)::text
