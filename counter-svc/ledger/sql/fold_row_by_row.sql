-- The same, after PostgreSQL has refused the fold because of its data. Returns the number of paths whose
-- hits went to the quarantine, or NULL if nothing was folded.
SELECT pathcount_fold_row_by_row($1::bigint, $2::bigint)
