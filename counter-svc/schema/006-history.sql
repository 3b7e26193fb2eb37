-- History: hits for each hour and day, rankings of periods, and how many hits came from bots.
--
-- This migration only creates tables and functions and adds columns with a constant default, so that it
-- takes milliseconds whatever the ledger's size. The index that ranks paths without bots is built
-- afterwards, beside hits (ranking.c). Programs of schema 4 and 5 can go on: their fold is the function
-- below, and a NULL in bot_hits means that no hit came from a bot.
--
-- The fold adds every hit to the hour and the day in which it was committed. What leaves a period is taken
-- out later, by pathcount_history_step(), path by path: it computes a path's periods anew from its hours
-- and days, so it may be repeated, and interrupted anywhere.

ALTER TABLE pathcount ADD COLUMN bot_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pathcount_quarantine ADD COLUMN bot_count BIGINT NOT NULL DEFAULT 0;

-- How many rows the tables of history have, and the hits that came from bots.
ALTER TABLE pathcount_totals
    ADD COLUMN bot_hits NUMERIC NOT NULL DEFAULT 0,
    ADD COLUMN hour_rows BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN day_rows BIGINT NOT NULL DEFAULT 0;

-- Hits of a path in an hour, which begins at a whole hour of the time zone. The path '' stands for all
-- paths together. Rows come in the order of their hours, so retention deletes what is stored together.
CREATE TABLE pathcount_hours (
    hour TIMESTAMPTZ NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    hits BIGINT NOT NULL,
    bot_hits BIGINT NOT NULL,
    PRIMARY KEY (hour, path)
)
-- neither hits nor bot_hits is indexed: room on each page keeps a new version there
WITH (fillfactor = 90);

-- The same for the days of the time zone.
CREATE TABLE pathcount_days (
    day DATE NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    hits BIGINT NOT NULL,
    bot_hits BIGINT NOT NULL,
    PRIMARY KEY (day, path)
)
WITH (fillfactor = 90);

-- Hits of a path in the periods that are ranked: today (of the day `day`; on another day there are none),
-- this hour and the 23 before it, today and the 6 days before it, and today and the 29 days before it.
CREATE TABLE pathcount_recent (
    path TEXT COLLATE "C" PRIMARY KEY,
    day DATE NOT NULL,
    today BIGINT NOT NULL,
    today_bots BIGINT NOT NULL,
    h24 BIGINT NOT NULL,
    h24_bots BIGINT NOT NULL,
    d7 BIGINT NOT NULL,
    d7_bots BIGINT NOT NULL,
    d30 BIGINT NOT NULL,
    d30_bots BIGINT NOT NULL
);
CREATE INDEX pathcount_recent_today ON pathcount_recent (day, today DESC, path) WHERE today > 0;
CREATE INDEX pathcount_recent_h24 ON pathcount_recent (h24 DESC, path) WHERE h24 > 0;
CREATE INDEX pathcount_recent_d7 ON pathcount_recent (d7 DESC, path) WHERE d7 > 0;
CREATE INDEX pathcount_recent_d30 ON pathcount_recent (d30 DESC, path) WHERE d30 > 0;

-- One row: the settings of history, and how far pathcount_history_step() has come.
CREATE TABLE pathcount_history (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    time_zone TEXT NOT NULL DEFAULT 'UTC',
    -- how many hours and days are kept (0: none are recorded), and how many rows there may be
    keep_hours BIGINT NOT NULL DEFAULT 168,
    keep_days BIGINT NOT NULL DEFAULT 400,
    max_rows BIGINT NOT NULL DEFAULT 20000000,
    -- since when hits are recorded
    hours_since TIMESTAMPTZ DEFAULT now(),
    days_since TIMESTAMPTZ DEFAULT now(),
    -- the last hour that has left the period of 24 hours; of the next one, the paths up to the cursor have
    h24_left TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    h24_cursor TEXT COLLATE "C" NOT NULL DEFAULT '',
    -- the same for the periods of 7 and of 30 days
    d7_left DATE NOT NULL DEFAULT '-infinity',
    d7_cursor TEXT COLLATE "C" NOT NULL DEFAULT '',
    d30_left DATE NOT NULL DEFAULT '-infinity',
    d30_cursor TEXT COLLATE "C" NOT NULL DEFAULT ''
);
INSERT INTO pathcount_history DEFAULT VALUES;

