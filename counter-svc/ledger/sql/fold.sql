-- Folds the entries after $1 up to $2 (schema/004-journal.sql). Returns whether it did.
SELECT pathcount_fold($1::bigint, $2::bigint, '{}', '')
