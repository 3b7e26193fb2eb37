-- Does one piece of the work that time brings, for up to $1 paths (schema/006-history.sql): whether there is
-- more to do.
SELECT pathcount_history_step(now(), $1::bigint)
