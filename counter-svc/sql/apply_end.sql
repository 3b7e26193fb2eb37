counted AS (
    INSERT INTO pathcount AS p (path, count, first_hit_at, last_hit_at)
    SELECT path, hits, now(), now()
    FROM kept
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
-- every path begins with a slash, and the overflow row's key is before that
summed AS MATERIALIZED (
    SELECT
        array_agg(count ORDER BY path) FILTER (WHERE path >= '/') AS counts,
        count(*) FILTER (WHERE path >= '/' AND is_new) AS new_paths,
        max(count) FILTER (WHERE path < '/') AS overflow
    FROM (
        SELECT path, count, is_new FROM counted
        UNION ALL
        SELECT path, NULL, false FROM excess
    ) AS asked
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
    (SELECT array_agg(sequence ORDER BY lane) FROM found),
    (SELECT overflow FROM summed),
    (SELECT paths FROM room)
