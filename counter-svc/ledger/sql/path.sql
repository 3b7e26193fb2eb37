-- Returns the path $1: its count; the number of rows before it in the ranking, at most $2; the
-- times of its first and last hit, in milliseconds since 1970, NULL if not known; its hits by bots;
-- and its hits and those by bots today, in this hour and the 23 before, in 7 days and in 30 days,
-- NULL if no history is kept.
SELECT
    p.count,
    (
        SELECT count(*)
        FROM (
            (
                SELECT FROM pathcount AS r
                WHERE r.count > p.count
                ORDER BY r.count DESC, r.path
                LIMIT $2::bigint
            )
            UNION ALL
            (
                SELECT FROM pathcount AS r
                WHERE r.count = p.count AND r.path < p.path
                ORDER BY r.path
                LIMIT $2::bigint
            )
            LIMIT $2::bigint
        ) AS before
    ),
    CASE WHEN isfinite(p.first_hit_at) THEN (extract(epoch FROM p.first_hit_at) * 1000)::bigint END,
    CASE WHEN isfinite(p.last_hit_at) THEN (extract(epoch FROM p.last_hit_at) * 1000)::bigint END,
    p.bot_count,
    period.today, period.today_bots, period.h24, period.h24_bots,
    period.d7, period.d7_bots, period.d30, period.d30_bots
FROM pathcount AS p
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN keep_days <> 0 THEN coalesce(today, 0) END AS today,
        CASE WHEN keep_days <> 0 THEN coalesce(today_bots, 0) END AS today_bots,
        CASE WHEN keep_hours <> 0 THEN coalesce(h24, 0) END AS h24,
        CASE WHEN keep_hours <> 0 THEN coalesce(h24_bots, 0) END AS h24_bots,
        CASE WHEN keep_days <> 0 THEN coalesce(d7, 0) END AS d7,
        CASE WHEN keep_days <> 0 THEN coalesce(d7_bots, 0) END AS d7_bots,
        CASE WHEN keep_days <> 0 THEN coalesce(d30, 0) END AS d30,
        CASE WHEN keep_days <> 0 THEN coalesce(d30_bots, 0) END AS d30_bots
    FROM pathcount_history
    LEFT JOIN (
        SELECT
            CASE WHEN day = (now() AT TIME ZONE time_zone)::date THEN today END AS today,
            CASE WHEN day = (now() AT TIME ZONE time_zone)::date THEN today_bots END AS today_bots,
            h24, h24_bots, d7, d7_bots, d30, d30_bots
        FROM pathcount_recent
        CROSS JOIN pathcount_history
        WHERE path = p.path
    ) AS recent ON true
) AS period
WHERE p.path = $1::text