-- a + b, at most the end of BIGINT.
CREATE FUNCTION pathcount_add(a BIGINT, b BIGINT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a > 9223372036854775807 - b THEN 9223372036854775807 ELSE a + b END;

-- Rows of the rankings for programs and SQL users: hits, and how many of them came from bots. Those of
-- people count hits without bots.
CREATE VIEW pathcount_people AS
SELECT path, count - bot_count AS count, bot_count FROM pathcount WHERE count > bot_count;

CREATE VIEW pathcount_today AS
SELECT path, today AS count, today_bots AS bot_count FROM pathcount_recent
WHERE day = (SELECT (now() AT TIME ZONE time_zone)::date FROM pathcount_history) AND today > 0;
CREATE VIEW pathcount_24h AS
SELECT path, h24 AS count, h24_bots AS bot_count FROM pathcount_recent WHERE h24 > 0;
CREATE VIEW pathcount_7d AS
SELECT path, d7 AS count, d7_bots AS bot_count FROM pathcount_recent WHERE d7 > 0;
CREATE VIEW pathcount_30d AS
SELECT path, d30 AS count, d30_bots AS bot_count FROM pathcount_recent WHERE d30 > 0;

CREATE OR REPLACE VIEW pathcount_now AS
SELECT
    path,
    least(sum(count), 9223372036854775807)::bigint AS count,
    least(sum(bot_count), 9223372036854775807)::bigint AS bot_count
FROM (
    SELECT path, count, bot_count FROM pathcount
    UNION ALL
    SELECT path, count, bot_count FROM pathcount_quarantine
    UNION ALL
    SELECT hit.path, hit.hits, coalesce(hit.bot_hits, 0)
    FROM pathcount_journal AS entry
    CROSS JOIN unnest(entry.paths, entry.hits, entry.bot_hits) AS hit (path, hits, bot_hits)
    WHERE entry.position > (SELECT position FROM pathcount_checkpoint)
) AS part
GROUP BY path;

-- As in 004-journal.sql, with hours, days, periods and bots.
CREATE OR REPLACE FUNCTION pathcount_fold(start BIGINT, upto BIGINT, refused TEXT[], error TEXT)
RETURNS BOOLEAN
LANGUAGE sql
SET jit = off SET enable_seqscan = off
AS $$
WITH history AS MATERIALIZED (
    SELECT time_zone, keep_hours > 0 AS has_hours, keep_days > 0 AS has_days, h24_left, d7_left, d30_left
    FROM pathcount_history
),
entry AS MATERIALIZED (
    SELECT
        position, id, at, lanes, sequences, opened, ended, paths, hits, bot_hits,
        date_trunc('hour', at, (SELECT time_zone FROM history)) AS hour
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
        -- a fold that had to wait for a restore has seen the entries of another ledger
        AND c.generation = (SELECT generation FROM pathcount_checkpoint)
    RETURNING c.position
),
-- nearly always there is one hour
hit_of_hour AS MATERIALIZED (
    SELECT
        *,
        (hour AT TIME ZONE (SELECT time_zone FROM history))::date AS day
    FROM (
        SELECT
            h.path COLLATE "C" AS path,
            entry.hour,
            least(sum(h.hits), 9223372036854775807)::bigint AS hits,
            least(sum(coalesce(h.bot_hits, 0)), 9223372036854775807)::bigint AS bot_hits,
            min(entry.at) AS first_at,
            max(entry.at) AS last_at
        FROM entry
        CROSS JOIN unnest(entry.paths, entry.hits, entry.bot_hits) AS h (path, hits, bot_hits)
        WHERE EXISTS (SELECT FROM moved)
        GROUP BY 1, 2
    ) AS summed
),
hit AS MATERIALIZED (
    SELECT
        path,
        least(sum(hits), 9223372036854775807)::bigint AS hits,
        least(sum(bot_hits), 9223372036854775807)::bigint AS bot_hits,
        min(first_at) AS first_at,
        max(last_at) AS last_at
    FROM hit_of_hour
    GROUP BY path
),
counted AS (
    INSERT INTO pathcount AS p (path, count, first_hit_at, last_hit_at, bot_count)
    SELECT path, hits, first_at, last_at, bot_hits
    FROM hit
    WHERE path <> ALL ($3)
    ORDER BY path
    ON CONFLICT (path) DO UPDATE
    -- a count at the end of BIGINT stays there
    SET count = pathcount_add(p.count, excluded.count),
        bot_count = pathcount_add(p.bot_count, excluded.bot_count),
        last_hit_at = greatest(p.last_hit_at, excluded.last_hit_at)
    RETURNING
        path,
        xmax = 0 AND NOT EXISTS (SELECT FROM pathcount_quarantine WHERE path = p.path) AS is_new
),
refused AS (
    INSERT INTO pathcount_quarantine AS q (path, count, error, bot_count)
    SELECT path, hits, $4, bot_hits
    FROM hit
    WHERE path = ANY ($3)
    ON CONFLICT (path) DO UPDATE
    SET count = pathcount_add(q.count, excluded.count),
        bot_count = pathcount_add(q.bot_count, excluded.bot_count),
        error = excluded.error,
        at = excluded.at
    RETURNING path, xmax = 0 AND NOT EXISTS (SELECT FROM pathcount WHERE path = q.path) AS is_new
),
hourly AS (
    INSERT INTO pathcount_hours AS t (hour, path, hits, bot_hits)
    SELECT hour, path, hits, bot_hits
    FROM (
        SELECT hour, path, hits, bot_hits FROM hit_of_hour
        UNION ALL
        SELECT
            hour, '', least(sum(hits), 9223372036854775807)::bigint,
            least(sum(bot_hits), 9223372036854775807)::bigint
        FROM hit_of_hour
        GROUP BY hour
    ) AS each_and_all
    WHERE (SELECT has_hours FROM history)
    ORDER BY hour, path
    ON CONFLICT (hour, path) DO UPDATE
    SET hits = pathcount_add(t.hits, excluded.hits),
        bot_hits = pathcount_add(t.bot_hits, excluded.bot_hits)
    RETURNING xmax = 0 AS is_new
),
daily AS (
    INSERT INTO pathcount_days AS t (day, path, hits, bot_hits)
    SELECT
        day, path, least(sum(hits), 9223372036854775807)::bigint,
        least(sum(bot_hits), 9223372036854775807)::bigint
    FROM (
        SELECT day, path, hits, bot_hits FROM hit_of_hour
        UNION ALL
        SELECT day, '', hits, bot_hits FROM hit_of_hour
    ) AS each_and_all
    WHERE (SELECT has_days FROM history)
    GROUP BY day, path
    ORDER BY day, path
    ON CONFLICT (day, path) DO UPDATE
    SET hits = pathcount_add(t.hits, excluded.hits),
        bot_hits = pathcount_add(t.bot_hits, excluded.bot_hits)
    RETURNING xmax = 0 AS is_new
),
ranked AS (
    INSERT INTO pathcount_recent AS r
        (path, day, today, today_bots, h24, h24_bots, d7, d7_bots, d30, d30_bots)
    SELECT
        path,
        day,
        least(today, 9223372036854775807)::bigint,
        least(today_bots, 9223372036854775807)::bigint,
        least(h24, 9223372036854775807)::bigint,
        least(h24_bots, 9223372036854775807)::bigint,
        least(d7, 9223372036854775807)::bigint,
        least(d7_bots, 9223372036854775807)::bigint,
        least(d30, 9223372036854775807)::bigint,
        least(d30_bots, 9223372036854775807)::bigint
    FROM (
        SELECT
            h.path,
            newest.day,
            coalesce(sum(h.hits) FILTER (WHERE has_days AND h.day = newest.day), 0) AS today,
            coalesce(sum(h.bot_hits) FILTER (WHERE has_days AND h.day = newest.day), 0) AS today_bots,
            coalesce(sum(h.hits) FILTER (WHERE has_hours AND hour > h24_left), 0) AS h24,
            coalesce(sum(h.bot_hits) FILTER (WHERE has_hours AND hour > h24_left), 0) AS h24_bots,
            coalesce(sum(h.hits) FILTER (WHERE has_days AND h.day > d7_left), 0) AS d7,
            coalesce(sum(h.bot_hits) FILTER (WHERE has_days AND h.day > d7_left), 0) AS d7_bots,
            coalesce(sum(h.hits) FILTER (WHERE has_days AND h.day > d30_left), 0) AS d30,
            coalesce(sum(h.bot_hits) FILTER (WHERE has_days AND h.day > d30_left), 0) AS d30_bots
        FROM hit_of_hour AS h
        CROSS JOIN history
        CROSS JOIN (SELECT max(day) AS day FROM hit_of_hour) AS newest
        WHERE has_hours OR has_days
        GROUP BY h.path, newest.day
    ) AS added
    ORDER BY path
    ON CONFLICT (path) DO UPDATE
    SET day = greatest(r.day, excluded.day),
        today = CASE
            WHEN r.day = excluded.day THEN pathcount_add(r.today, excluded.today)
            WHEN r.day < excluded.day THEN excluded.today
            ELSE r.today
        END,
        today_bots = CASE
            WHEN r.day = excluded.day THEN pathcount_add(r.today_bots, excluded.today_bots)
            WHEN r.day < excluded.day THEN excluded.today_bots
            ELSE r.today_bots
        END,
        h24 = pathcount_add(r.h24, excluded.h24),
        h24_bots = pathcount_add(r.h24_bots, excluded.h24_bots),
        d7 = pathcount_add(r.d7, excluded.d7),
        d7_bots = pathcount_add(r.d7_bots, excluded.d7_bots),
        d30 = pathcount_add(r.d30, excluded.d30),
        d30_bots = pathcount_add(r.d30_bots, excluded.d30_bots)
),
summed AS (
    UPDATE pathcount_totals AS t
    SET paths = t.paths + added.paths,
        hits = t.hits + (SELECT coalesce(sum(hits), 0) FROM hit),
        bot_hits = t.bot_hits + (SELECT coalesce(sum(bot_hits), 0) FROM hit),
        hour_rows = t.hour_rows + (SELECT count(*) FROM hourly WHERE is_new),
        day_rows = t.day_rows + (SELECT count(*) FROM daily WHERE is_new)
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
