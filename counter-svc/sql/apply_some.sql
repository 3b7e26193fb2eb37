-- New paths for which there is no room leave their hits to the overflow row.
--   $6 how many paths there may be, $7 the overflow row's key, which is before all paths in byte order
room AS MATERIALIZED (
    SELECT ($6::bigint - sum(paths))::bigint AS paths
    FROM pathcount_lane
),
-- of the new paths, the first have the room that there is
excess AS MATERIALIZED (
    SELECT asked.path, asked.hits
    FROM unnest($4::text[], $5::bigint[]) WITH ORDINALITY AS asked (path, hits, ordinal)
    WHERE
        (SELECT yes FROM agreed)
        AND (SELECT paths FROM room) < cardinality($4::text[])
        AND NOT EXISTS (SELECT FROM pathcount AS p WHERE p.path = asked.path)
    ORDER BY asked.ordinal
    OFFSET (SELECT greatest(paths, 0) FROM room)
),
kept (path, hits) AS (
    SELECT $7::text, sum(hits)::bigint
    FROM excess
    HAVING count(*) <> 0
    UNION ALL
    SELECT path, hits
    FROM unnest($4::text[], $5::bigint[]) AS hit (path, hits)
    WHERE path NOT IN (SELECT path FROM excess)
),
