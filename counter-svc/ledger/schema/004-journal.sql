-- The journal: one row for each commit of counter-svc. The table `pathcount` becomes its checkpoint.
--
-- This migration only creates and renames, so that it takes milliseconds whatever the ledger's size.
-- Renaming pathcount_lane makes every statement of an older program fail at once, so that none can
-- write beside the journal. The ranking's index is replaced afterwards, beside hits (ranking.c).
--
--     count(path) = pathcount + pathcount_quarantine + entries behind the checkpoint
--
-- holds at every moment, in every snapshot. The view `pathcount_now` computes it.

CREATE TABLE pathcount_journal (
    -- 1, 2, 3… without a gap. An entry is chained to the one before it by that one's position and id
    position BIGINT PRIMARY KEY,
    -- random
    id BIGINT NOT NULL,
    -- 1; a program that meets a kind that it does not know must not go on
    kind SMALLINT NOT NULL,
    -- the process that appended it, a random number
    writer BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- the batches: at most one of each lane
    lanes BIGINT[] NOT NULL,
    sequences BIGINT[] NOT NULL,
    -- lanes that begin, and lanes that end, with this entry
    opened BIGINT[] NOT NULL,
    ended BIGINT[] NOT NULL,
    -- each path once; hits of paths without a row of their own stand under '(other paths)'
    paths TEXT[] COLLATE "C" NOT NULL,
    hits BIGINT[] NOT NULL,
    -- how many of the paths had no row before
    new_paths BIGINT NOT NULL,
    -- reserved: how many of the hits are of bots
    bot_hits BIGINT[]
)
-- an entry lives for seconds: compressing it, or moving it to another table, costs more than it saves
WITH (toast_tuple_target = 8160);
ALTER TABLE pathcount_journal
    ALTER COLUMN lanes SET STORAGE EXTERNAL,
    ALTER COLUMN sequences SET STORAGE EXTERNAL,
    ALTER COLUMN paths SET STORAGE EXTERNAL,
    ALTER COLUMN hits SET STORAGE EXTERNAL;

