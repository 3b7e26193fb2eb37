#include "counter-svc/session.h"

#include "counter-svc/counter_metrics.h"
#include "counter-svc/sql.h"
#include "service/log.h"
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What building an index may take. */
#define LONG_MS ((uint64_t)60 * 60 * 1000)

/* Reasons that are kept, so that another thread can read them at any time. */
#define MAX_PROBLEMS 64

/* How much longer than the server's own limit we wait before the connection is given up. */
#define GRACE_MS 1000

struct session {
    struct counter_metrics *metrics;
    const struct session_settings *settings;
    struct session_owner owner;
    struct pg *pg;
    struct schema schema;
    int prepared; /* how many statements are, in this connection */
    bool asynchronous;
    bool ready;
    bool awaits_migration;
    bool may_migrate;
    const char *problem; /* NULL: none */
    bool loss_logged;    /* one line for each loss, not for each attempt */
};

static const struct {
    const char *name, *sql;
} STATEMENTS[N_STATEMENTS] = {
    [STATEMENT_APPEND] = {"append", sql_append},
    [STATEMENT_LOAD] = {"load", sql_load},
    [STATEMENT_CATCH_UP] = {"catch_up", sql_catch_up},
    [STATEMENT_HEAD] = {"head", sql_head},
    [STATEMENT_LOOK_UP] = {"look_up", sql_look_up},
    [STATEMENT_FOLD] = {"fold", sql_fold},
    [STATEMENT_FOLD_ROW_BY_ROW] = {"fold_row_by_row", sql_fold_row_by_row},
    [STATEMENT_CLEAR] = {"clear", sql_clear},
    [STATEMENT_ROWS_BY_COUNT] = {"rows_by_count", sql_rows_by_count},
    [STATEMENT_ROWS_BY_PATH] = {"rows_by_path", sql_rows_by_path},
    [STATEMENT_ROWS_BY_COUNT_BACK] = {"rows_by_count_back", sql_rows_by_count_back},
    [STATEMENT_ROWS_BY_PATH_BACK] = {"rows_by_path_back", sql_rows_by_path_back},
    [STATEMENT_PATH] = {"path", sql_path},
};

static void on_connected(void *data);
static void on_settings(void *data, const struct pg_answer *answer);
static void look_at_schema(struct session *session);
static void on_schema(void *data, enum schema_outcome outcome);
static void prepare_next(struct session *session);
static void on_prepared(void *data, const struct pg_answer *answer);
static void on_lost(void *data, const char *reason);

static struct session *open_session(struct worker *worker, const struct session_settings *settings,
                                    const struct session_owner *owner, bool asynchronous)
{
    struct session *session = h2o_mem_alloc(sizeof(*session));
    struct pg_owner pg_owner = {.on_connected = on_connected, .on_lost = on_lost, .data = session};

    *session = (struct session){.metrics = counter_metrics_of(worker),
                                .settings = settings,
                                .owner = *owner,
                                .asynchronous = asynchronous,
                                .problem = "PostgreSQL has not been asked yet."};
    metric_add(&session->metrics->sessions_wanted, 1);
    session->pg =
        pg_open(worker, &settings->url, (uint64_t)settings->connect_timeout_ms, &pg_owner);
    return session;
}

struct session *session_open(struct worker *worker, const struct session_settings *settings,
                             const struct session_owner *owner)
{
    return open_session(worker, settings, owner, false);
}

struct session *session_open_asynchronous(struct worker *worker,
                                          const struct session_settings *settings,
                                          const struct session_owner *owner)
{
    return open_session(worker, settings, owner, true);
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
    pg_close(session->pg);
    free(session);
}

static uint64_t deadline_ms(const struct session *session)
{
    return (uint64_t)session->settings->statement_timeout_ms + GRACE_MS;
}

/* --- setting it up --- */

/* What the guarantees rest on is set here and not left to the server's configuration. Plans are
 * generic: the statements are made so that one fits every parameter, and planning costs more than
 * they do. All walk an index and stop early: no plan shall read and sort whole tables, and none be
 * compiled or shared out, which costs more than they do, too. */
