-- Sets the time zone $1, and the limits of history: hours ($2), days ($3) and rows ($4). Returns
-- the previous settings, or NULL if they were the same.
SELECT pathcount_history_settings($1::text, $2::bigint, $3::bigint, $4::bigint)
