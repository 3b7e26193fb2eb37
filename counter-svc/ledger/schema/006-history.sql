-- History: hits of each hour and day, rankings of periods, and hits by bots.
--
-- This migration only creates tables and functions, and adds columns with a constant default, so it
-- takes milliseconds for a ledger of any size. The index that ranks paths without bots is built
-- later, while hits are counted (ranking.c). Programs of schema 4 and 5 can continue: they call the
-- fold below, and a NULL in bot_hits means that there are no hits by bots.
--
-- The fold adds every hit to the hour and the day of its commit. Later, pathcount_history_step()
-- removes the hours and days that leave a period, path by path. It recomputes the periods of a path
-- from its hours and days, so it may be repeated and interrupted at any time.

ALTER TABLE pathcount ADD COLUMN bot_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pathcount_quarantine ADD COLUMN bot_count BIGINT NOT NULL DEFAULT 0;

-- The hits by bots, and the number of rows in the tables of history.
ALTER TABLE pathcount_totals
    ADD COLUMN bot_hits NUMERIC NOT NULL DEFAULT 0,
    ADD COLUMN hour_rows BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN day_rows BIGINT NOT NULL DEFAULT 0;

-- Hits of a path in an hour, which begins at a whole hour of the time zone. The path '' has the
-- sums of all paths. Rows arrive in the order of their hours, so retention deletes rows that are
-- stored together.
CREATE TABLE pathcount_hours (
    hour TIMESTAMPTZ NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    hits BIGINT NOT NULL,
    bot_hits BIGINT NOT NULL,
    PRIMARY KEY (hour, path)
)
-- Neither hits nor bot_hits is indexed. With room on its page, the new version of a row stays
-- there.
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

-- Hits of a path in the ranked periods: today (that is the day `day`; on other days there are
-- none), this hour and the 23 before it, today and the 6 days before it, today and the 29 days
-- before it.
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
CREATE INDEX pathcount_recent_today_people ON pathcount_recent (day, (today - today_bots) DESC, path)
WHERE today > today_bots;
CREATE INDEX pathcount_recent_h24_people ON pathcount_recent ((h24 - h24_bots) DESC, path)
WHERE h24 > h24_bots;
CREATE INDEX pathcount_recent_d7_people ON pathcount_recent ((d7 - d7_bots) DESC, path)
WHERE d7 > d7_bots;
CREATE INDEX pathcount_recent_d30_people ON pathcount_recent ((d30 - d30_bots) DESC, path)
WHERE d30 > d30_bots;

-- One row: the settings of history, and the progress of pathcount_history_step().
CREATE TABLE pathcount_history (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    time_zone TEXT NOT NULL DEFAULT 'UTC',
    -- The hours and days to keep (0: none are recorded), and the maximum number of rows.
    keep_hours BIGINT NOT NULL DEFAULT 168,
    keep_days BIGINT NOT NULL DEFAULT 400,
    max_rows BIGINT NOT NULL DEFAULT 20000000,
    -- The time since which hits are recorded.
    hours_since TIMESTAMPTZ NOT NULL DEFAULT now(),
    days_since TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- The last hour that has left the period of 24 hours. Of the next hour, the paths up to the
    -- cursor have left it.
    h24_left TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    h24_cursor TEXT COLLATE "C" NOT NULL DEFAULT '',
    -- The same for the periods of 7 and 30 days.
    d7_left DATE NOT NULL DEFAULT '-infinity',
    d7_cursor TEXT COLLATE "C" NOT NULL DEFAULT '',
    d30_left DATE NOT NULL DEFAULT '-infinity',
    d30_cursor TEXT COLLATE "C" NOT NULL DEFAULT ''
);
INSERT INTO pathcount_history DEFAULT VALUES;

-- Returns a + b, at most the maximum of BIGINT.
CREATE FUNCTION pathcount_add(a BIGINT, b BIGINT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a > 9223372036854775807 - b THEN 9223372036854775807 ELSE a + b END;

-- The rows of the rankings, for programs and SQL users: hits, and hits by bots among them. The
-- views …_people count the hits without bots.
CREATE VIEW pathcount_people AS
SELECT path, count - bot_count AS count, bot_count FROM pathcount WHERE count > bot_count;

CREATE VIEW pathcount_today AS
SELECT path, today AS count, today_bots AS bot_count FROM pathcount_recent
WHERE day = (SELECT (now() AT TIME ZONE time_zone)::date FROM pathcount_history) AND today > 0;
CREATE VIEW pathcount_today_people AS
SELECT path, today - today_bots AS count, today_bots AS bot_count FROM pathcount_recent
WHERE day = (SELECT (now() AT TIME ZONE time_zone)::date FROM pathcount_history)
    AND today > today_bots;
CREATE VIEW pathcount_24h AS
SELECT path, h24 AS count, h24_bots AS bot_count FROM pathcount_recent WHERE h24 > 0;
CREATE VIEW pathcount_24h_people AS
SELECT path, h24 - h24_bots AS count, h24_bots AS bot_count FROM pathcount_recent WHERE h24 > h24_bots;
CREATE VIEW pathcount_7d AS
SELECT path, d7 AS count, d7_bots AS bot_count FROM pathcount_recent WHERE d7 > 0;
CREATE VIEW pathcount_7d_people AS
SELECT path, d7 - d7_bots AS count, d7_bots AS bot_count FROM pathcount_recent WHERE d7 > d7_bots;
CREATE VIEW pathcount_30d AS
SELECT path, d30 AS count, d30_bots AS bot_count FROM pathcount_recent WHERE d30 > 0;
CREATE VIEW pathcount_30d_people AS
SELECT path, d30 - d30_bots AS count, d30_bots AS bot_count FROM pathcount_recent WHERE d30 > d30_bots;

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

-- As in 004-journal.sql, with hours, days, periods and bots. In PL/pgSQL, which keeps the plan,
-- because planning takes longer than a small fold.
CREATE OR REPLACE FUNCTION pathcount_fold(start BIGINT, upto BIGINT, refused TEXT[], error TEXT)
RETURNS BOOLEAN
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    has_moved BOOLEAN;
BEGIN
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
        -- A fold that has waited for a restore has read the entries of another ledger.
        AND c.generation = (SELECT generation FROM pathcount_checkpoint)
    RETURNING c.position
),
-- There is nearly always only one hour.
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
    -- A count at the maximum of BIGINT stays there.
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
SELECT EXISTS (SELECT FROM moved) INTO has_moved;
RETURN has_moved;
END
$$;

