-- Applies a merge of batches, each of another lane, all of them or none.
--   $1 lanes, $2 the batches' sequences, $3 the batches' hits
--   $4 paths in byte order, $5 the hits of each
-- Answers whether it was applied, the paths' counts in the order of $4, and the lanes found with
-- the sequences that they had.
--
-- The order of locks is the same everywhere: lanes by id, then paths by bytes. FOR UPDATE gives the
-- row as it is once the lock is held, also when it had to wait for another transaction: so a repeat
-- that raced its original sees what the original did.
WITH found AS MATERIALIZED (
    SELECT lane, sequence
    FROM pathcount_lane
    WHERE lane = ANY ($1::bigint[])
    ORDER BY lane
    FOR UPDATE
),
agreed AS MATERIALIZED (
    SELECT count(*) = cardinality($1::bigint[]) AS yes
    FROM found
    JOIN unnest($1::bigint[], $2::bigint[]) AS asked (lane, sequence) USING (lane)
    WHERE found.sequence = asked.sequence - 1
),
counted AS (
    INSERT INTO pathcount AS p (path, count, first_hit_at, last_hit_at)
    SELECT path, hits, now(), now()
    FROM unnest($4::text[], $5::bigint[]) AS hit (path, hits)
    WHERE (SELECT yes FROM agreed)
    ON CONFLICT (path) DO UPDATE
    -- a count at the end of BIGINT stays there: it must not fail the batch of others
    SET count = CASE
        WHEN p.count > 9223372036854775807 - excluded.count THEN 9223372036854775807
        ELSE p.count + excluded.count
    END,
    -- now() is when a transaction began, so another's may be later
    last_hit_at = greatest(p.last_hit_at, excluded.last_hit_at)
    RETURNING path, count, xmax = 0 AS is_new
),
summed AS MATERIALIZED (
    SELECT array_agg(count ORDER BY path) AS counts, count(*) FILTER (WHERE is_new) AS new_paths
    FROM counted
),
moved AS (
    UPDATE pathcount_lane AS l
    SET sequence = asked.sequence,
        hits = l.hits + asked.hits,
        -- which of the merged lanes brought a new path does not matter to the sum: the first
        paths = l.paths + CASE asked.ordinal
            WHEN 1 THEN (SELECT new_paths FROM summed)
            ELSE 0
        END,
        used_at = now()
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
        WITH ORDINALITY AS asked (lane, sequence, hits, ordinal)
    WHERE l.lane = asked.lane AND (SELECT yes FROM agreed)
)
SELECT
    (SELECT yes FROM agreed),
    (SELECT counts FROM summed),
    (SELECT array_agg(lane ORDER BY lane) FROM found),
    (SELECT array_agg(sequence ORDER BY lane) FROM found)
