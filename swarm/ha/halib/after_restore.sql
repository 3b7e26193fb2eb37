-- Prepares a restored ledger for use. Runs as counter-svc's role, with search_path = public: after
-- pg_restore (swarm/restore) and after pgBackRest (restore.py).
DO $$
BEGIN
    IF to_regclass('pathcount_journal') IS NOT NULL THEN
        PERFORM pathcount_fold();
        -- Silent lanes get their full TTL again.
        UPDATE pathcount_lanes SET used_at = now();
        -- A new generation makes every counter-svc read its state again.
        UPDATE pathcount_checkpoint SET generation = floor(random() * 9e15)::bigint;
    ELSIF to_regclass('pathcount_lane') IS NOT NULL THEN
        -- A schema before the journal. counter-svc migrates it later.
        UPDATE pathcount_lane SET used_at = now() WHERE lane <> 0;
    END IF;
END
$$;
