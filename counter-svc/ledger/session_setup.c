/* The steps that set a session up. Each step sends one query; when PostgreSQL has answered, the
 * step reads the answer and chooses the next step. A refused query drops the connection, and the
 * setup starts again. */
#include "counter-svc/ledger/refusal.h"
#include "counter-svc/ledger/schema.h"
#include "counter-svc/ledger/session_private.h"
#include "server/ops/log.h"
#include "server/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void send_settings(struct session *session);
static void read_encoding(struct session *session, const struct pg_answer *answer);
static void send_schema_exists(struct session *session);
static void read_schema_exists(struct session *session, const struct pg_answer *answer);
static void send_schema_version(struct session *session);
static void read_schema_version(struct session *session, const struct pg_answer *answer);
static void send_schema_lock(struct session *session);
static void read_locked_version(struct session *session, const struct pg_answer *answer);
static void read_migrated(struct session *session, const struct pg_answer *answer);
static void send_prepare(struct session *session);
static void read_prepared(struct session *session, const struct pg_answer *answer);

static const char NO_TABLES[] = "The tables of the ledger could not be made";

static const struct {
    void (*send)(struct session *session);
    void (*read)(struct session *session, const struct pg_answer *answer);
    const char *failure; /* the beginning of the reason of a refusal */
} STEPS[] = {
    [SETUP_SETTINGS] = {send_settings, read_encoding, "A setting of the session was refused"},
    [SETUP_SCHEMA_EXISTS] = {send_schema_exists, read_schema_exists, NO_TABLES},
    [SETUP_SCHEMA_VERSION] = {send_schema_version, read_schema_version, NO_TABLES},
    [SETUP_SCHEMA_LOCK] = {send_schema_lock, read_locked_version, NO_TABLES},
    [SETUP_SCHEMA_MIGRATE] = {NULL, read_migrated, NO_TABLES},
    [SETUP_PREPARE] = {send_prepare, read_prepared, "A statement could not be prepared"},
};

static void fail_step(struct session *session, const struct pg_answer *answer)
{
    char name[STATEMENT_NAME_BYTES];

    if (session->step == SETUP_PREPARE)
        log_event(LOG_LEVEL_ERROR, "prepare-failed", "statement=%s sqlstate=%s error=%s",
                  statement_name(session->preparing, name), answer->sqlstate,
                  LOG_QUOTED(answer->message));
    else if (session->step != SETUP_SETTINGS)
        log_event(LOG_LEVEL_ERROR, "schema-failed", "sqlstate=%s error=%s", answer->sqlstate,
                  LOG_QUOTED(answer->message));
    session_fail(session, STEPS[session->step].failure, answer);
}

static void on_setup_step_answered(void *data, const struct pg_answer *answer)
{
    struct session *session = data;

    if (answer->outcome == PG_LOST)
        return; /* session.c: on_lost follows */
    INVARIANT(session->state == SESSION_SETTING_UP);
    if (answer->outcome == PG_FAILED)
        fail_step(session, answer);
    else
        STEPS[session->step].read(session, answer);
}

static void begin_step(struct session *session, enum setup_step step)
{
    session->step = step;
    STEPS[step].send(session);
}

static void run_text(struct session *session, const char *sql, uint64_t deadline_ms)
{
    pg_run_text(session->pg, sql, deadline_ms, on_setup_step_answered, session);
}

void session_set_up(struct session *session, enum setup_step first)
{
    session_set_state(session, SESSION_SETTING_UP);
    begin_step(session, first);
}

/* Returns a number of the only row of the last result, or 0. Results of SQL text are text. */
static int number_at(const struct pg_answer *answer, int column)
{
    return PQntuples(answer->result) == 1 ? atoi(PQgetvalue(answer->result, 0, column)) : 0;
}

/* --- SETUP_SETTINGS --- */

/* The guarantees rest on these settings, so they do not depend on the server's configuration. Plans
 * are generic: one plan fits all parameters, and planning would take longer than the statement. All
 * statements walk an index and stop early. Therefore no plan may read and sort whole tables, and
 * none may be compiled or run in parallel, because both would take longer, too. */
static void send_settings(struct session *session)
{
    char sql[1024];

    snprintf(sql, sizeof(sql),
             "SET synchronous_commit = %s;"
             "SET client_min_messages = warning;" /* a standby may lack a commit */
             "SET default_transaction_isolation = 'read committed';"
             "SET plan_cache_mode = force_generic_plan;"
             "SET enable_bitmapscan = off;"
             "SET enable_seqscan = off;"
             "SET enable_sort = off;"
             "SET jit = off;"
             "SET max_parallel_workers_per_gather = 0;"
             "SET statement_timeout = %lld;"
             "SET lock_timeout = %lld;"
             "SET idle_in_transaction_session_timeout = %lld;"
             "SELECT getdatabaseencoding()",
             session->role == SESSION_FOLDS ? "off" : "on",
             (long long)session->settings->statement_timeout_ms,
             (long long)session->settings->lock_timeout_ms,
             (long long)session->settings->statement_timeout_ms);
    run_text(session, sql, session_deadline_ms(session));
}

