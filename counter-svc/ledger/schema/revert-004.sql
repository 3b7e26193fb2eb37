-- Reverts a ledger to schema version 3, for programs before the journal: the reverse of
-- 004-journal.sql. Folds everything first. counter-svc does not run it: see swarm/revert-journal.
-- It rewrites the table, which takes about a second for a million paths.

BEGIN;
SET LOCAL lock_timeout = '30s';
SET LOCAL client_min_messages = warning;

LOCK TABLE pathcount_journal IN ACCESS EXCLUSIVE MODE;
SELECT pathcount_fold();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pathcount_quarantine) THEN
        RAISE EXCEPTION 'pathcount_quarantine has rows: add them to pathcount or delete them first';
    END IF;
END
$$;

ALTER TABLE pathcount_lanes RENAME TO pathcount_lane;
ALTER TABLE pathcount_lane
    ADD COLUMN paths BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN hits NUMERIC NOT NULL DEFAULT 0;
INSERT INTO pathcount_lane (lane, paths, hits) SELECT 0, paths, hits FROM pathcount_totals;

-- As in 003-tiers.sql. Both still exist if the index of the ranking has not been replaced yet.
ALTER TABLE pathcount ADD COLUMN IF NOT EXISTS tier BIGINT NOT NULL
GENERATED ALWAYS AS (
    count & (-1::bigint << (4 * greatest(length(to_hex(count)) - 3, (count > 255)::int)))
) STORED;
CREATE OR REPLACE FUNCTION pathcount_tier(count BIGINT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN count & (-1::bigint << (4 * greatest(length(to_hex(count)) - 3, (count > 255)::int)));
DROP INDEX IF EXISTS pathcount_by_count;
CREATE INDEX IF NOT EXISTS pathcount_ranking ON pathcount (tier DESC, path);

-- The audit trail of 005-changes.sql stays: pathcount_changes and pathcount_changed_rows.
DROP FUNCTION IF EXISTS pathcount_audit(TEXT, BIGINT, BIGINT), pathcount_change(JSONB, BIGINT),
    pathcount_change_apply(BIGINT, JSONB, BIGINT, BIGINT),
    pathcount_change_count(TEXT, NUMERIC), pathcount_change_rows(JSONB, BIGINT),
    pathcount_change_to_undo(TEXT), pathcount_last_change(TEXT), pathcount_time(TEXT);
DROP VIEW pathcount_now;

-- Drops the history of 006-history.sql, and the hits by bots.
DROP VIEW IF EXISTS pathcount_people, pathcount_today, pathcount_today_people, pathcount_24h,
    pathcount_24h_people, pathcount_7d, pathcount_7d_people, pathcount_30d, pathcount_30d_people;
DROP FUNCTION IF EXISTS pathcount_aside(BIGINT, TEXT), pathcount_change_bots(JSONB, BIGINT),
    pathcount_change_history(BIGINT, JSONB, BIGINT), pathcount_change_moves(JSONB),
    pathcount_day_begins(DATE, TEXT), pathcount_history_delete(BIGINT, TEXT, TEXT),
    pathcount_history_move(TEXT[], TEXT[], TEXT[], TEXT[]), pathcount_history_of(TEXT, TEXT, TEXT, TEXT, TIMESTAMPTZ),
    pathcount_history_settings(TEXT, BIGINT, BIGINT, BIGINT), pathcount_history_step(TIMESTAMPTZ, BIGINT),
    pathcount_history_time(TEXT, TEXT), pathcount_hours_between(TIMESTAMPTZ, TIMESTAMPTZ, TEXT),
    pathcount_local_time(TIMESTAMPTZ, TEXT), pathcount_period(TEXT, TIMESTAMPTZ),
    pathcount_periods(TIMESTAMPTZ), pathcount_recorded_days(), pathcount_recorded_hours(TIMESTAMPTZ, TIMESTAMPTZ),
    pathcount_refresh(TEXT[], TIMESTAMPTZ);
DROP TABLE IF EXISTS pathcount_hours, pathcount_days, pathcount_recent, pathcount_history;
DROP INDEX IF EXISTS pathcount_by_people;
ALTER TABLE pathcount DROP COLUMN IF EXISTS bot_count;

DROP FUNCTION pathcount_edited(), pathcount_fold(), pathcount_fold_row_by_row(BIGINT, BIGINT),
    pathcount_fold(BIGINT, BIGINT, TEXT[], TEXT);
DROP FUNCTION IF EXISTS pathcount_add(BIGINT, BIGINT);
DROP TABLE pathcount_journal, pathcount_checkpoint, pathcount_totals, pathcount_quarantine;

DELETE FROM pathcount_schema WHERE version > 3;
COMMIT;
