-- Deletes the oldest changes of the audit trail, at most two, if they are older than $1 days. A
-- change is deleted only with or after all changes before it, because an undo must not be deleted
-- before the change that it has undone.
WITH old AS MATERIALIZED (
    SELECT change
    FROM (
        SELECT change, bool_and(at < now() - make_interval(days => $1::bigint::int)) OVER (ORDER BY change) AS is_old
        FROM (SELECT change, at FROM pathcount_changes ORDER BY change LIMIT 2) AS oldest
    ) AS judged
    WHERE is_old
),
deleted_rows AS (
    DELETE FROM pathcount_changed_rows WHERE change = ANY (ARRAY(SELECT change FROM old))
)
DELETE FROM pathcount_changes WHERE change = ANY (ARRAY(SELECT change FROM old))