static void on_connected(void *data)
{
    struct session *session = data;
    char sql[1024];

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
             session->asynchronous ? "off" : "on",
             (long long)session->settings->statement_timeout_ms,
             (long long)session->settings->lock_timeout_ms,
             (long long)session->settings->statement_timeout_ms);
    pg_run_text(session->pg, sql, deadline_ms(session), on_settings, session);
}

static void on_settings(void *data, const struct pg_answer *answer)
{
    struct session *session = data;

    if (answer->outcome == PG_LOST)
        return;
    if (answer->outcome == PG_FAILED || PQntuples(answer->result) != 1)
        pg_reset(session->pg, "the session's settings were refused");
    else if (strcmp(PQgetvalue(answer->result, 0, 0), "UTF8") != 0)
        pg_reset(session->pg, "the database's encoding is not UTF8");
    else
        look_at_schema(session);
}

static void look_at_schema(struct session *session)
{
    schema_prepare(&session->schema, session->pg, session->may_migrate, on_schema, session);
}

static void on_schema(void *data, enum schema_outcome outcome)
{
    struct session *session = data;

    if (outcome == SCHEMA_READY) {
        session->prepared = 0;
        prepare_next(session);
    } else if (outcome == SCHEMA_WAITS && session->may_migrate) {
        look_at_schema(session); /* told meanwhile */
    } else if (outcome == SCHEMA_WAITS) {
        log_event(LOG_LEVEL_INFO, "migration-awaited", "");
        session->awaits_migration = true;
        session->problem = NULL;
        session->owner.on_ready(session->owner.data);
    } else if (outcome == SCHEMA_TOO_NEW) {
        service_give_up();
    } else if (pg_is_idle(session->pg)) {
        pg_reset(session->pg, "the ledger's schema could not be made");
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

static void prepare_next(struct session *session)
{
    pg_run_prepare(session->pg, STATEMENTS[session->prepared].name,
                   STATEMENTS[session->prepared].sql, deadline_ms(session), on_prepared, session);
}

static void on_prepared(void *data, const struct pg_answer *answer)
{
    struct session *session = data;

    if (answer->outcome == PG_LOST)
        return;
    if (answer->outcome == PG_FAILED) {
        log_event(LOG_LEVEL_ERROR, "prepare-failed", "statement=%s sqlstate=%s error=%s",
                  STATEMENTS[session->prepared].name, answer->sqlstate,
                  LOG_QUOTED(PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY)));
        pg_reset(session->pg, "a statement could not be prepared");
        return;
    }
    if (++session->prepared < N_STATEMENTS) {
        prepare_next(session);
        return;
    }
    set_ready(session, true);
    session->problem = NULL;
    session->loss_logged = false;
    log_event(LOG_LEVEL_INFO, "postgres-connected", "");
    session->owner.on_ready(session->owner.data);
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
        return "PostgreSQL cannot be used; the log has the reason.";
    return kept[n_kept++] = h2o_strdup(NULL, reason, SIZE_MAX).base;
}

static void on_lost(void *data, const char *reason)
{
    struct session *session = data;

    set_ready(session, false);
    session->awaits_migration = false;
    session->problem = keep_problem(reason);
    if (!session->loss_logged)
        log_event(LOG_LEVEL_ERROR, "postgres-lost", "reason=%s", LOG_QUOTED(reason));
    session->loss_logged = true;
    session->owner.on_lost(session->owner.data);
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
    pg_run_prepared(session->pg, STATEMENTS[statement].name, parameters, count,
                    deadline_ms(session), callback, data);
}

size_t session_padding(enum statement statement, const struct pg_parameter *parameters, int count)
{
    return pg_padding(STATEMENTS[statement].name, parameters, count);
}

void session_run_text(struct session *session, const char *sql, pg_callback callback, void *data)
{
    pg_run_text(session->pg, sql, deadline_ms(session), callback, data);
}

void session_run_long(struct session *session, const char *sql, pg_callback callback, void *data)
{
    pg_run_text(session->pg, sql, LONG_MS, callback, data);
}

const char *session_problem(const struct session *session)
{
    return session->problem;
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
