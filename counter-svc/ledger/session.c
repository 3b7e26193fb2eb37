#include "counter-svc/ledger/session.h"

#include "counter-svc/ledger/counter_metrics.h"
#include "counter-svc/ledger/pooler.h"
#include "counter-svc/ledger/refusal.h"
#include "counter-svc/ledger/sql.h"
#include "server/ops/log.h"
#include "server/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What building an index may take. */
#define LONG_MS ((uint64_t)60 * 60 * 1000)

/* Reasons that are kept, so that another thread can read them at any time. */
#define MAX_PROBLEMS 64

static const char MANY_PROBLEMS[] = "PostgreSQL cannot be used; the log has the reason.";

/* How much longer than the server's own limit we wait before the connection is given up. */
#define GRACE_MS 1000

struct session {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct session_settings *settings;
    struct session_owner owner;
    enum session_role role;
    struct pg *pg;
    struct pooler_check pooler_check;
    struct schema schema;
    int preparing; /* the statement that is being prepared in this connection */
    bool ready;
    bool awaits_migration;
    bool may_migrate;
    const char *problem; /* NULL: none */
    const char *logged;  /* the problem that the log has: a line for each, not for each attempt */
};

static const struct {
    enum session_role role;
    const char *name, *sql;
} STATEMENTS[STATEMENT_ROWS] = {
    [STATEMENT_APPEND] = {SESSION_JOURNAL, "append", sql_append},
    [STATEMENT_LOAD] = {SESSION_JOURNAL, "load", sql_load},
    [STATEMENT_CATCH_UP] = {SESSION_JOURNAL, "catch_up", sql_catch_up},
    [STATEMENT_HEAD] = {SESSION_JOURNAL, "head", sql_head},
    [STATEMENT_LOOK_UP] = {SESSION_JOURNAL, "look_up", sql_look_up},
    [STATEMENT_FOLD] = {SESSION_FOLDS, "fold", sql_fold},
    [STATEMENT_FOLD_ROW_BY_ROW] = {SESSION_FOLDS, "fold_row_by_row", sql_fold_row_by_row},
    [STATEMENT_CLEAR] = {SESSION_FOLDS, "clear", sql_clear},
    [STATEMENT_HISTORY_STEP] = {SESSION_FOLDS, "history_step", sql_history_step},
    [STATEMENT_HISTORY_SETTINGS] = {SESSION_FOLDS, "history_settings", sql_history_settings},
    [STATEMENT_PATH] = {SESSION_VIEWS, "path", sql_path},
    [STATEMENT_HISTORY] = {SESSION_VIEWS, "history", sql_history},
    [STATEMENT_CHANGE] = {SESSION_CHANGES, "change", sql_change},
    [STATEMENT_AUDIT] = {SESSION_CHANGES, "audit", sql_audit},
    [STATEMENT_FORGET_CHANGES] = {SESSION_CHANGES, "forget_changes", sql_forget_changes},
};

/* A statement's name, in `buffer` if need be. */
static const char *name_of(int statement, char buffer[ROWS_SQL_NAME_BYTES])
{
    if (statement < STATEMENT_ROWS)
        return STATEMENTS[statement].name;
    rows_sql_name(statement - STATEMENT_ROWS, buffer);
    return buffer;
}

static enum session_role role_of(int statement)
{
    return statement < STATEMENT_ROWS ? STATEMENTS[statement].role : SESSION_VIEWS;
}

static void on_connected(void *data);
static void on_pooler_checked(void *data, const char *problem);
static void on_settings(void *data, const struct pg_answer *answer);
static void look_at_schema(struct session *session);
static void on_schema(void *data, enum schema_outcome outcome, const struct pg_answer *answer);
static void prepare_from(struct session *session, int first);
static void on_prepared(void *data, const struct pg_answer *answer);
static void on_lost(void *data, const char *reason);
static void on_notified(void *data, const char *channel);

struct session *session_open(struct worker *worker, const struct session_settings *settings,
                             enum session_role role, const struct session_owner *owner)
{
    struct session *session = h2o_mem_alloc(sizeof(*session));
    struct pg_owner pg_owner = {.on_connected = on_connected,
                                .on_lost = on_lost,
                                .on_notified = on_notified,
                                .data = session};

    *session = (struct session){.worker = worker,
                                .metrics = counter_metrics_of(worker),
                                .settings = settings,
                                .owner = *owner,
                                .role = role,
                                .problem = "PostgreSQL has not been queried yet."};
    metric_add(&session->metrics->sessions_wanted, 1);
    session->pg =
        pg_open(worker, &settings->url, (uint64_t)settings->connect_timeout_ms, &pg_owner);
    return session;
}

