-- What is to be done for the ranking's index: nothing any more, all of it, or only what comes behind the
-- index; or another process does it (elsewhere).
SELECT
    CASE
        WHEN to_regproc('pathcount_tier') IS NULL THEN 'nothing'
        WHEN NOT pg_try_advisory_lock(7809632580312394868) THEN 'elsewhere'
        WHEN EXISTS (
            SELECT FROM pg_index
            WHERE indexrelid = to_regclass('pathcount_by_count') AND indisvalid
        ) THEN 'column'
        ELSE 'all'
    END