-- Returns the hours of the time zone that begin after `behind`, up to and including `upto`, in
-- order.
CREATE FUNCTION pathcount_hours_between(behind TIMESTAMPTZ, upto TIMESTAMPTZ, zone TEXT)
RETURNS SETOF TIMESTAMPTZ
LANGUAGE sql STABLE
AS $$
-- Half hours, because an hour lasts half as long where the clocks change by half an hour.
SELECT DISTINCT hour
FROM (
    SELECT date_trunc('hour', half, $3) AS hour
    FROM generate_series($1, $2 + INTERVAL '30 minutes', INTERVAL '30 minutes') AS half
    OFFSET 0 -- computes each hour once
) AS each_half
WHERE hour > $1 AND hour <= $2
ORDER BY 1
$$;

-- Returns the hours with rows after `behind`, up to and including `upto`, in order, with one
-- look-up in the index for each. Hours that were recorded in another time zone may begin at another
-- minute.
CREATE FUNCTION pathcount_recorded_hours(behind TIMESTAMPTZ, upto TIMESTAMPTZ) RETURNS SETOF TIMESTAMPTZ
LANGUAGE sql STABLE
SET enable_seqscan = off
AS $$
WITH RECURSIVE recorded AS (
    SELECT min(hour) AS hour FROM pathcount_hours WHERE hour > $1 AND hour <= $2
    UNION ALL
    SELECT (SELECT min(t.hour) FROM pathcount_hours AS t WHERE t.hour > recorded.hour AND t.hour <= $2)
    FROM recorded
    WHERE hour IS NOT NULL
)
SELECT hour FROM recorded WHERE hour IS NOT NULL
$$;

-- The same for days, all of them.
CREATE FUNCTION pathcount_recorded_days() RETURNS SETOF DATE
LANGUAGE sql STABLE
SET enable_seqscan = off
AS $$
WITH RECURSIVE recorded AS (
    SELECT min(day) AS day FROM pathcount_days
    UNION ALL
    SELECT (SELECT min(t.day) FROM pathcount_days AS t WHERE t.day > recorded.day)
    FROM recorded
    WHERE day IS NOT NULL
)
SELECT day FROM recorded WHERE day IS NOT NULL
$$;

-- Returns the beginning of a day. Where the clocks go back to midnight, there are two 00:00: the
-- day begins with the first.
CREATE FUNCTION pathcount_day_begins(day DATE, zone TEXT) RETURNS TIMESTAMPTZ
LANGUAGE sql STABLE
AS $$
SELECT CASE
    WHEN ((midnight - INTERVAL '1 hour') AT TIME ZONE $2)::date = $1 THEN midnight - INTERVAL '1 hour'
    ELSE midnight
END
FROM (SELECT $1::timestamp AT TIME ZONE $2 AS midnight) AS any_of_both
$$;

-- Returns the bounds of the periods at a time: hours after h24_behind, the day `day`, and days
-- after d7_behind and d30_behind. If there are more rows than max_rows, the oldest hour or day is
-- also left out.
CREATE FUNCTION pathcount_periods(
    at TIMESTAMPTZ, OUT zone TEXT, OUT hour TIMESTAMPTZ, OUT day DATE,
    OUT h24_behind TIMESTAMPTZ, OUT d7_behind DATE, OUT d30_behind DATE
)
LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
    history pathcount_history;
    oldest_hour TIMESTAMPTZ;
    oldest_day DATE;
BEGIN
    SELECT * INTO history FROM pathcount_history;
    zone := history.time_zone;
    -- The periods do not move before all hits that belong to them are folded.
    SELECT date_trunc('hour', least(at, (
        SELECT j.at FROM pathcount_journal AS j
        WHERE j.position = (SELECT position + 1 FROM pathcount_checkpoint)
    )), zone) INTO hour;
    day := (hour AT TIME ZONE zone)::date;
    h24_behind := CASE WHEN history.keep_hours = 0 THEN 'infinity' ELSE hour - INTERVAL '24 hours' END;
    d7_behind := CASE WHEN history.keep_days = 0 THEN 'infinity' ELSE day - 7 END;
    d30_behind := CASE WHEN history.keep_days = 0 THEN 'infinity' ELSE day - 30 END;
    IF (SELECT hour_rows + day_rows > history.max_rows FROM pathcount_totals) THEN
        SELECT min(h.hour) INTO oldest_hour FROM pathcount_hours AS h;
        SELECT min(d.day) INTO oldest_day FROM pathcount_days AS d;
        IF oldest_hour < hour THEN
            h24_behind := greatest(h24_behind, oldest_hour);
        ELSIF oldest_day < day THEN
            d7_behind := greatest(d7_behind, oldest_day);
            d30_behind := greatest(d30_behind, oldest_day);
        END IF;
    END IF;
    -- An hour or a day that has left a period does not come back.
    IF history.h24_left < hour THEN
        h24_behind := greatest(h24_behind, history.h24_left);
    END IF;
    IF history.d7_left < day THEN
        d7_behind := greatest(d7_behind, history.d7_left);
    END IF;
    IF history.d30_left < day THEN
        d30_behind := greatest(d30_behind, history.d30_left);
    END IF;
END
$$;

