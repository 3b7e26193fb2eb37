-- When a path was first and last hit; NULL where nobody knows: rows from before. Neither is indexed,
-- and a column that may be NULL rewrites nothing.
--
-- A program that is older can go on: what it writes leaves the new columns as they are.
ALTER TABLE pathcount
    ADD COLUMN first_hit_at TIMESTAMPTZ,
    ADD COLUMN last_hit_at TIMESTAMPTZ;
