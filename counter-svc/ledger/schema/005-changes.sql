-- Changes of counts by operators (`POST /v1/changes`): the audit trail, and the function that makes
-- a change.
--
-- Programs of schema 4 can continue. They neither read nor write the new tables, and notice a
-- change by the generation, as any edit. The tables stay when a ledger is reverted, so that the
-- audit trail is not lost. So they may already exist.

-- A row for each change, or for each part of a change that was sent in parts. The client chooses
-- `id`. A repeat with the same id and part changes nothing, and gets the same result.
CREATE TABLE IF NOT EXISTS pathcount_changes (
    change BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL,
    part BIGINT NOT NULL,
    -- SHA-256 of the request.
    digest BYTEA NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    -- Hits up to and including this entry of the journal came before the change, all others after
    -- it.
    position BIGINT NOT NULL,
    kind TEXT NOT NULL,
    why TEXT NOT NULL,
    -- The change that this one has undone.
    undoes BIGINT REFERENCES pathcount_changes (change) ON DELETE SET NULL,
    result JSONB NOT NULL,
    repeats BIGINT NOT NULL DEFAULT 0,
    UNIQUE (id, part)
);

CREATE INDEX IF NOT EXISTS pathcount_changes_by_undone ON pathcount_changes (undoes)
WHERE undoes IS NOT NULL;

-- The paths that a change has changed; NULL: no row. There is no foreign key, because PostgreSQL
-- would check it for each row of an import.
CREATE TABLE IF NOT EXISTS pathcount_changed_rows (
    path TEXT COLLATE "C" NOT NULL,
    change BIGINT NOT NULL,
    before BIGINT,
    before_first_hit_at TIMESTAMPTZ,
    before_last_hit_at TIMESTAMPTZ,
    after BIGINT,
    after_first_hit_at TIMESTAMPTZ,
    after_last_hit_at TIMESTAMPTZ,
    PRIMARY KEY (path, change)
);
CREATE INDEX IF NOT EXISTS pathcount_changed_rows_by_change ON pathcount_changed_rows (change, path);

-- Returns a time as in the answers of the API (RFC 3339), or NULL.
CREATE FUNCTION pathcount_time(text TEXT) RETURNS TIMESTAMPTZ
LANGUAGE plpgsql IMMUTABLE STRICT
AS $$
BEGIN
    IF text !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$' THEN
        RAISE EXCEPTION '"%" is not a time such as 2026-01-31T12:00:00Z.', text USING ERRCODE = 'PC001';
    END IF;
    RETURN text::timestamptz;
END
$$;

-- Returns the last change of a path that is not undone, or NULL.
CREATE FUNCTION pathcount_last_change(wanted TEXT) RETURNS BIGINT
LANGUAGE sql STABLE
SET enable_seqscan = off
AS $$
SELECT max(r.change)
FROM pathcount_changed_rows AS r
JOIN pathcount_changes AS c ON c.change = r.change
WHERE r.path = $1 AND c.kind <> 'undo' AND NOT EXISTS (
    SELECT FROM pathcount_changes AS u
    JOIN pathcount_changed_rows AS ur ON ur.change = u.change AND ur.path = r.path
    WHERE u.undoes = r.change)
$$;

-- Returns the change that `undo PATH` undoes: the last one of the path. Of an import, only the row
-- of the path is undone; of other changes, all rows. None of these rows may have a later change.
CREATE FUNCTION pathcount_change_to_undo(wanted TEXT) RETURNS BIGINT
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    found pathcount_changes;
    later TEXT;
BEGIN
    SELECT * INTO found FROM pathcount_changes WHERE change = pathcount_last_change(wanted);
    IF found.change IS NULL THEN
        RAISE EXCEPTION 'There is no change of % to undo.', wanted USING ERRCODE = 'PC001';
    END IF;
    SELECT r.path INTO later FROM pathcount_changed_rows AS r
    WHERE r.change = found.change AND found.kind <> 'import' AND pathcount_last_change(r.path) > found.change
    ORDER BY r.path
    LIMIT 1;
    IF later IS NOT NULL THEN
        RAISE EXCEPTION 'Change % cannot be undone: % was changed again later. Undo that first.',
            found.change, later USING ERRCODE = 'PC001';
    END IF;
    RETURN found.change;
