-- Appends an entry after entry $1 with id $2, if that is still the last one, and if the generation
-- is still $3: since then, only folds have changed the tables.
--   $4 the entry's id, $5 the writer, $6 lanes, $7 the sequences of their batches,
--   $8 lanes that begin, $9 lanes that end, $10 paths, $11 their hits,
--   $12 the hits by bots among them (empty: none), $13 the number of new paths, $14 padding
-- Returns a row if the entry was appended: its time in milliseconds since 1970, and the position of
-- the checkpoint. No row: read the entries after entry $1 (catch_up.sql), then try again.
--
-- The lock prevents a clear from deleting the entry while another one is chained to it. Of two
-- appends at the same time, one waits for the other's position, and then inserts nothing.
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
