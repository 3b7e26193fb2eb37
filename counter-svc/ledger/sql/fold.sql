-- Folds the entries behind $1 up to $2 (schema/004-journal.sql): whether it did.
SELECT pathcount_fold($1::bigint, $2::bigint, '{}', '')