-- Recomputes the periods of some paths from their hours and days. Locks the rows before it reads
-- the sums. A fold at the same time is therefore either included in the sums, or waits for the row
-- and adds to it afterwards.
CREATE FUNCTION pathcount_refresh(wanted TEXT[], at TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    period RECORD;
    this_day DATE;
    hours TIMESTAMPTZ[] := '{}';
    days DATE[];
BEGIN
    PERFORM FROM pathcount_recent WHERE path = ANY (wanted) ORDER BY path FOR UPDATE;
    SELECT * INTO period FROM pathcount_periods(at);
    this_day := (at AT TIME ZONE period.zone)::date;
    IF isfinite(period.h24_behind) THEN
        -- A fold may have added to an hour that has begun meanwhile.
        hours := ARRAY(SELECT * FROM pathcount_recorded_hours(period.h24_behind, at + INTERVAL '1 hour'));
    END IF;
    days := ARRAY(
        SELECT period.day + 1 - n FROM generate_series(0, 30) AS n
        WHERE period.day + 1 - n > least(period.d7_behind, period.d30_behind));
    WITH wanted_path AS MATERIALIZED (
        -- Neither '' nor history that is put aside.
        SELECT DISTINCT w COLLATE "C" AS path FROM unnest(wanted) AS w WHERE w COLLATE "C" >= ' '
    ),
    recent AS MATERIALIZED (
        SELECT
            w.path,
            coalesce(n.day, this_day) AS day,
            coalesce(n.hits, 0) AS today, coalesce(n.bot_hits, 0) AS today_bots,
            coalesce(h.h24, 0) AS h24, coalesce(h.h24_bots, 0) AS h24_bots,
            coalesce(d.d7, 0) AS d7, coalesce(d.d7_bots, 0) AS d7_bots,
            coalesce(d.d30, 0) AS d30, coalesce(d.d30_bots, 0) AS d30_bots
        FROM wanted_path AS w
        CROSS JOIN LATERAL (
            SELECT sum(t.hits) AS h24, sum(t.bot_hits) AS h24_bots
            FROM unnest(hours) AS label
            JOIN pathcount_hours AS t ON t.hour = label AND t.path = w.path
        ) AS h
        CROSS JOIN LATERAL (
            SELECT
                sum(t.hits) FILTER (WHERE t.day > period.d7_behind) AS d7,
                sum(t.bot_hits) FILTER (WHERE t.day > period.d7_behind) AS d7_bots,
                sum(t.hits) FILTER (WHERE t.day > period.d30_behind) AS d30,
                sum(t.bot_hits) FILTER (WHERE t.day > period.d30_behind) AS d30_bots
            FROM unnest(days) AS label
            JOIN pathcount_days AS t ON t.day = label AND t.path = w.path
        ) AS d
        -- A fold may have begun the next day meanwhile.
        LEFT JOIN LATERAL (
            SELECT t.day, t.hits, t.bot_hits
            FROM unnest(days) AS label
            JOIN pathcount_days AS t ON t.day = label AND t.path = w.path
            WHERE label >= this_day
            ORDER BY label DESC
            LIMIT 1
        ) AS n ON true
    ),
    gone AS (
        DELETE FROM pathcount_recent AS r USING recent
        WHERE r.path = recent.path AND recent.h24 = 0 AND recent.d30 = 0
    )
    INSERT INTO pathcount_recent AS r
    SELECT
        path, day,
        least(today, 9223372036854775807), least(today_bots, 9223372036854775807),
        least(h24, 9223372036854775807), least(h24_bots, 9223372036854775807),
        least(d7, 9223372036854775807), least(d7_bots, 9223372036854775807),
        least(d30, 9223372036854775807), least(d30_bots, 9223372036854775807)
    FROM recent
    WHERE h24 <> 0 OR d30 <> 0
    ORDER BY path
    ON CONFLICT (path) DO UPDATE
    SET day = excluded.day, today = excluded.today, today_bots = excluded.today_bots,
        h24 = excluded.h24, h24_bots = excluded.h24_bots,
        d7 = excluded.d7, d7_bots = excluded.d7_bots,
        d30 = excluded.d30, d30_bots = excluded.d30_bots;
END
$$;

-- Makes one step of the upkeep: removes the next hour or day from a period, for up to `size` paths;
-- or deletes up to ten times as many rows that are not kept any longer. Returns whether more steps
-- are due. Any program may call it at any time. If two do at the same time, one of them does
-- nothing.
CREATE FUNCTION pathcount_history_step(at TIMESTAMPTZ, size BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    history pathcount_history;
    period RECORD;
    next_hour TIMESTAMPTZ;
    next_day DATE;
    paths TEXT[];
    deleted BIGINT;
    excess BIGINT;
BEGIN
    SELECT * INTO history FROM pathcount_history FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT * INTO period FROM pathcount_periods(at);

    -- After a clock that was ahead, or after history was off.
    IF history.keep_hours <> 0 AND history.h24_left >= period.hour THEN
        UPDATE pathcount_history SET h24_left = period.h24_behind, h24_cursor = '';
        RETURN true;
    END IF;
    IF history.keep_days <> 0 AND greatest(history.d7_left, history.d30_left) >= period.day THEN
        UPDATE pathcount_history
        SET d7_left = period.d7_behind, d7_cursor = '', d30_left = period.d30_behind, d30_cursor = '';
        RETURN true;
    END IF;

    SELECT min(hour) INTO next_hour FROM pathcount_hours
    WHERE hour > history.h24_left AND hour <= period.h24_behind;
    IF next_hour IS NOT NULL THEN
        paths := ARRAY(
            SELECT path FROM pathcount_hours
            WHERE hour = next_hour AND path > history.h24_cursor ORDER BY path LIMIT size);
        PERFORM pathcount_refresh(paths, at);
        IF cardinality(paths) < size THEN
            UPDATE pathcount_history SET h24_left = next_hour, h24_cursor = '';
        ELSE
            UPDATE pathcount_history SET h24_cursor = paths[size];
        END IF;
        RETURN true;
    END IF;

    SELECT min(day) INTO next_day FROM pathcount_days
    WHERE day > history.d7_left AND day <= period.d7_behind;
    IF next_day IS NOT NULL THEN
        paths := ARRAY(
            SELECT path FROM pathcount_days
            WHERE day = next_day AND path > history.d7_cursor ORDER BY path LIMIT size);
        PERFORM pathcount_refresh(paths, at);
        IF cardinality(paths) < size THEN
            UPDATE pathcount_history SET d7_left = next_day, d7_cursor = '';
        ELSE
            UPDATE pathcount_history SET d7_cursor = paths[size];
        END IF;
        RETURN true;
    END IF;

    SELECT min(day) INTO next_day FROM pathcount_days
    WHERE day > history.d30_left AND day <= period.d30_behind;
    IF next_day IS NOT NULL THEN
        paths := ARRAY(
            SELECT path FROM pathcount_days
            WHERE day = next_day AND path > history.d30_cursor ORDER BY path LIMIT size);
        PERFORM pathcount_refresh(paths, at);
        IF cardinality(paths) < size THEN
            UPDATE pathcount_history SET d30_left = next_day, d30_cursor = '';
        ELSE
            UPDATE pathcount_history SET d30_cursor = paths[size];
        END IF;
        RETURN true;
    END IF;

    -- Hours and days that have left their periods are deleted if they are too old, or if there are
    -- too many rows.
    SELECT hour_rows + day_rows - history.max_rows INTO excess FROM pathcount_totals;
    WITH gone AS (
        DELETE FROM pathcount_hours
        WHERE (hour, path) IN (
            SELECT hour, path FROM pathcount_hours
            WHERE hour <= (SELECT h24_left FROM pathcount_history)
                AND (excess > 0 OR hour <= period.hour - INTERVAL '1 hour' * history.keep_hours)
            ORDER BY hour, path
            LIMIT CASE WHEN excess > 0 THEN least(excess, 10 * size) ELSE 10 * size END)
        RETURNING hour
    ),
    counted AS (
        SELECT count(*) AS rows, max(hour) AS last_hour FROM gone
    ),
    noted AS (
        UPDATE pathcount_history
        SET hours_since = greatest(hours_since, last_hour + INTERVAL '1 hour')
        FROM counted WHERE rows <> 0
    )
    UPDATE pathcount_totals SET hour_rows = hour_rows - rows
    FROM counted WHERE rows <> 0
    RETURNING rows INTO deleted;
    IF deleted <> 0 THEN
        RETURN true;
    END IF;
    WITH gone AS (
        DELETE FROM pathcount_days
        WHERE (day, path) IN (
            SELECT day, path FROM pathcount_days
            WHERE day <= (SELECT least(d7_left, d30_left) FROM pathcount_history)
                AND (excess > 0 OR day <= period.day - history.keep_days::int)
            ORDER BY day, path
            LIMIT CASE WHEN excess > 0 THEN least(excess, 10 * size) ELSE 10 * size END)
        RETURNING day
    ),
    counted AS (
        SELECT count(*) AS rows, max(day) AS last_day FROM gone
    ),
    noted AS (
        UPDATE pathcount_history
        SET days_since = greatest(days_since, pathcount_day_begins(last_day + 1, history.time_zone))
        FROM counted WHERE rows <> 0
    )
    UPDATE pathcount_totals SET day_rows = day_rows - rows
    FROM counted WHERE rows <> 0
    RETURNING rows INTO deleted;
    RETURN coalesce(deleted, 0) <> 0;
END
$$;

-- Writes the settings of history to the ledger. Returns the previous settings, or NULL if they were
-- the same.
CREATE FUNCTION pathcount_history_settings(zone TEXT, hours BIGINT, days BIGINT, rows BIGINT) RETURNS TEXT
LANGUAGE plpgsql
AS $$
DECLARE
    history pathcount_history;
BEGIN
    SELECT * INTO history FROM pathcount_history FOR UPDATE;
    IF (history.time_zone, history.keep_hours, history.keep_days, history.max_rows)
        = (zone, hours, days, rows) THEN
        RETURN NULL;
    END IF;
    -- PostgreSQL also accepts abbreviations such as PST, and offsets. Their clocks never change.
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE lower(name) = lower(zone)) THEN
        RAISE EXCEPTION 'time zone "%" is not known', zone USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE pathcount_history
    SET time_zone = zone, keep_hours = hours, keep_days = days, max_rows = rows,
        hours_since = CASE WHEN keep_hours = 0 THEN now() ELSE hours_since END,
        days_since = CASE WHEN keep_days = 0 THEN now() ELSE days_since END;
    RETURN format('time_zone=%s history_hours=%s history_days=%s history_rows=%s', history.time_zone,
        history.keep_hours, history.keep_days, history.max_rows);
END
$$;

-- Returns a time in the time zone: RFC 3339 with the offset.
CREATE FUNCTION pathcount_local_time(at TIMESTAMPTZ, zone TEXT) RETURNS TEXT
LANGUAGE sql STABLE
AS $$
SELECT to_char(local, 'YYYY-MM-DD"T"HH24:MI:SS')
    || CASE WHEN ahead < INTERVAL '0' THEN '-' ELSE '+' END
    || to_char(CASE WHEN ahead < INTERVAL '0' THEN -ahead ELSE ahead END, 'HH24:MI')
FROM (
    SELECT $1 AT TIME ZONE $2 AS local, ($1 AT TIME ZONE $2) - ($1 AT TIME ZONE 'UTC') AS ahead
) AS time
$$;

-- Returns all hits in a period, and its beginning in the time zone, or that of history if that was
-- later.
CREATE FUNCTION pathcount_period(
    period TEXT, at TIMESTAMPTZ, OUT hits BIGINT, OUT bots BIGINT, OUT begins TEXT
)
LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    history pathcount_history;
    first_day DATE;
    first_hour TIMESTAMPTZ;
    sums RECORD;
BEGIN
    SELECT * INTO history FROM pathcount_history;
    IF period = '24h' THEN
        IF history.keep_hours = 0 THEN
            RAISE EXCEPTION 'There is no history by hour: history_hours is 0.' USING ERRCODE = 'PC004';
        END IF;
        first_hour := greatest(
            date_trunc('hour', at, history.time_zone) - INTERVAL '23 hours', history.hours_since);
        SELECT coalesce(sum(t.hits), 0) AS hits, coalesce(sum(t.bot_hits), 0) AS bots INTO sums
        FROM pathcount_recorded_hours(
            date_trunc('hour', at, history.time_zone) - INTERVAL '24 hours', at
        ) AS label
        JOIN pathcount_hours AS t ON t.hour = label AND t.path = '';
    ELSE
        IF history.keep_days = 0 THEN
            RAISE EXCEPTION 'There is no history by day: history_days is 0.' USING ERRCODE = 'PC004';
        END IF;
        first_day := (at AT TIME ZONE history.time_zone)::date
            - CASE period WHEN 'today' THEN 0 WHEN '7d' THEN 6 ELSE 29 END;
        first_hour := greatest(pathcount_day_begins(first_day, history.time_zone), history.days_since);
        SELECT coalesce(sum(t.hits), 0) AS hits, coalesce(sum(t.bot_hits), 0) AS bots INTO sums
        FROM generate_series(0, (at AT TIME ZONE history.time_zone)::date - first_day) AS n
        JOIN pathcount_days AS t ON t.day = first_day + n AND t.path = '';
    END IF;
    hits := least(sums.hits, 9223372036854775807);
    bots := least(sums.bots, 9223372036854775807);
    begins := pathcount_local_time(first_hour, history.time_zone);
END
$$;

-- Returns the time of `text` (RFC 3339), the beginning of a date in the time zone, or NULL for ''.
CREATE FUNCTION pathcount_history_time(text TEXT, zone TEXT) RETURNS TIMESTAMPTZ
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF text = '' THEN
        RETURN NULL;
    ELSIF text ~ '^\d{4}-\d\d-\d\d$' THEN
        RETURN pathcount_day_begins(text::date, zone);
    ELSIF text ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$' THEN
        RETURN text::timestamptz;
    END IF;
    RAISE invalid_datetime_format;
EXCEPTION
    WHEN data_exception THEN
        RAISE EXCEPTION '"from" and "to" are dates such as 2026-01-31, or times such as 2026-01-31T12:00:00Z.'
            USING ERRCODE = 'PC003';
END
$$;

-- Returns the history of a path ('': of all paths together) as JSON (proto/counter-api.yml:
-- History). SQLSTATE PC003: the request is wrong. PC004: there is no such history.
CREATE FUNCTION pathcount_history_of(wanted TEXT, unit TEXT, since TEXT, upto TEXT, at TIMESTAMPTZ)
RETURNS JSON
LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    history pathcount_history;
    zone TEXT;
    is_hourly BOOLEAN := unit = 'hour';
    begins TIMESTAMPTZ;
    first TIMESTAMPTZ;
    last TIMESTAMPTZ;
    columns JSON;
BEGIN
    SELECT * INTO history FROM pathcount_history;
    zone := history.time_zone;
    IF (CASE WHEN is_hourly THEN history.keep_hours ELSE history.keep_days END) = 0 THEN
        RAISE EXCEPTION 'There is no history by %: history_% is 0.', unit, unit || 's'
            USING ERRCODE = 'PC004';
    END IF;
    IF wanted <> '' AND NOT EXISTS (SELECT FROM pathcount WHERE path = wanted) THEN
        RAISE EXCEPTION 'This path has no count of its own yet.' USING ERRCODE = 'PC004';
    END IF;
    last := least(coalesce(pathcount_history_time(upto, zone), at), at);
    first := pathcount_history_time(since, zone);
    IF is_hourly THEN
        IF upto ~ '^.{10}$' THEN
            last := least(pathcount_day_begins((last AT TIME ZONE zone)::date + 1, zone) - INTERVAL '1 second', at);
        END IF;
        first := coalesce(first, pathcount_day_begins((last AT TIME ZONE zone)::date - 1, zone));
        begins := greatest(history.hours_since,
            date_trunc('hour', at, zone) - INTERVAL '1 hour' * (history.keep_hours - 1));
    ELSE
        first := coalesce(first, pathcount_day_begins((last AT TIME ZONE zone)::date - 29, zone));
        begins := greatest(history.days_since,
            pathcount_day_begins((at AT TIME ZONE zone)::date - (history.keep_days - 1)::int, zone));
    END IF;
    first := greatest(first, begins);
    IF last - first > INTERVAL '9998 hours' * (CASE WHEN is_hourly THEN 1 ELSE 24 END) THEN
        RAISE EXCEPTION 'A history has at most 10000 hours or days: ask for a shorter time with "from" and "to".'
            USING ERRCODE = 'PC003';
    END IF;

    IF is_hourly THEN
        first := date_trunc('hour', first, zone);
        SELECT json_build_object(
            'times', coalesce(json_agg(pathcount_local_time(label, zone) ORDER BY label), '[]'),
            'hits', coalesce(json_agg(coalesce(t.hits, 0) ORDER BY label), '[]'),
            'bots', coalesce(json_agg(coalesce(t.bots, 0) ORDER BY label), '[]'))
        INTO columns
        FROM pathcount_hours_between(first - INTERVAL '1 second', last, zone) AS label
        LEFT JOIN (
            -- Hours of another time zone belong to the hour in which they begin.
            SELECT
                date_trunc('hour', hour, zone) AS label,
                least(sum(hits), 9223372036854775807) AS hits,
                least(sum(bot_hits), sum(hits), 9223372036854775807) AS bots
            FROM pathcount_recorded_hours(first - INTERVAL '1 second', last) AS recorded
            JOIN pathcount_hours AS h ON h.hour = recorded AND h.path = wanted
            GROUP BY 1
        ) AS t USING (label);
    ELSE
        SELECT json_build_object(
            'times', coalesce(json_agg(label ORDER BY label), '[]'),
            'hits', coalesce(json_agg(coalesce(t.hits, 0) ORDER BY label), '[]'),
            'bots', coalesce(json_agg(coalesce(least(t.bot_hits, t.hits), 0) ORDER BY label), '[]'))
        INTO columns
        FROM (
            SELECT (last AT TIME ZONE zone)::date - n AS label
            FROM generate_series(
                0, (last AT TIME ZONE zone)::date - (first AT TIME ZONE zone)::date
            ) AS n
        ) AS each_day
        LEFT JOIN pathcount_days AS t ON t.day = label AND t.path = wanted;
    END IF;
    RETURN json_build_object(
        'path', nullif(wanted, ''), 'unit', unit, 'zone', zone,
        'begins', pathcount_local_time(begins, zone), 'times', columns -> 'times',
        'hits', columns -> 'hits', 'bots', columns -> 'bots');
END
$$;

-- The hits by bots of a changed row (NULL: no row), and the path that its hits were moved to (NULL:
-- none).
ALTER TABLE pathcount_changed_rows
    ADD COLUMN IF NOT EXISTS before_bots BIGINT,
    ADD COLUMN IF NOT EXISTS after_bots BIGINT,
    ADD COLUMN IF NOT EXISTS moved_to TEXT COLLATE "C";

-- Returns the name under which history is put aside, for the undo of a change that takes it from a
-- path. It stays in the same tables, so that retention and the limit of rows apply. No path begins
-- like this.
CREATE FUNCTION pathcount_aside(change BIGINT, path TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN E'\x01' || change || path;

-- Removes the hours and days of each source, adds them to its target and to its `also`, and
-- subtracts them from its `less` (NULL: none). Recomputes the periods of all these paths.
CREATE FUNCTION pathcount_history_move(sources TEXT[], targets TEXT[], alsos TEXT[], lesses TEXT[]) RETURNS VOID
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    -- Each label with each path, so that every row is found by its key, for any number of rows.
    WITH move AS MATERIALIZED (
        SELECT
            label, source COLLATE "C" AS source, target COLLATE "C" AS target, also COLLATE "C" AS also,
            less COLLATE "C" AS less
        FROM pathcount_recorded_hours('-infinity', 'infinity') AS label
        CROSS JOIN unnest(sources, targets, alsos, lesses) AS m (source, target, also, less)
    ),
    gone AS (
        DELETE FROM pathcount_hours AS t USING move WHERE t.hour = move.label AND t.path = move.source
        RETURNING t.hour, move.target, move.also, move.less, t.hits, t.bot_hits
    ),
    added AS (
        INSERT INTO pathcount_hours AS t (hour, path, hits, bot_hits)
        SELECT
            hour, path, least(sum(hits), 9223372036854775807), least(sum(bot_hits), 9223372036854775807)
        FROM gone
        CROSS JOIN LATERAL (VALUES (target), (also)) AS to_path (path)
        WHERE path IS NOT NULL
        GROUP BY hour, path
        ON CONFLICT (hour, path) DO UPDATE
        SET hits = pathcount_add(t.hits, excluded.hits),
            bot_hits = pathcount_add(t.bot_hits, excluded.bot_hits)
        RETURNING xmax = 0 AS is_new
    ),
    taken AS (
        UPDATE pathcount_hours AS t
        SET hits = greatest(t.hits - d.hits, 0), bot_hits = greatest(t.bot_hits - d.bots, 0)
        FROM (
            SELECT hour, less AS path, sum(hits) AS hits, sum(bot_hits) AS bots
            FROM gone WHERE less IS NOT NULL
            GROUP BY hour, less
        ) AS d
        WHERE t.hour = d.hour AND t.path = d.path
    )
    UPDATE pathcount_totals
    SET hour_rows = hour_rows
        + (SELECT count(*) FROM added WHERE is_new) - (SELECT count(*) FROM gone);

    WITH move AS MATERIALIZED (
        SELECT
            label, source COLLATE "C" AS source, target COLLATE "C" AS target, also COLLATE "C" AS also,
            less COLLATE "C" AS less
        FROM pathcount_recorded_days() AS label
        CROSS JOIN unnest(sources, targets, alsos, lesses) AS m (source, target, also, less)
    ),
    gone AS (
        DELETE FROM pathcount_days AS t USING move WHERE t.day = move.label AND t.path = move.source
        RETURNING t.day, move.target, move.also, move.less, t.hits, t.bot_hits
    ),
    added AS (
        INSERT INTO pathcount_days AS t (day, path, hits, bot_hits)
        SELECT
            day, path, least(sum(hits), 9223372036854775807), least(sum(bot_hits), 9223372036854775807)
        FROM gone
        CROSS JOIN LATERAL (VALUES (target), (also)) AS to_path (path)
        WHERE path IS NOT NULL
        GROUP BY day, path
        ON CONFLICT (day, path) DO UPDATE
        SET hits = pathcount_add(t.hits, excluded.hits),
            bot_hits = pathcount_add(t.bot_hits, excluded.bot_hits)
        RETURNING xmax = 0 AS is_new
    ),
    taken AS (
        UPDATE pathcount_days AS t
        SET hits = greatest(t.hits - d.hits, 0), bot_hits = greatest(t.bot_hits - d.bots, 0)
        FROM (
            SELECT day, less AS path, sum(hits) AS hits, sum(bot_hits) AS bots
            FROM gone WHERE less IS NOT NULL
            GROUP BY day, less
        ) AS d
        WHERE t.day = d.day AND t.path = d.path
    )
    UPDATE pathcount_totals
    SET day_rows = day_rows
        + (SELECT count(*) FROM added WHERE is_new) - (SELECT count(*) FROM gone);

    PERFORM pathcount_refresh(
        ARRAY(SELECT DISTINCT path FROM unnest(sources || targets || alsos || lesses) AS path WHERE path IS NOT NULL),
        now());
END
$$;

-- Puts the hours and days of all paths from `low` to `high` aside for the undo of a change, and
-- deletes their periods. Does the same as pathcount_history_move for many paths, at a cost
-- proportional to their rows.
CREATE FUNCTION pathcount_history_delete(made BIGINT, low TEXT, high TEXT) RETURNS VOID
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    WITH gone AS (
        DELETE FROM pathcount_hours AS t USING pathcount_recorded_hours('-infinity', 'infinity') AS label
        WHERE t.hour = label AND t.path >= low AND t.path <= high
        RETURNING t.hour, t.path, t.hits, t.bot_hits
    ),
    aside AS (
        INSERT INTO pathcount_hours (hour, path, hits, bot_hits)
        SELECT hour, pathcount_aside(made, path), hits, bot_hits FROM gone
    )
    UPDATE pathcount_hours AS t
    SET hits = greatest(t.hits - d.hits, 0), bot_hits = greatest(t.bot_hits - d.bots, 0)
    FROM (
        SELECT hour, sum(hits) AS hits, sum(bot_hits) AS bots FROM gone GROUP BY hour
    ) AS d
    WHERE t.hour = d.hour AND t.path = '';

    WITH gone AS (
        DELETE FROM pathcount_days AS t USING pathcount_recorded_days() AS label
        WHERE t.day = label AND t.path >= low AND t.path <= high
        RETURNING t.day, t.path, t.hits, t.bot_hits
    ),
    aside AS (
        INSERT INTO pathcount_days (day, path, hits, bot_hits)
        SELECT day, pathcount_aside(made, path), hits, bot_hits FROM gone
    )
    UPDATE pathcount_days AS t
    SET hits = greatest(t.hits - d.hits, 0), bot_hits = greatest(t.bot_hits - d.bots, 0)
    FROM (
        SELECT day, sum(hits) AS hits, sum(bot_hits) AS bots FROM gone GROUP BY day
    ) AS d
    WHERE t.day = d.day AND t.path = '';

    DELETE FROM pathcount_recent WHERE path >= low AND path <= high;
END
$$;

-- Returns the paths whose hits a change moves, and their targets.
CREATE FUNCTION pathcount_change_moves(request JSONB) RETURNS TABLE (source TEXT, target TEXT)
LANGUAGE sql IMMUTABLE
AS $$
SELECT jsonb_array_elements_text($1 -> 'from'), $1 ->> 'to'
UNION ALL
SELECT source, target FROM jsonb_to_recordset($1 -> 'moves') AS m (source TEXT, target TEXT)
$$;

-- Returns the hits by bots that a change moves to paths that have a row afterwards: of a rename, a
-- merge or a normalisation, those of the sources; of an undo, the difference that the undone change
-- made.
CREATE FUNCTION pathcount_change_bots(request JSONB, undone BIGINT)
RETURNS TABLE (target TEXT, bots BIGINT)
LANGUAGE sql STABLE
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
SELECT m.target, p.bot_count
FROM pathcount_change_moves($1) AS m
JOIN pathcount AS p ON p.path = m.source
UNION ALL
SELECT path, coalesce(before_bots, 0) - coalesce(after_bots, 0)
FROM pathcount_changed_rows WHERE change = $2
$$;

-- Adjusts history to a change whose rows are recorded. A rename, a merge or a normalisation moves
-- it; a path without a row loses it. In both cases it is put aside. An undo restores it, and takes
-- it from the path that it was moved to. Other changes are not hits, and do not change history.
CREATE FUNCTION pathcount_change_history(made BIGINT, request JSONB, undone BIGINT) RETURNS VOID
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM pathcount_history_move(
        array_agg(pathcount_aside(undone, u.path)), array_agg(u.path),
        array_agg(CASE WHEN u.moved_to IS NULL THEN '' END), array_agg(u.moved_to))
    FROM pathcount_changed_rows AS w
    JOIN pathcount_changed_rows AS u ON u.change = undone AND u.path = w.path AND u.after IS NULL
    WHERE w.change = made
    HAVING count(*) <> 0;

    IF request ->> 'kind' = 'delete-prefix' THEN
        PERFORM pathcount_history_delete(made, min(path), max(path))
        FROM pathcount_changed_rows WHERE change = made HAVING count(*) <> 0;
        RETURN;
    END IF;
    PERFORM pathcount_history_move(
        array_agg(path), array_agg(CASE WHEN undone IS NULL THEN pathcount_aside(made, path) END),
        array_agg(moved_to), array_agg(CASE WHEN moved_to IS NULL THEN '' END))
    FROM pathcount_changed_rows
    WHERE change = made AND after IS NULL
    HAVING count(*) <> 0;
END
$$;

-- As in 005-changes.sql, with bots and history: applies the rows that are recorded for a change to
-- `pathcount`, and adjusts the totals and history. Returns the result of the change: its extent,
-- and its first rows.
CREATE OR REPLACE FUNCTION pathcount_change_apply(made BIGINT, request JSONB, undone BIGINT, max_paths BIGINT)
RETURNS JSONB
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    aside TEXT;
    changed BIGINT;
    last_path TEXT;
    more_paths BIGINT;
    more_hits NUMERIC;
    more_bots NUMERIC;
    shown JSONB;
BEGIN
    -- So pathcount_history_step() changes nothing meanwhile.
    PERFORM FROM pathcount_history FOR UPDATE;
    INSERT INTO pathcount_changed_rows (
        path, change, before, before_first_hit_at, before_last_hit_at, after, after_first_hit_at,
        after_last_hit_at, before_bots, after_bots, moved_to)
    SELECT w.path, made, p.count, p.first_hit_at, p.last_hit_at, w.after,
        CASE WHEN w.after IS NOT NULL THEN w.first_hit_at END,
        CASE WHEN w.after IS NOT NULL THEN w.last_hit_at END,
        p.bot_count,
        CASE
            WHEN w.after IS NOT NULL
                THEN least(greatest(coalesce(p.bot_count, 0) + coalesce(m.bots, 0), 0), w.after)
        END,
        CASE WHEN w.after IS NULL THEN moved.target END
    FROM (
        SELECT path, pathcount_change_count(path, count) AS after, first_hit_at, last_hit_at
        FROM pathcount_change_rows(request, undone)
    ) AS w
    LEFT JOIN pathcount AS p ON p.path = w.path
    LEFT JOIN (
        SELECT target, sum(bots) AS bots FROM pathcount_change_bots(request, undone) GROUP BY target
    ) AS m ON m.target = w.path
    LEFT JOIN pathcount_change_moves(request) AS moved ON moved.source = w.path
    WHERE (p.count, p.first_hit_at, p.last_hit_at)
        IS DISTINCT FROM (w.after, w.first_hit_at, w.last_hit_at);

    SELECT count(*), max(path), count(after) - count(before),
        coalesce(sum(coalesce(after, 0)::numeric - coalesce(before, 0)), 0),
        coalesce(sum(coalesce(after_bots, 0)::numeric - coalesce(before_bots, 0)), 0)
    INTO changed, last_path, more_paths, more_hits, more_bots
    FROM pathcount_changed_rows WHERE change = made;
    SELECT q.path INTO aside FROM pathcount_quarantine AS q
    WHERE EXISTS (SELECT FROM pathcount_changed_rows AS r WHERE r.path = q.path AND r.change = made)
    LIMIT 1;
    IF aside IS NOT NULL THEN
        RAISE EXCEPTION '% has hits in pathcount_quarantine: settle those first.', aside
            USING ERRCODE = 'PC001';
    END IF;
    IF more_paths > 0 AND (SELECT paths FROM pathcount_totals) + more_paths > max_paths THEN
        RAISE EXCEPTION 'There would be more paths than max_paths (%).', max_paths USING ERRCODE = 'PC001';
    END IF;

    DELETE FROM pathcount AS p USING pathcount_changed_rows AS r
    WHERE r.change = made AND r.after IS NULL AND p.path = r.path;
    INSERT INTO pathcount AS p (path, count, first_hit_at, last_hit_at, bot_count)
    SELECT path, after, after_first_hit_at, after_last_hit_at, after_bots
    FROM pathcount_changed_rows WHERE change = made AND after IS NOT NULL
    ORDER BY path
    ON CONFLICT (path) DO UPDATE
    SET count = excluded.count, first_hit_at = excluded.first_hit_at, last_hit_at = excluded.last_hit_at,
        bot_count = excluded.bot_count;
    UPDATE pathcount_totals
    SET paths = paths + more_paths, hits = hits + more_hits, bot_hits = bot_hits + more_bots;
    PERFORM pathcount_change_history(made, request, undone);

    SELECT coalesce(
        jsonb_agg(jsonb_build_object('path', path, 'before', before, 'after', after) ORDER BY path), '[]')
    INTO shown
    FROM (
        SELECT * FROM pathcount_changed_rows WHERE change = made ORDER BY path LIMIT 100
    ) AS first_rows;
    RETURN jsonb_build_object(
        'changed', changed, 'paths', more_paths, 'hits', more_hits, 'rows', shown,
        'next', CASE
            WHEN request ->> 'kind' = 'delete-prefix' AND changed = (request ->> 'limit')::bigint
                THEN last_path
        END);
END
$$;

-- As in 004-journal.sql, with bots and history: a path without a row has no history.
CREATE OR REPLACE FUNCTION pathcount_edited() RETURNS VOID
LANGUAGE plpgsql
AS $$
DECLARE
    gone TEXT[];
BEGIN
    LOCK TABLE pathcount_journal IN EXCLUSIVE MODE;
    PERFORM pathcount_fold();
    IF EXISTS (SELECT FROM pathcount WHERE count < 0 OR bot_count < 0) THEN
        RAISE EXCEPTION 'pathcount has a count below zero';
    END IF;
    UPDATE pathcount SET bot_count = count WHERE bot_count > count;
    PERFORM FROM pathcount_history FOR UPDATE;
    gone := ARRAY(
        SELECT path FROM pathcount_recent AS r
        WHERE NOT EXISTS (SELECT FROM pathcount WHERE path = r.path)
            AND NOT EXISTS (SELECT FROM pathcount_quarantine WHERE path = r.path));
    PERFORM pathcount_history_move(gone, NULL, NULL, array_fill(''::text, ARRAY[cardinality(gone)]))
    WHERE cardinality(gone) > 0;
    UPDATE pathcount_totals
    SET paths = (SELECT count(*) FROM pathcount WHERE path >= '/')
            + (
                SELECT count(*) FROM pathcount_quarantine AS q
                WHERE path >= '/' AND NOT EXISTS (SELECT FROM pathcount WHERE path = q.path)
            ),
        hits = (SELECT coalesce(sum(count), 0) FROM pathcount)
            + (SELECT coalesce(sum(count), 0) FROM pathcount_quarantine),
        bot_hits = (SELECT coalesce(sum(bot_count), 0) FROM pathcount)
            + (SELECT coalesce(sum(bot_count), 0) FROM pathcount_quarantine);
    UPDATE pathcount_checkpoint SET generation = floor(random() * 9e15)::bigint;
END
$$;
