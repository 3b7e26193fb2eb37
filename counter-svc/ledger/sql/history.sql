-- Returns the history of the path $1 ('': of all paths together) by $2 (hour or day), from $3 to $4
-- ('': unlimited), as JSON.
SELECT pathcount_history_of($1::text, $2::text, $3::text, $4::text, now())::text
