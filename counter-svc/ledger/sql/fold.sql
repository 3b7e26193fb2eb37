-- Folds the entries after $1, up to and including $2 (schema/006-history.sql). Returns whether it
-- has folded.
SELECT pathcount_fold($1::bigint, $2::bigint, '{}', '')
