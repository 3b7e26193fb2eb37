-- Sets the time zone $1, and how many hours ($2), days ($3) and rows ($4) of history are kept: how it was
-- before, NULL when it was the same.
SELECT pathcount_history_settings($1::text, $2::bigint, $3::bigint, $4::bigint)