static void read_encoding(struct session *session, const struct pg_answer *answer)
{
    char reason[REASON_BYTES];

    if (PQntuples(answer->result) != 1) {
        pg_reset(session->pg, "The encoding of the database is unknown.");
    } else if (strcmp(PQgetvalue(answer->result, 0, 0), "UTF8") != 0) {
        snprintf(reason, sizeof(reason),
                 "The encoding of the database is %.32s, not UTF8. Use a database that was created "
                 "with ENCODING 'UTF8'.",
                 PQgetvalue(answer->result, 0, 0));
        pg_reset(session->pg, reason);
    } else {
        begin_step(session, SETUP_SCHEMA_EXISTS);
    }
}

/* --- SETUP_SCHEMA_… --- */

static void send_schema_exists(struct session *session)
{
    run_text(session, SCHEMA_EXISTS_SQL, SCHEMA_QUERY_MS);
}

static void read_schema_exists(struct session *session, const struct pg_answer *answer)
{
    begin_step(session, number_at(answer, 0) != 0 ? SETUP_SCHEMA_VERSION : SETUP_SCHEMA_LOCK);
}

static void send_schema_version(struct session *session)
{
    run_text(session, SCHEMA_VERSION_SQL, SCHEMA_QUERY_MS);
}

/* Ends the setup: the session is ready, or awaits the migration. */
static void note_set_up(struct session *session, enum session_state state)
{
    session_set_state(session, state);
    session->problem = session->logged = NULL;
    pg_set_up_done(session->pg);
    if (state == SESSION_READY)
        log_event(LOG_LEVEL_INFO, "postgres-connected", "");
    else
        log_event(LOG_LEVEL_INFO, "migration-awaited", "");
    session->owner.on_ready(session->owner.data);
}

/* Prepares the next statement of the session's role, from `first` on. After the last one the
 * session is ready. */
static void prepare_from(struct session *session, enum statement first)
{
    session->preparing = first;
    while (session->preparing < N_STATEMENTS && statement_role(session->preparing) != session->role)
        ++session->preparing;
    if (session->preparing < N_STATEMENTS)
        begin_step(session, SETUP_PREPARE);
    else
        note_set_up(session, SESSION_READY);
}

static void read_schema_version(struct session *session, const struct pg_answer *answer)
{
    int version = number_at(answer, 0), oldest_program = number_at(answer, 1);
    enum schema_state state = schema_state(version, oldest_program);

    if (state == SCHEMA_TOO_NEW) {
        log_event(LOG_LEVEL_ERROR, "program-too-old",
                  "error=\"the ledger has schema %d and requires a program for schema %d or later; "
                  "this one is for schema %d\"",
                  version, oldest_program, SCHEMA_VERSION);
        service_give_up();
    } else if (state == SCHEMA_EXCLUDES && !session->may_migrate) {
        note_set_up(session, SESSION_AWAITING_MIGRATION);
    } else if (state != SCHEMA_READY) {
        begin_step(session, SETUP_SCHEMA_LOCK);
    } else {
        prepare_from(session, 0);
    }
}

static void send_schema_lock(struct session *session)
{
    run_text(session, schema_lock_sql, SCHEMA_MIGRATE_MS);
}

/* Another program may have migrated while this one waited for the lock. A failure from here on
 * drops the connection, which rolls the transaction back. */
static void read_locked_version(struct session *session, const struct pg_answer *answer)
{
    struct buffer sql = {0};

    schema_add_migrations(&sql, number_at(answer, 0));
    session->step = SETUP_SCHEMA_MIGRATE;
    run_text(session, sql.bytes, SCHEMA_MIGRATE_MS);
    buffer_free(&sql);
}

static void read_migrated(struct session *session, const struct pg_answer *answer)
{
    (void)answer;
    begin_step(session, SETUP_SCHEMA_EXISTS);
}

/* --- SETUP_PREPARE --- */

static void send_prepare(struct session *session)
{
    char name[STATEMENT_NAME_BYTES];
    struct buffer text = {0};

    statement_add_text(&text, session->preparing);
    pg_run_prepare(session->pg, statement_name(session->preparing, name), text.bytes,
                   session_deadline_ms(session), on_setup_step_answered, session);
    buffer_free(&text);
}

static void read_prepared(struct session *session, const struct pg_answer *answer)
{
    (void)answer;
    prepare_from(session, session->preparing + 1);
}
