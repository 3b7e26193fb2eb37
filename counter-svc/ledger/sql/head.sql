-- Returns the state of the journal's head: the position of the checkpoint, the generation, the time
-- in milliseconds since 1970, the position of the last entry, the id of entry $1, and the number of
-- paths in the quarantine, up to 1,000. Does not use the table of counts, which may be locked.
SELECT
    checkpoint.position,
    checkpoint.generation,
    (extract(epoch FROM now()) * 1000)::bigint,
    (SELECT max(position) FROM pathcount_journal),
    (SELECT id FROM pathcount_journal WHERE position = $1::bigint),
    (SELECT count(*) FROM (SELECT FROM pathcount_quarantine LIMIT 1000) AS refused)
FROM pathcount_checkpoint AS checkpoint
