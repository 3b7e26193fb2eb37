-- What is known of the journal's head, without a look at the table of counts, which may be locked: the
-- checkpoint's position, the generation, the time in milliseconds since 1970, the last entry's
-- position, and the id of entry $1.
SELECT
    checkpoint.position,
    checkpoint.generation,
    (extract(epoch FROM now()) * 1000)::bigint,
    (SELECT max(position) FROM pathcount_journal),
    (SELECT id FROM pathcount_journal WHERE position = $1::bigint)
FROM pathcount_checkpoint AS checkpoint
