-- Applies a merge of batches, each of another lane, all of them or none. This is its beginning; then
-- comes apply_all.sql, or apply_some.sql when there may not be room for all new paths, and
-- apply_end.sql.
--   $1 lanes, $2 the batches' sequences, $3 the batches' hits
--   $4 paths in byte order, $5 the hits of each
-- Answers whether it was applied, the paths' counts in the order of $4 (NULL: counted in the overflow
-- row), the lanes found with the sequences that they had, the overflow row's count if it was changed,
-- and for how many new paths there was room (NULL: not looked for).
--
-- The order of locks is the same everywhere: lanes by id, then rows by the bytes of their paths, the
-- overflow row first. FOR UPDATE gives the row as it is once the lock is held, also when it had to
-- wait for another transaction: so a repeat that raced its original sees what the original did.
WITH found AS MATERIALIZED (
    SELECT lane, sequence
    FROM pathcount_lane
    WHERE lane = ANY ($1::bigint[])
    ORDER BY lane
    FOR UPDATE
),
agreed AS MATERIALIZED (
    SELECT count(*) = cardinality($1::bigint[]) AS yes
    FROM found
    JOIN unnest($1::bigint[], $2::bigint[]) AS asked (lane, sequence) USING (lane)
    WHERE found.sequence = asked.sequence - 1
),
