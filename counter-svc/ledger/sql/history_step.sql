-- Makes one step of the upkeep of history, for up to $1 paths (schema/006-history.sql). Returns
-- whether more steps are due.
SELECT pathcount_history_step(now(), $1::bigint)
