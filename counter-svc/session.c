#include "counter-svc/session.h"

#include "counter-svc/counter_metrics.h"
#include "counter-svc/sql.h"
#include "service/log.h"
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much longer than the server's own limit we wait before the connection is given up. */
#define GRACE_MS 1000

struct session {
    struct counter_metrics *metrics;
    const struct session_settings *settings;
    struct session_owner owner;
    struct pg *pg;
    struct schema schema;
    int prepared; /* how many statements are, in this connection */
    bool ready;
    bool loss_logged; /* one line for each loss, not for each attempt */
};

static const struct {
    const char *name, *sql;
} STATEMENTS[N_STATEMENTS] = {
    [STATEMENT_APPLY_ALL] = {"apply_all", sql_apply_all},
    [STATEMENT_APPLY_SOME] = {"apply_some", sql_apply_some},
    [STATEMENT_NEW_LANE] = {"new_lane", sql_new_lane},
    [STATEMENT_END_LANE] = {"end_lane", sql_end_lane},
    [STATEMENT_FORGET_LANES] = {"forget_lanes", sql_forget_lanes},
    [STATEMENT_TOP] = {"top", sql_top},
    [STATEMENT_ROWS_BY_COUNT] = {"rows_by_count", sql_rows_by_count},
    [STATEMENT_ROWS_BY_PATH] = {"rows_by_path", sql_rows_by_path},
    [STATEMENT_ROWS_BY_COUNT_BACK] = {"rows_by_count_back", sql_rows_by_count_back},
    [STATEMENT_ROWS_BY_PATH_BACK] = {"rows_by_path_back", sql_rows_by_path_back},
    [STATEMENT_PATH] = {"path", sql_path},
    [STATEMENT_COUNTS] = {"counts", sql_counts},
    [STATEMENT_TOTALS] = {"totals", sql_totals},
};

static void on_connected(void *data);
static void on_settings(void *data, const struct pg_answer *answer);
static void on_schema(void *data, enum schema_outcome outcome);
static void prepare_next(struct session *session);
static void on_prepared(void *data, const struct pg_answer *answer);
static void on_lost(void *data, const char *reason);

struct session *session_open(struct worker *worker, const struct session_settings *settings,
                             const struct session_owner *owner)
{
    struct session *session = h2o_mem_alloc(sizeof(*session));
    struct pg_owner pg_owner = {.on_connected = on_connected, .on_lost = on_lost, .data = session};

    *session = (struct session){
        .metrics = counter_metrics_of(worker), .settings = settings, .owner = *owner};
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
             "SET synchronous_commit = on;"
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
        schema_prepare(&session->schema, session->pg, on_schema, session);
}

static void on_schema(void *data, enum schema_outcome outcome)
{
    struct session *session = data;

    if (outcome == SCHEMA_READY) {
        session->prepared = 0;
        prepare_next(session);
    } else if (outcome == SCHEMA_TOO_NEW) {
        service_give_up();
    } else if (pg_is_idle(session->pg)) {
        pg_reset(session->pg, "the ledger's schema could not be made");
    }
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
    session->loss_logged = false;
    log_event(LOG_LEVEL_INFO, "postgres-connected", "");
    session->owner.on_ready(session->owner.data);
}

static void on_lost(void *data, const char *reason)
{
    struct session *session = data;

    set_ready(session, false);
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

void session_reset(struct session *session, const char *reason)
{
    pg_reset(session->pg, reason);
}
