-- Ends one lane: a batch of it that still comes finds it unknown. What it added is kept in lane 0.
WITH gone AS (
    DELETE FROM pathcount_lane WHERE lane = $1::bigint AND lane <> 0 RETURNING paths, hits
)
UPDATE pathcount_lane AS l
SET paths = l.paths + gone.paths, hits = l.hits + gone.hits
FROM gone
WHERE l.lane = 0