static void set_ready(struct session *session, bool ready)
{
    metric_add(&session->metrics->sessions, (uint64_t)ready - (uint64_t)session->ready);
    session->ready = ready;
}

void session_close(struct session *session)
{
    if (session == NULL)
        return;
    set_ready(session, false);
    metric_subtract(&session->metrics->sessions_wanted, 1);
    pooler_check_stop(&session->pooler_check);
    pg_close(session->pg);
    free(session);
}

uint64_t session_patience_ms(const struct session *session)
{
    return (uint64_t)session->settings->statement_timeout_ms + GRACE_MS;
}

/* --- setting it up --- */

/* Nothing is set in a server process that may be another client's. */
static void on_connected(void *data)
{
    struct session *session = data;

    pooler_check_start(&session->pooler_check, session->worker, &session->settings->url,
                       (uint64_t)session->settings->connect_timeout_ms,
                       session_patience_ms(session), session->pg, on_pooler_checked, session);
}

/* What the guarantees rest on is set here and not left to the server's configuration. Plans are
 * generic: the statements are made so that one fits every parameter, and planning costs more than
 * they do. All walk an index and stop early: no plan shall read and sort whole tables, and none be
 * compiled or shared out, which costs more than they do, too. */
static void on_pooler_checked(void *data, const char *problem)
{
    struct session *session = data;
    char sql[1024];

    if (problem != NULL) {
        pg_reset(session->pg, problem);
        return;
    }
    snprintf(sql, sizeof(sql),
             "SET synchronous_commit = %s;"
             "SET client_min_messages = warning;" /* they tell of commits that are not safe */
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
    pg_run_text(session->pg, sql, session_patience_ms(session), on_settings, session);
}

static void on_settings(void *data, const struct pg_answer *answer)
{
    struct session *session = data;
    char reason[REASON_BYTES];

    if (answer->outcome == PG_LOST)
        return;
    if (answer->outcome == PG_FAILED) {
        session_fail(session, "A setting of the session was refused", answer);
    } else if (PQntuples(answer->result) != 1) {
        pg_reset(session->pg, "The encoding of the database is unknown.");
    } else if (strcmp(PQgetvalue(answer->result, 0, 0), "UTF8") != 0) {
        snprintf(reason, sizeof(reason),
                 "The encoding of the database is %.32s, not UTF8. Use a database that was created "
                 "with ENCODING 'UTF8'.",
                 PQgetvalue(answer->result, 0, 0));
        pg_reset(session->pg, reason);
    } else {
        look_at_schema(session);
    }
}

/* It can be used, or will be once it has been told to migrate. */
static void note_set_up(struct session *session)
{
    session->problem = session->logged = NULL;
    pg_set_up_done(session->pg);
}

static void look_at_schema(struct session *session)
{
    schema_prepare(&session->schema, session->pg, session->may_migrate, on_schema, session);
}

static void on_schema(void *data, enum schema_outcome outcome, const struct pg_answer *answer)
{
    struct session *session = data;

    if (outcome == SCHEMA_READY) {
        prepare_from(session, 0);
    } else if (outcome == SCHEMA_WAITS && session->may_migrate) {
        look_at_schema(session); /* told meanwhile */
    } else if (outcome == SCHEMA_WAITS) {
        log_event(LOG_LEVEL_INFO, "migration-awaited", "");
        session->awaits_migration = true;
        note_set_up(session);
        session->owner.on_ready(session->owner.data);
    } else if (outcome == SCHEMA_TOO_NEW) {
        service_give_up();
    } else if (answer->outcome == PG_FAILED) {
        session_fail(session, "The tables of the ledger could not be made", answer);
    }
}

bool session_awaits_migration(const struct session *session)
{
    return session->awaits_migration;
}

void session_migrate(struct session *session)
{
    session->may_migrate = true;
    if (!session->awaits_migration)
        return;
    session->awaits_migration = false;
    look_at_schema(session);
}

static void prepare(struct session *session)
{
    char name[ROWS_SQL_NAME_BYTES];
    struct buffer rows = {0};
    const char *sql;

    if (session->preparing >= STATEMENT_ROWS)
        rows_sql_add(&rows, session->preparing - STATEMENT_ROWS);
    sql = session->preparing < STATEMENT_ROWS ? STATEMENTS[session->preparing].sql : rows.bytes;
    pg_run_prepare(session->pg, name_of(session->preparing, name), sql,
                   session_patience_ms(session), on_prepared, session);
    buffer_free(&rows);
}

/* Prepares the next statement of the session's role, from `first` on; after the last one it is
 * ready. */
static void prepare_from(struct session *session, int first)
{
    session->preparing = first;
    while (session->preparing < N_STATEMENTS && role_of(session->preparing) != session->role)
        ++session->preparing;
    if (session->preparing < N_STATEMENTS) {
        prepare(session);
        return;
    }
    set_ready(session, true);
    note_set_up(session);
    log_event(LOG_LEVEL_INFO, "postgres-connected", "");
    session->owner.on_ready(session->owner.data);
}

static void on_prepared(void *data, const struct pg_answer *answer)
{
    struct session *session = data;
    char name[ROWS_SQL_NAME_BYTES];

    if (answer->outcome == PG_LOST)
        return;
    if (answer->outcome == PG_DONE) {
        prepare_from(session, session->preparing + 1);
        return;
    }
    log_event(LOG_LEVEL_ERROR, "prepare-failed", "statement=%s sqlstate=%s error=%s",
              name_of(session->preparing, name), answer->sqlstate, LOG_QUOTED(answer->message));
    session_fail(session, "A statement could not be prepared", answer);
}

/* A copy of a sentence that stays for as long as the process: the admin thread may be reading it. */
static const char *keep_problem(const char *reason)
{
    static char *kept[MAX_PROBLEMS];
    static size_t n_kept;

    for (size_t i = 0; i < n_kept; ++i)
        if (strcmp(kept[i], reason) == 0)
            return kept[i];
    if (n_kept == MAX_PROBLEMS)
        return MANY_PROBLEMS;
    return kept[n_kept++] = h2o_strdup(NULL, reason, SIZE_MAX).base;
}

static void on_lost(void *data, const char *reason)
{
    struct session *session = data;

    set_ready(session, false);
    pooler_check_stop(&session->pooler_check);
    session->awaits_migration = false;
    session->problem = keep_problem(reason);
    if (session->problem != session->logged || session->problem == MANY_PROBLEMS)
        log_event(LOG_LEVEL_ERROR, "postgres-lost", "reason=%s", LOG_QUOTED(reason));
    session->logged = session->problem;
    session->owner.on_lost(session->owner.data);
}

static void on_notified(void *data, const char *channel)
{
    struct session *session = data;

    pooler_check_note(&session->pooler_check, channel);
}

/* --- using it --- */

bool session_is_ready(const struct session *session)
{
    return session->ready;
}

bool session_is_idle(const struct session *session)
{
    return session->ready && pg_is_idle(session->pg);
}

void session_run(struct session *session, enum statement statement,
                 const struct pg_parameter *parameters, int count, pg_callback callback, void *data)
{
    char name[ROWS_SQL_NAME_BYTES];

    pg_run_prepared(session->pg, name_of((int)statement, name), parameters, count,
                    session_patience_ms(session), callback, data);
}

size_t session_padding(enum statement statement, const struct pg_parameter *parameters, int count)
{
    char name[ROWS_SQL_NAME_BYTES];

    return pg_padding(name_of((int)statement, name), parameters, count);
}

void session_run_text(struct session *session, const char *sql, pg_callback callback, void *data)
{
    pg_run_text(session->pg, sql, session_patience_ms(session), callback, data);
}

void session_run_long(struct session *session, const char *sql, pg_callback callback, void *data)
{
    pg_run_text(session->pg, sql, LONG_MS, callback, data);
}

const char *session_problem(const struct session *session)
{
    return session->problem;
}

bool session_has_several_hosts(const struct session *session)
{
    return session->settings->url.n_hosts > 1;
}

size_t session_host(const struct session *session)
{
    return pg_host(session->pg);
}

void session_follow(struct session *session, size_t host)
{
    pg_follow(session->pg, host);
}

void session_leave_host(struct session *session, const char *reason)
{
    pg_leave_host(session->pg, reason);
}

void session_reset(struct session *session, const char *reason)
{
    pg_reset(session->pg, reason);
}

void session_fail(struct session *session, const char *what, const struct pg_answer *answer)
{
    char reason[REASON_BYTES];

    refusal_reason(what, answer->sqlstate, answer->message, reason);
    if (refusal_is_read_only(answer->sqlstate))
        pg_leave_host(session->pg, reason);
    else
        pg_reset(session->pg, reason);
}