END
$$;

-- Returns the rows after a change. A count of 0 means that the row is deleted. All entries must be
-- folded.
CREATE FUNCTION pathcount_change_rows(request JSONB, undone BIGINT)
RETURNS TABLE (path TEXT, count NUMERIC, first_hit_at TIMESTAMPTZ, last_hit_at TIMESTAMPTZ)
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    kind TEXT := request ->> 'kind';
    wanted TEXT := request ->> 'path';
    target TEXT := request ->> 'to';
    sources TEXT[] := ARRAY(SELECT jsonb_array_elements_text(request -> 'from'));
    missing TEXT;
    made pathcount_changes;
BEGIN
    -- These paths must have a row.
    SELECT w INTO missing
    FROM unnest(CASE kind WHEN 'delete' THEN ARRAY[wanted] ELSE sources END) AS w
    WHERE NOT EXISTS (SELECT FROM pathcount AS p WHERE p.path = w)
    LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION '% has no count.', missing USING ERRCODE = 'PC001';
    END IF;
    IF target = ANY (sources) THEN
        RAISE EXCEPTION '% cannot be merged into itself.', target USING ERRCODE = 'PC001';
    END IF;
    IF kind = 'rename' AND EXISTS (SELECT FROM pathcount AS p WHERE p.path = target) THEN
        RAISE EXCEPTION '% has a count already: merge into it instead.', target USING ERRCODE = 'PC001';
    END IF;

    CASE kind
    WHEN 'delete' THEN
        RETURN QUERY SELECT wanted, 0::numeric, NULL::timestamptz, NULL::timestamptz;
    WHEN 'delete-prefix' THEN
        RETURN QUERY
        SELECT p.path, 0::numeric, NULL::timestamptz, NULL::timestamptz
        FROM pathcount AS p
        WHERE p.path >= (request ->> 'prefix')
            AND p.path < (request ->> 'above')
            AND p.path > coalesce(request ->> 'after', '')
        ORDER BY p.path
        LIMIT (request ->> 'limit')::bigint;
    WHEN 'set' THEN
        RETURN QUERY
        SELECT wanted, (request ->> 'count')::numeric, p.first_hit_at, p.last_hit_at
        FROM (SELECT) AS one LEFT JOIN pathcount AS p ON p.path = wanted;
    WHEN 'rename', 'merge' THEN
        RETURN QUERY
        SELECT w, 0::numeric, NULL::timestamptz, NULL::timestamptz FROM unnest(sources) AS w
        UNION ALL
        SELECT target, sum(p.count), min(p.first_hit_at), max(p.last_hit_at)
        FROM pathcount AS p WHERE p.path = ANY (sources || target);
    WHEN 'normalise' THEN
        -- Each row moves to its normal path. Rows that no longer exist are left out.
        RETURN QUERY
        WITH found AS MATERIALIZED (
            SELECT p.path, m.target, p.count, p.first_hit_at, p.last_hit_at
            FROM jsonb_to_recordset(request -> 'moves') AS m (source TEXT, target TEXT)
            JOIN pathcount AS p ON p.path = m.source
        )
        SELECT f.path, 0::numeric, NULL::timestamptz, NULL::timestamptz FROM found AS f
        UNION ALL
        SELECT s.target, s.count + coalesce(p.count, 0), least(s.first_hit_at, p.first_hit_at),
            greatest(s.last_hit_at, p.last_hit_at)
        FROM (
            SELECT f.target, sum(f.count) AS count, min(f.first_hit_at) AS first_hit_at,
                max(f.last_hit_at) AS last_hit_at
            FROM found AS f
            GROUP BY f.target
        ) AS s
        LEFT JOIN pathcount AS p ON p.path = s.target;
    WHEN 'import' THEN
        RETURN QUERY
        SELECT l.path,
            CASE WHEN l.adds THEN coalesce(p.count, 0) + l.count ELSE l.count END,
            CASE WHEN l.adds THEN least(p.first_hit_at, l.first) ELSE coalesce(l.first, p.first_hit_at) END,
            CASE WHEN l.adds THEN greatest(p.last_hit_at, l.last) ELSE coalesce(l.last, p.last_hit_at) END
        FROM (
            SELECT x.path, sum(x.count::numeric) AS count, min(pathcount_time(x.first)) AS first,
                max(pathcount_time(x.last)) AS last, request ->> 'mode' = 'add' AS adds
            FROM jsonb_to_recordset(request -> 'rows') AS x (path TEXT, count TEXT, first TEXT, last TEXT)
            GROUP BY x.path
        ) AS l
        LEFT JOIN pathcount AS p ON p.path = l.path;
    WHEN 'undo' THEN
        SELECT * INTO made FROM pathcount_changes WHERE change = undone;
        -- Hits since the change stay. They are the present count minus the count after the change.
        RETURN QUERY
        SELECT r.path,
            coalesce(p.count, 0) - coalesce(r.after, 0) + coalesce(r.before, 0)::numeric,
            CASE
                WHEN r.before IS NULL THEN greatest(p.first_hit_at, made.at)
                WHEN r.after IS NULL THEN least(r.before_first_hit_at, p.first_hit_at)
                ELSE r.before_first_hit_at
            END,
            CASE
                WHEN p.last_hit_at IS DISTINCT FROM r.after_last_hit_at
                    THEN greatest(p.last_hit_at, r.before_last_hit_at)
                ELSE r.before_last_hit_at
            END
        FROM pathcount_changed_rows AS r
        LEFT JOIN pathcount AS p ON p.path = r.path
        WHERE r.change = undone AND (made.kind <> 'import' OR r.path = wanted);
    ELSE
        RAISE EXCEPTION 'There is no change "%".', kind USING ERRCODE = 'PC001';
    END CASE;
