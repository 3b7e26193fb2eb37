-- Appends an entry behind entry $1 with id $2, unless that is not the last one any more, or the tables
-- were changed by other means than a fold ($3 is no more the generation).
--   $4 the entry's id, $5 the writer, $6 lanes, $7 the sequences of their batches, $8 lanes that
--   begin, $9 lanes that end, $10 paths, $11 their hits, $12 how many of those are of bots (empty: none),
--   $13 how many of the paths are new, $14 padding
-- Answers with a row when it was appended: its time in milliseconds since 1970, and the checkpoint's
-- position. No row: read what has come behind entry $1 (catch_up.sql), then try again.
--
-- The lock keeps the entry from being deleted while another is chained to it. Of two that append at
-- once, one waits for the other's position, and then inserts nothing.
INSERT INTO pathcount_journal
    (position, id, kind, writer, lanes, sequences, opened, ended, paths, hits, bot_hits, new_paths)
SELECT
    entry.position + 1, $4::bigint, 1, $5::bigint, $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::text[], $11::bigint[], nullif($12::bigint[], '{}'), $13::bigint
FROM pathcount_journal AS entry
WHERE
    entry.position = $1::bigint AND entry.id = $2::bigint
    AND (SELECT generation FROM pathcount_checkpoint) = $3::bigint
    AND $14::text IS NOT NULL
FOR KEY SHARE OF entry
ON CONFLICT (position) DO NOTHING
RETURNING (extract(epoch FROM at) * 1000)::bigint, (SELECT position FROM pathcount_checkpoint)
