#include "counter-svc/ledger/session_private.h"

#include "counter-svc/ledger/counter_metrics.h"
#include "counter-svc/ledger/refusal.h"
#include "server/ops/log.h"

#include <stdlib.h>
#include <string.h>

/* The deadline of session_run_long, which may build an index. */
#define LONG_MS ((uint64_t)60 * 60 * 1000)

/* Maximum of problems that are kept. Another thread can read a problem at any time. */
#define MAX_PROBLEMS 64

static const char MANY_PROBLEMS[] = "PostgreSQL cannot be used; the log has the reason.";

/* The time from the server's timeout until the connection is dropped, in milliseconds. */
#define GRACE_MS 1000

static void on_session_connected(void *data);
static void on_pooler_checked(void *data, const char *problem);
static void on_lost(void *data, const char *reason);
static void on_session_notified(void *data, const char *channel);

struct session *session_open(struct worker *worker, const struct session_settings *settings,
                             enum session_role role, const struct session_owner *owner)
{
    struct session *session = h2o_mem_alloc(sizeof(*session));
    struct pg_owner pg_owner = {.on_connected = on_session_connected,
                                .on_lost = on_lost,
                                .on_notified = on_session_notified,
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

void session_set_state(struct session *session, enum session_state state)
{
    static const unsigned FOLLOWING[] = {
        [SESSION_CONNECTING] = 1 << SESSION_CONNECTING | 1 << SESSION_CHECKING,
        [SESSION_CHECKING] = 1 << SESSION_CONNECTING | 1 << SESSION_SETTING_UP,
        [SESSION_SETTING_UP] =
            1 << SESSION_CONNECTING | 1 << SESSION_AWAITING_MIGRATION | 1 << SESSION_READY,
        [SESSION_AWAITING_MIGRATION] = 1 << SESSION_CONNECTING | 1 << SESSION_SETTING_UP,
        [SESSION_READY] = 1 << SESSION_CONNECTING,
    };

    INVARIANT(FOLLOWING[session->state] & 1u << state);
    if (session->state == SESSION_READY)
        metric_subtract(&session->metrics->sessions, 1);
    if (state == SESSION_READY)
        metric_add(&session->metrics->sessions, 1);
    session->state = state;
}

void session_close(struct session *session)
{
    if (session == NULL)
        return;
    session_set_state(session, SESSION_CONNECTING);
    metric_subtract(&session->metrics->sessions_wanted, 1);
    pooler_check_stop(&session->pooler_check);
    pg_close(session->pg);
    free(session);
}

uint64_t session_deadline_ms(const struct session *session)
{
    return (uint64_t)session->settings->statement_timeout_ms + GRACE_MS;
}

/* --- the connection --- */

static void on_session_connected(void *data)
{
    struct session *session = data;

    session_set_state(session, SESSION_CHECKING);
    pooler_check_start(&session->pooler_check, session->worker, &session->settings->url,
                       (uint64_t)session->settings->connect_timeout_ms,
                       session_deadline_ms(session), session->pg, on_pooler_checked, session);
}

/* A problem may also come later, in any state (pooler.h). */
static void on_pooler_checked(void *data, const char *problem)
{
    struct session *session = data;

    if (problem != NULL)
        pg_reset(session->pg, problem);
    else
        session_set_up(session, SETUP_SETTINGS);
}

static void on_session_notified(void *data, const char *channel)
{
    struct session *session = data;

    pooler_check_note(&session->pooler_check, channel);
}

/* Returns a copy that is never freed, because the admin thread may be reading it. */
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

    session_set_state(session, SESSION_CONNECTING);
    pooler_check_stop(&session->pooler_check);
    session->problem = keep_problem(reason);
    if (session->problem != session->logged || session->problem == MANY_PROBLEMS)
        log_event(LOG_LEVEL_ERROR, "postgres-lost", "reason=%s", LOG_QUOTED(reason));
    session->logged = session->problem;
    session->owner.on_lost(session->owner.data);
}

/* --- its use --- */

bool session_awaits_migration(const struct session *session)
{
    return session->state == SESSION_AWAITING_MIGRATION;
}

void session_migrate(struct session *session)
{
    session->may_migrate = true;
    if (session_awaits_migration(session))
        session_set_up(session, SETUP_SCHEMA_EXISTS);
}

bool session_is_ready(const struct session *session)
{
    return session->state == SESSION_READY;
}

bool session_is_idle(const struct session *session)
{
    return session->state == SESSION_READY && pg_is_idle(session->pg);
}

void session_run(struct session *session, enum statement statement,
                 const struct pg_parameter *parameters, int count, pg_callback callback, void *data)
{
    char name[STATEMENT_NAME_BYTES];

    INVARIANT(session_is_idle(session) && statement_role(statement) == session->role);
    pg_run_prepared(session->pg, statement_name(statement, name), parameters, count,
                    session_deadline_ms(session), callback, data);
}

size_t session_padding(enum statement statement, const struct pg_parameter *parameters, int count)
{
    char name[STATEMENT_NAME_BYTES];

    return pg_padding(statement_name(statement, name), parameters, count);
}

void session_run_text(struct session *session, const char *sql, pg_callback callback, void *data)
{
    INVARIANT(session_is_idle(session));
    pg_run_text(session->pg, sql, session_deadline_ms(session), callback, data);
}

void session_run_long(struct session *session, const char *sql, pg_callback callback, void *data)
{
    INVARIANT(session_is_idle(session));
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