-- One row: up to which entry the tables have everything. `generation` is a random number that changes
-- when the tables are changed in another way than by a fold; programs then read everything anew.
CREATE TABLE pathcount_checkpoint (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    position BIGINT NOT NULL,
    id BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    folded_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- One row: how many paths and hits there are in all at the checkpoint.
CREATE TABLE pathcount_totals (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    paths BIGINT NOT NULL,
    hits NUMERIC NOT NULL
);

-- Hits that the table `pathcount` refused: a constraint or a trigger that an operator has added.
CREATE TABLE pathcount_quarantine (
    path TEXT COLLATE "C" PRIMARY KEY,
    count BIGINT NOT NULL,
    error TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Lanes at the checkpoint: the last sequence of each.
ALTER TABLE pathcount_lane RENAME TO pathcount_lanes;

INSERT INTO pathcount_totals (paths, hits)
SELECT coalesce(sum(paths), 0), coalesce(sum(hits), 0) FROM pathcount_lanes;

DELETE FROM pathcount_lanes WHERE lane = 0;
ALTER TABLE pathcount_lanes DROP COLUMN paths, DROP COLUMN hits;

INSERT INTO pathcount_journal
    (position, id, kind, writer, lanes, sequences, opened, ended, paths, hits, new_paths)
VALUES (1, floor(random() * 9e15)::bigint, 1, 0, '{}', '{}', '{}', '{}', '{}', '{}', 0);

INSERT INTO pathcount_checkpoint (position, id, generation)
SELECT position, id, floor(random() * 9e15)::bigint FROM pathcount_journal;

CREATE VIEW pathcount_now AS
SELECT path, least(sum(count), 9223372036854775807)::bigint AS count
FROM (
    SELECT path, count FROM pathcount
    UNION ALL
    SELECT path, count FROM pathcount_quarantine
    UNION ALL
    SELECT hit.path, hit.hits
    FROM pathcount_journal AS entry
    CROSS JOIN unnest(entry.paths, entry.hits) AS hit (path, hits)
    WHERE entry.position > (SELECT position FROM pathcount_checkpoint)
) AS part
GROUP BY path;

-- Folds the entries behind `start`, up to and with `upto`, into the tables: all of them, or nothing
-- when the checkpoint is not at `start` or an entry is missing. Returns whether it did.
--
-- Everything hangs on `moved`. Of two folds that run at once one waits for the checkpoint's row. When
-- it gets the row, it finds that the checkpoint has moved on, and changes nothing. Hits of the paths
-- in `refused` go to the quarantine.
CREATE FUNCTION pathcount_fold(start BIGINT, upto BIGINT, refused TEXT[], error TEXT)
RETURNS BOOLEAN
LANGUAGE sql
SET jit = off SET enable_seqscan = off
AS $$
WITH entry AS MATERIALIZED (
    SELECT position, id, at, lanes, sequences, opened, ended, paths, hits
    FROM pathcount_journal
    WHERE position > $1 AND position <= $2
),
moved AS MATERIALIZED (
    UPDATE pathcount_checkpoint AS c
    SET position = $2, id = last.id, folded_at = clock_timestamp()
    FROM (SELECT id FROM entry WHERE position = $2) AS last
    WHERE
        c.position = $1
        AND (SELECT count(*) FROM entry) = $2 - $1
        -- a fold that had to wait for a restore has seen the entries of another ledger
        AND c.generation = (SELECT generation FROM pathcount_checkpoint)
    RETURNING c.position
),
hit AS MATERIALIZED (
    SELECT
        h.path COLLATE "C" AS path,
        least(sum(h.hits), 9223372036854775807)::bigint AS hits,
        min(entry.at) AS first_at,
        max(entry.at) AS last_at
    FROM entry
    CROSS JOIN unnest(entry.paths, entry.hits) AS h (path, hits)
    WHERE EXISTS (SELECT FROM moved)
    GROUP BY 1
),
counted AS (
    INSERT INTO pathcount AS p (path, count, first_hit_at, last_hit_at)
    SELECT path, hits, first_at, last_at
    FROM hit
    WHERE path <> ALL ($3)
    ORDER BY path
    ON CONFLICT (path) DO UPDATE
    -- a count at the end of BIGINT stays there
    SET count = CASE
            WHEN p.count > 9223372036854775807 - excluded.count THEN 9223372036854775807
            ELSE p.count + excluded.count
        END,
        last_hit_at = greatest(p.last_hit_at, excluded.last_hit_at)
    RETURNING
        path,
        xmax = 0 AND NOT EXISTS (SELECT FROM pathcount_quarantine WHERE path = p.path) AS is_new
),
refused AS (
    INSERT INTO pathcount_quarantine AS q (path, count, error)
    SELECT path, hits, $4
    FROM hit
    WHERE path = ANY ($3)
    ON CONFLICT (path) DO UPDATE
    SET count = CASE
            WHEN q.count > 9223372036854775807 - excluded.count THEN 9223372036854775807
            ELSE q.count + excluded.count
        END,
        error = excluded.error,
        at = excluded.at
    RETURNING path, xmax = 0 AND NOT EXISTS (SELECT FROM pathcount WHERE path = q.path) AS is_new
),
summed AS (
    UPDATE pathcount_totals AS t
    SET paths = t.paths + added.paths, hits = t.hits + (SELECT coalesce(sum(hits), 0) FROM hit)
    FROM (
        SELECT count(*) FILTER (WHERE is_new AND path >= '/') AS paths
        FROM (SELECT path, is_new FROM counted UNION ALL SELECT path, is_new FROM refused) AS row_of_either
    ) AS added
    WHERE EXISTS (SELECT FROM moved)
),
kept AS (
    INSERT INTO pathcount_lanes (lane, sequence, used_at)
    SELECT lane, max(sequence), max(at)
    FROM (
        SELECT b.lane, b.sequence, entry.at
        FROM entry
        CROSS JOIN unnest(entry.lanes, entry.sequences) AS b (lane, sequence)
        UNION ALL
        SELECT o.lane, 0, entry.at
        FROM entry
        CROSS JOIN unnest(entry.opened) AS o (lane)
    ) AS used
    WHERE
        EXISTS (SELECT FROM moved)
        AND lane NOT IN (SELECT unnest(ended) FROM entry)
    GROUP BY lane
    ON CONFLICT (lane) DO UPDATE SET sequence = excluded.sequence, used_at = excluded.used_at
),
ended AS (
    DELETE FROM pathcount_lanes
    WHERE EXISTS (SELECT FROM moved) AND lane IN (SELECT unnest(ended) FROM entry)
)
SELECT EXISTS (SELECT FROM moved)
$$;

-- The same when PostgreSQL has refused it for its data: finds the paths whose rows are refused, one by
-- one, and puts the hits of those into the quarantine. Returns how many, or NULL when nothing moved.
CREATE FUNCTION pathcount_fold_row_by_row(start BIGINT, upto BIGINT)
RETURNS BIGINT
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
    hit RECORD;
    refused TEXT[] := '{}';
    message TEXT := '';
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE; -- a deferred one would refuse the whole at its commit
    FOR hit IN
        SELECT h.path COLLATE "C" AS path, least(sum(h.hits), 9223372036854775807)::bigint AS hits
        FROM pathcount_journal AS entry
        CROSS JOIN unnest(entry.paths, entry.hits) AS h (path, hits)
        WHERE entry.position > start AND entry.position <= upto
        GROUP BY 1
        ORDER BY 1
    LOOP
        BEGIN
            INSERT INTO pathcount AS p (path, count, first_hit_at, last_hit_at)
            VALUES (hit.path, hit.hits, now(), now())
            ON CONFLICT (path) DO UPDATE
            SET count = CASE
                    WHEN p.count > 9223372036854775807 - excluded.count THEN 9223372036854775807
                    ELSE p.count + excluded.count
                END,
                last_hit_at = greatest(p.last_hit_at, excluded.last_hit_at);
            RAISE EXCEPTION USING ERRCODE = 'PC000'; -- it would work: undone, for the fold below
        EXCEPTION
            WHEN SQLSTATE 'PC000' THEN
                NULL;
            WHEN OTHERS THEN
                -- anything but a constraint or a trigger is not this row's fault: a lock, a full disk,
                -- a missing privilege
                IF left(SQLSTATE, 2) NOT IN ('22', '23', '44', 'P0') THEN
                    RAISE;
                END IF;
                refused := refused || hit.path;
                message := SQLERRM;
        END;
    END LOOP;
    IF pathcount_fold(start, upto, refused, message) THEN
        RETURN cardinality(refused);
    END IF;
    RETURN NULL;
END
$$;

-- Folds everything that there is. For operators; returns the checkpoint's position.
CREATE FUNCTION pathcount_fold() RETURNS BIGINT
LANGUAGE plpgsql
AS $$
DECLARE
    start BIGINT;
    upto BIGINT;
BEGIN
    LOOP
        SELECT position INTO start FROM pathcount_checkpoint FOR UPDATE;
        SELECT least(max(position), start + 10000) INTO upto FROM pathcount_journal;
        EXIT WHEN upto <= start;
        IF NOT pathcount_fold(start, upto, '{}', '') THEN
            RAISE EXCEPTION 'the journal has no entry for each position from % to %', start, upto;
        END IF;
    END LOOP;
    RETURN start;
END
$$;

-- To be called in the transaction that has changed `pathcount` or `pathcount_quarantine` with SQL, as
-- its last statement. Computes the totals anew, and lets every counter-svc read everything anew. Hits
-- wait from here to the commit. They are not lost. Such a transaction begins with pathcount_fold(): from
-- there on folds wait for it, which might otherwise deadlock with it.
CREATE FUNCTION pathcount_edited() RETURNS VOID
LANGUAGE plpgsql
AS $$
BEGIN
    LOCK TABLE pathcount_journal IN EXCLUSIVE MODE;
    PERFORM pathcount_fold();
    IF EXISTS (SELECT FROM pathcount WHERE count < 0) THEN
        RAISE EXCEPTION 'pathcount has a count below zero';
    END IF;
    UPDATE pathcount_totals
    SET paths = (SELECT count(*) FROM pathcount WHERE path >= '/')
            + (
                SELECT count(*) FROM pathcount_quarantine AS q
                WHERE path >= '/' AND NOT EXISTS (SELECT FROM pathcount WHERE path = q.path)
            ),
        hits = (SELECT coalesce(sum(count), 0) FROM pathcount)
            + (SELECT coalesce(sum(count), 0) FROM pathcount_quarantine);
    UPDATE pathcount_checkpoint SET generation = floor(random() * 9e15)::bigint;
END
$$;
