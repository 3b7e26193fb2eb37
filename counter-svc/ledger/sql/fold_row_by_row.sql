-- Folds the entries after $1, up to and including $2, after PostgreSQL has refused the fold because
-- of its data (schema/004-journal.sql). Returns the number of paths whose hits went to the
-- quarantine, or NULL if nothing was folded.
SELECT pathcount_fold_row_by_row($1::bigint, $2::bigint)
