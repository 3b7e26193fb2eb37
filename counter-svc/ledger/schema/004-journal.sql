-- The journal: a row for each commit of counter-svc. The table `pathcount` becomes its checkpoint.
--
-- This migration only creates and renames, so it takes milliseconds for a ledger of any size.
-- Because it renames pathcount_lane, every statement of an older program fails at once, and none
-- can write beside the journal. The index of the ranking is replaced later, while hits are counted
-- (ranking.c).
--
--     count(path) = pathcount + pathcount_quarantine + entries after the checkpoint
--
-- holds at every moment, in every snapshot. The view `pathcount_now` computes this count.

CREATE TABLE pathcount_journal (
    -- 1, 2, 3… without a gap. An entry is chained to the previous one by its position and id.
    position BIGINT PRIMARY KEY,
    -- random
    id BIGINT NOT NULL,
    -- 1. A program must not continue after an entry of an unknown kind.
    kind SMALLINT NOT NULL,
    -- The process that appended it, a random number.
    writer BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- The batches, at most one of each lane.
    lanes BIGINT[] NOT NULL,
    sequences BIGINT[] NOT NULL,
    -- Lanes that begin with this entry, and lanes that end with it.
    opened BIGINT[] NOT NULL,
    ended BIGINT[] NOT NULL,
    -- Each path once. Hits of paths without their own row are under '(other paths)'.
    paths TEXT[] COLLATE "C" NOT NULL,
    hits BIGINT[] NOT NULL,
    -- The number of these paths that had no row before.
    new_paths BIGINT NOT NULL,
    -- Reserved: the hits by bots among the hits.
    bot_hits BIGINT[]
)
-- An entry exists for seconds. Compression, or a move to a TOAST table, would cost more than it
-- saves.
WITH (toast_tuple_target = 8160);
ALTER TABLE pathcount_journal
    ALTER COLUMN lanes SET STORAGE EXTERNAL,
    ALTER COLUMN sequences SET STORAGE EXTERNAL,
    ALTER COLUMN paths SET STORAGE EXTERNAL,
    ALTER COLUMN hits SET STORAGE EXTERNAL;

-- One row: the entry up to which the tables include the journal. `generation` is a random number.
-- It changes when anything but a fold changes the tables; programs then reload their state.
CREATE TABLE pathcount_checkpoint (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    position BIGINT NOT NULL,
    id BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    folded_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- One row: the totals of paths and hits at the checkpoint.
CREATE TABLE pathcount_totals (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    paths BIGINT NOT NULL,
    hits NUMERIC NOT NULL
);

-- Hits that the table `pathcount` refused, because of a constraint or a trigger of an operator.
CREATE TABLE pathcount_quarantine (
    path TEXT COLLATE "C" PRIMARY KEY,
    count BIGINT NOT NULL,
    error TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- The lanes at the checkpoint, each with its last sequence.
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

-- Folds the entries after `start`, up to and including `upto`, into the tables. Folds nothing if
-- the checkpoint is not at `start`, or if an entry is missing. Returns whether it has folded.
--
-- All parts depend on `moved`. Of two folds at the same time, one waits for the row of the
-- checkpoint. Then it finds that the checkpoint has moved, and changes nothing. Hits of the paths
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
        -- A fold that has waited for a restore has read the entries of another ledger.
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
    -- A count at the maximum of BIGINT stays there.
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

-- The same after PostgreSQL has refused a fold because of its data. Finds the paths whose rows are
-- refused, one by one, and puts their hits into the quarantine. Returns their number, or NULL if
-- nothing was folded.
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
    SET CONSTRAINTS ALL IMMEDIATE; -- a deferred one would refuse the fold at its commit
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
            RAISE EXCEPTION USING ERRCODE = 'PC000'; -- accepted: undone, for the fold below
        EXCEPTION
            WHEN SQLSTATE 'PC000' THEN
                NULL;
            WHEN OTHERS THEN
                -- Other errors do not concern this row: a lock, a full disk, a missing privilege.
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

-- Folds all entries. For operators. Returns the position of the checkpoint.
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

-- Call it as the last statement of a transaction that has changed `pathcount` or
-- `pathcount_quarantine` with SQL. Recomputes the totals, and makes every counter-svc reload its
-- state. From here to the commit hits wait; none is lost. Begin such a transaction with
-- pathcount_fold(): folds then wait for the transaction, and cannot deadlock with it.
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