END
$$;

-- Returns the count after a change, as in a row. NULL for 0: no row.
CREATE FUNCTION pathcount_change_count(path TEXT, count NUMERIC) RETURNS BIGINT
LANGUAGE plpgsql
AS $$
BEGIN
    IF count NOT BETWEEN 0 AND 9223372036854775807 THEN
        RAISE EXCEPTION 'The count of % would not be between 0 and 9223372036854775807.', path
            USING ERRCODE = 'PC001';
    END IF;
    RETURN nullif(count, 0)::bigint;
END
$$;

-- Applies the rows that are recorded for a change to `pathcount`, and adjusts the totals. Returns
-- the result of the change: its extent, and its first rows.
CREATE FUNCTION pathcount_change_apply(made BIGINT, request JSONB, undone BIGINT, max_paths BIGINT)
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
    shown JSONB;
BEGIN
    INSERT INTO pathcount_changed_rows
    SELECT w.path, made, p.count, p.first_hit_at, p.last_hit_at, w.after,
        CASE WHEN w.after IS NOT NULL THEN w.first_hit_at END,
        CASE WHEN w.after IS NOT NULL THEN w.last_hit_at END
    FROM (
        SELECT path, pathcount_change_count(path, count) AS after, first_hit_at, last_hit_at
        FROM pathcount_change_rows(request, undone)
    ) AS w
    LEFT JOIN pathcount AS p ON p.path = w.path
    WHERE (p.count, p.first_hit_at, p.last_hit_at)
        IS DISTINCT FROM (w.after, w.first_hit_at, w.last_hit_at);

    SELECT count(*), max(path), count(after) - count(before),
        coalesce(sum(coalesce(after, 0)::numeric - coalesce(before, 0)), 0)
    INTO changed, last_path, more_paths, more_hits
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
    INSERT INTO pathcount AS p (path, count, first_hit_at, last_hit_at)
    SELECT path, after, after_first_hit_at, after_last_hit_at
    FROM pathcount_changed_rows WHERE change = made AND after IS NOT NULL
    ORDER BY path
    ON CONFLICT (path) DO UPDATE
    SET count = excluded.count, first_hit_at = excluded.first_hit_at, last_hit_at = excluded.last_hit_at;
    UPDATE pathcount_totals SET paths = paths + more_paths, hits = hits + more_hits;

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

