-- How many paths and hits there are in all, as far as BIGINT goes.
SELECT coalesce(sum(paths), 0)::bigint, least(coalesce(sum(hits), 0), 9223372036854775807)::bigint
FROM pathcount_lane
