-- The ledger: rows, and the lanes that make a repeated batch harmless.
--
-- Runs inside the transaction of the migration, under its advisory lock. A table `pathcount` that an
-- older server left (count INT DEFAULT 0, perhaps NULL; the database's collation; paths perhaps
-- without their leading slash) is taken over with its counts.

CREATE TABLE pathcount_taking_over (
    -- "C" orders by bytes: the order in which every statement locks its rows, and in which a page
    -- continues behind a path
    path TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL
);

DO $$
BEGIN
    IF to_regclass('pathcount') IS NOT NULL THEN
        LOCK TABLE pathcount IN ACCESS EXCLUSIVE MODE;
        -- two spellings of one path become one row; a sum stays within BIGINT
        INSERT INTO pathcount_taking_over (path, count)
        SELECT CASE WHEN path LIKE '/%' THEN path ELSE '/' || path END COLLATE "C",
               least(sum(greatest(coalesce(count, 0), 0)), 9223372036854775807)::bigint
        FROM pathcount
        GROUP BY 1;
        DROP TABLE pathcount;
        -- an index entry holds 2,704 bytes: the ranking has eight for the count besides, and a
        -- missing slash adds one, so a path that just fitted the old index may not fit. Its row is
        -- put aside, where it can be looked at.
        IF EXISTS (SELECT FROM pathcount_taking_over WHERE pg_column_size(path) > 2685) THEN
            CREATE TABLE pathcount_not_taken_over AS
            SELECT * FROM pathcount_taking_over WHERE pg_column_size(path) > 2685;
            DELETE FROM pathcount_taking_over WHERE pg_column_size(path) > 2685;
        END IF;
    END IF;
END
$$;

ALTER TABLE pathcount_taking_over RENAME TO pathcount;
ALTER TABLE pathcount ADD CONSTRAINT pathcount_pkey PRIMARY KEY (path);

-- The ranking: its first page costs an index scan of a page, not a sort of the table.
CREATE INDEX pathcount_ranking ON pathcount (count DESC, path);

-- A lane: an ordered stream of batches. `sequence` is the last one applied; it changes in the
-- statement that changes the counts. `paths` and `hits` are what the lane added, so that the totals
-- are the sum over a few lanes instead of a scan over all rows.
CREATE TABLE pathcount_lane (
    lane BIGINT PRIMARY KEY,
    sequence BIGINT NOT NULL DEFAULT 0,
    paths BIGINT NOT NULL DEFAULT 0,
    hits NUMERIC NOT NULL DEFAULT 0,
    used_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
-- every batch updates its lane's row: room on its page keeps the new version there and the index
-- unchanged
WITH (fillfactor = 20);

-- Lane 0 is nobody's: it holds what was there before, and what forgotten lanes had added.
INSERT INTO pathcount_lane (lane, paths, hits)
SELECT 0, count(*), coalesce(sum(count), 0)
FROM pathcount;