-- Makes a change and records it, or does neither. Returns its result. SQLSTATE PC001: the request
-- is wrong. counter-svc has checked the form of the request (change.c).
--
-- Exactly once, and in order with hits: the row of the checkpoint is locked first. So changes and
-- folds run one after the other, and a repeat finds the change that it repeats. Then no append can
-- commit before this transaction, and all entries before it are folded. The generation makes every
-- counter-svc reload its state before its next append. Hits wait meanwhile, so the number of rows
-- of a change is limited.
CREATE FUNCTION pathcount_change(asked JSONB, max_paths BIGINT)
RETURNS JSONB
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    request JSONB := asked - 'dry_run';
    is_dry BOOLEAN := coalesce((asked ->> 'dry_run')::boolean, false);
    hash BYTEA := sha256(convert_to((asked - 'dry_run')::text, 'UTF8'));
    earlier pathcount_changes;
    undone BIGINT;
    made BIGINT;
    outcome JSONB;
BEGIN
    PERFORM pathcount_fold();
    SELECT * INTO earlier FROM pathcount_changes
    WHERE id = request ->> 'id' AND part = (request ->> 'part')::bigint;
    IF FOUND THEN
        IF earlier.digest <> hash THEN
            RAISE EXCEPTION 'The id was used for another change.' USING ERRCODE = 'PC001';
        END IF;
        -- So this answer also waits for a commit on a synchronous standby.
        UPDATE pathcount_changes SET repeats = repeats + 1 WHERE change = earlier.change;
        RETURN earlier.result || '{"repeat": true}';
    END IF;
    IF NOT is_dry THEN
        LOCK TABLE pathcount_journal IN EXCLUSIVE MODE;
        PERFORM pathcount_fold();
    END IF;
    BEGIN
        IF request ->> 'kind' = 'undo' THEN
            undone := pathcount_change_to_undo(request ->> 'path');
        END IF;
        INSERT INTO pathcount_changes (id, part, digest, position, kind, why, undoes, result)
        SELECT request ->> 'id', (request ->> 'part')::bigint, hash, position, request ->> 'kind',
            request ->> 'why', undone, '{}'
        FROM pathcount_checkpoint
        RETURNING change INTO made;
        outcome := pathcount_change_apply(made, request, undone, max_paths) || jsonb_build_object(
            'change', CASE WHEN NOT is_dry THEN made END, 'id', request ->> 'id',
            'part', (request ->> 'part')::bigint, 'kind', request ->> 'kind', 'undoes', undone,
            'dry_run', is_dry, 'repeat', false);
        UPDATE pathcount_changes SET result = outcome WHERE change = made;
        IF is_dry THEN
            RAISE EXCEPTION USING ERRCODE = 'PC002'; -- undoes everything
        END IF;
    EXCEPTION
        WHEN SQLSTATE 'PC002' THEN
            RETURN outcome;
    END;
    IF outcome ->> 'changed' <> '0' THEN
        UPDATE pathcount_checkpoint SET generation = floor(random() * 9e15)::bigint;
    END IF;
    RETURN outcome;
END
$$;

-- Returns the audit trail, the newest change first: up to `size` changes before change `below`
-- (NULL: no bound), each with its first rows; or the changes of one path, each with the row of the
-- path.
CREATE FUNCTION pathcount_audit(wanted TEXT, below BIGINT, size BIGINT)
RETURNS JSONB
LANGUAGE sql STABLE
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
SELECT jsonb_build_object(
    'changes', coalesce(jsonb_agg(audit ORDER BY change DESC), '[]'),
    'next', CASE WHEN count(*) = $3 THEN min(change) END)
FROM (
    SELECT c.change, c.result - '{dry_run,repeat,next}'::text[] || jsonb_build_object(
        'at', to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'why', c.why) ||
        CASE
            WHEN r.path IS NULL THEN '{}'
            ELSE jsonb_build_object('rows', jsonb_build_array(
                jsonb_build_object('path', r.path, 'before', r.before, 'after', r.after)))
        END AS audit
    FROM pathcount_changes AS c
    LEFT JOIN pathcount_changed_rows AS r ON r.change = c.change AND r.path = $1
    WHERE ($1 IS NULL OR r.path IS NOT NULL) AND c.change < coalesce($2, 9223372036854775807)
    ORDER BY c.change DESC
    LIMIT $3
) AS page
$$;
