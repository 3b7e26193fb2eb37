-- The ledger: rows, and the lanes that make a repeated batch harmless.
--
-- Runs in the transaction of the migrations, under their advisory lock. Takes over the counts of a
-- table `pathcount` of an older server. In that table, count is INT DEFAULT 0 and may be NULL,
-- paths have the database's collation and may lack the leading slash.

CREATE TABLE pathcount_taking_over (
    -- "C" orders by bytes. Every statement locks its rows in this order, and a page continues after
    -- a path in this order.
    path TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL
);

DO $$
BEGIN
    IF to_regclass('pathcount') IS NOT NULL THEN
        LOCK TABLE pathcount IN ACCESS EXCLUSIVE MODE;
        -- Two spellings of one path become one row. A sum stays within BIGINT.
        INSERT INTO pathcount_taking_over (path, count)
        SELECT CASE WHEN path LIKE '/%' THEN path ELSE '/' || path END COLLATE "C",
               least(sum(greatest(coalesce(count, 0), 0)), 9223372036854775807)::bigint
        FROM pathcount
        GROUP BY 1;
        DROP TABLE pathcount;
        -- An index entry has at most 2,704 bytes. The ranking needs eight more for the count, and a
        -- missing slash adds one. So a path that just fitted into the old index may not fit. Its
        -- row is put aside for an operator.
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

-- The ranking. Its first page costs a short index scan, not a sort of the table.
CREATE INDEX pathcount_ranking ON pathcount (count DESC, path);

-- A lane: an ordered stream of batches. `sequence` is that of the last applied batch, and changes
-- in the statement that changes the counts. The lane has added `paths` and `hits`. So the totals
-- are a sum over a few lanes instead of a scan of all rows.
CREATE TABLE pathcount_lane (
    lane BIGINT PRIMARY KEY,
    sequence BIGINT NOT NULL DEFAULT 0,
    paths BIGINT NOT NULL DEFAULT 0,
    hits NUMERIC NOT NULL DEFAULT 0,
    used_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
-- Every batch updates the row of its lane. With room on the page the new version stays there, and
-- the index is not changed.
WITH (fillfactor = 20);

-- Lane 0 has no renderer. It has the paths and hits from before, and those of deleted lanes.
INSERT INTO pathcount_lane (lane, paths, hits)
SELECT 0, count(*), coalesce(sum(count), 0)
FROM pathcount;
