-- What is known of the journal's head, without a look at the table of counts, which may be locked: the
-- checkpoint's position, the generation, the time in milliseconds since 1970, the last entry's
-- position, the id of entry $1, and how many paths are in the quarantine, up to 1,000.
SELECT
    checkpoint.position,
    checkpoint.generation,
    (extract(epoch FROM now()) * 1000)::bigint,
    (SELECT max(position) FROM pathcount_journal),
    (SELECT id FROM pathcount_journal WHERE position = $1::bigint),
    (SELECT count(*) FROM (SELECT FROM pathcount_quarantine LIMIT 1000) AS refused)
FROM pathcount_checkpoint AS checkpoint
