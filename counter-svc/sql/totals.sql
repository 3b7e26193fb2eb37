-- How many paths and hits there are in all, as far as BIGINT goes.
SELECT sum(paths)::bigint, least(sum(hits), 9223372036854775807)::bigint FROM pathcount_lane
