-- Forgets lanes that have been silent for $1 seconds; what they added is kept in lane 0. Lanes that
-- somebody holds are not silent: they are skipped, not waited for.
WITH silent AS (
    SELECT lane
    FROM pathcount_lane
    WHERE lane <> 0 AND used_at < now() - make_interval(secs => $1::bigint)
    ORDER BY lane
    FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM pathcount_lane WHERE lane IN (SELECT lane FROM silent) RETURNING paths, hits
)
UPDATE pathcount_lane AS l
SET paths = l.paths + g.paths, hits = l.hits + g.hits
FROM (SELECT sum(paths)::bigint AS paths, sum(hits) AS hits, count(*) AS lanes FROM gone) AS g
WHERE l.lane = 0 AND g.lanes > 0
