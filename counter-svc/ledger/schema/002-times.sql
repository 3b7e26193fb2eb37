-- The times of a path's first and last hit; NULL: unknown, in rows from before. Neither is indexed.
-- Columns that may be NULL do not rewrite the table.
--
-- Older programs can continue: they do not change the new columns.
ALTER TABLE pathcount
    ADD COLUMN first_hit_at TIMESTAMPTZ,
    ADD COLUMN last_hit_at TIMESTAMPTZ;
