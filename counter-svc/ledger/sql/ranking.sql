-- Returns the next work on the indexes of the rankings: nothing; all steps; the steps after the
-- index on counts (column); only the index on counts without bots (people); or elsewhere: another
-- process builds them.
WITH index AS (
    SELECT
        coalesce(bool_or(indexrelid = to_regclass('pathcount_by_count')), false) AS has_count,
        coalesce(bool_or(indexrelid = to_regclass('pathcount_by_people')), false) AS has_people
    FROM pg_index
    WHERE
        indisvalid
        AND indexrelid IN (to_regclass('pathcount_by_count'), to_regclass('pathcount_by_people'))
)
SELECT
    CASE
        WHEN to_regproc('pathcount_tier') IS NULL AND has_people THEN 'nothing'
        WHEN NOT pg_try_advisory_lock(7809632580312394868) THEN 'elsewhere'
        WHEN to_regproc('pathcount_tier') IS NULL THEN 'people'
        WHEN has_count THEN 'column'
        ELSE 'all'
    END
FROM index
