-- The same after it was refused for its data: how many paths went to the quarantine, NULL when nothing
-- was folded.
SELECT pathcount_fold_row_by_row($1::bigint, $2::bigint)
