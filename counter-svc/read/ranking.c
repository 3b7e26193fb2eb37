#include "counter-svc/read/ranking.h"

#include "base/memory.h"
#include "counter-svc/ledger/sql.h"
#include "server/ops/log.h"

#include <stdlib.h>
#include <string.h>

/* The pause after a refused statement, in milliseconds; jitter is added. */
#define RETRY_MS 1000

/* The pause before checking again whether another process has built them, in milliseconds; jitter
 * is added. */
#define ELSEWHERE_MS 5000

static const char *const STEPS[] = {
    sql_ranking,
    "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '60s', false)",
    "DROP INDEX CONCURRENTLY IF EXISTS pathcount_by_count",
    "CREATE INDEX CONCURRENTLY pathcount_by_count ON pathcount (count DESC, path)",
    /* All reads and folds wait while the next statement waits for its lock. */
    "SET lock_timeout = '50ms'",
    /* the column's index is dropped with it */
    "ALTER TABLE pathcount DROP COLUMN tier; DROP FUNCTION pathcount_tier(BIGINT)",
    "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '60s', false)",
    "DROP INDEX CONCURRENTLY IF EXISTS pathcount_by_people",
    ("CREATE INDEX CONCURRENTLY pathcount_by_people ON pathcount ((count - bot_count) DESC, path) "
     "WHERE count > bot_count"),
};
#define STEP_COLUMN 4
#define STEP_PEOPLE 6
#define N_STEPS     (sizeof(STEPS) / sizeof(STEPS[0]))

struct ranking {
    struct worker *worker;
    struct session *session; /* NULL: everything is built */
    size_t step;
    struct timer next; /* may have no pause */
};

static void on_ranking_session_change(void *data);
static void on_next_due(struct timer *timer);
static void on_ranking_step_answered(void *data, const struct pg_answer *answer);

struct ranking *ranking_open(struct worker *worker, const struct session_settings *settings)
{
    struct ranking *ranking = memory_allocate(1, sizeof(*ranking));

    *ranking = (struct ranking){.worker = worker};
    ranking->session = session_open(
        worker, settings, SESSION_RANKING,
        &(struct session_owner){on_ranking_session_change, on_ranking_session_change, ranking});
    return ranking;
}

/* Continues from the loop, where the session may be closed. */
static void go_on(struct ranking *ranking, uint64_t pause_ms)
{
    timer_stop(&ranking->next);
    timer_start_after(&ranking->worker->timers, &ranking->next, pause_ms, on_next_due);
}

static void on_ranking_session_change(void *data)
{
    struct ranking *ranking = data;

    ranking->step = 0;
    go_on(ranking, 0);
}

static void on_next_due(struct timer *timer)
{
    struct ranking *ranking = H2O_STRUCT_FROM_MEMBER(struct ranking, next, timer);

    if (ranking->step == N_STEPS) {
        session_close(ranking->session);
        ranking->session = NULL;
    } else if (session_is_idle(ranking->session)) {
        session_run_long(ranking->session, STEPS[ranking->step], on_ranking_step_answered, ranking);
    }
}

/* Goes to the step that ranking.sql names. Returns false if another process is building. */
static bool choose_step(struct ranking *ranking, const char *answer)
{
    if (strcmp(answer, "elsewhere") == 0) {
        go_on(ranking,
              ELSEWHERE_MS + jitter(ELSEWHERE_MS)); /* that process may end before it is done */
        return false;
    }
    if (strcmp(answer, "nothing") == 0)
        ranking->step = N_STEPS;
    else if (strcmp(answer, "people") == 0)
        ranking->step = STEP_PEOPLE;
    else if (strcmp(answer, "column") == 0)
        ranking->step = STEP_COLUMN;
    else
        ++ranking->step;
    return true;
}

static void on_ranking_step_answered(void *data, const struct pg_answer *answer)
{
    struct ranking *ranking = data;

    if (answer->outcome == PG_LOST)
        return; /* on_ranking_session_change follows */
    if (answer->outcome == PG_FAILED) {
        log_event(LOG_LEVEL_WARNING, "ranking-failed", "sqlstate=%s error=%s", answer->sqlstate,
                  LOG_QUOTED(answer->message));
        ranking->step = 0;
        go_on(ranking, RETRY_MS + jitter(RETRY_MS));
        return;
    }
    if (ranking->step != 0)
        ++ranking->step;
    else if (!choose_step(ranking, PQgetvalue(answer->result, 0, 0)))
        return;
    go_on(ranking, 0);
}

void ranking_close(struct ranking *ranking)
{
    if (ranking == NULL)
        return;
    session_close(ranking->session);
    timer_stop(&ranking->next);
    free(ranking);
}
