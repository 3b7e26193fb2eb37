-- Every path keeps its hits: of this nothing is left in the plan but the hits themselves.
room (paths) AS (
    SELECT NULL::bigint
),
excess (path) AS (
    SELECT NULL::text
    WHERE false
),
kept (path, hits) AS (
    SELECT path, hits
    FROM unnest($4::text[], $5::bigint[]) AS hit (path, hits)
),
