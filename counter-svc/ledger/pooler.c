#include "counter-svc/ledger/pooler.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_PROCESS "SELECT pg_backend_pid()"

/* Every open connection through a pooler whose process is known. */
static h2o_linklist_t pooled = {&pooled, &pooled};

static void on_process(void *data, const struct pg_answer *answer);
static void on_witness_connected(void *data);
static void on_witness_lost(void *data, const char *reason);
static void on_witness_process(void *data, const struct pg_answer *answer);
static void on_listening(void *data, const struct pg_answer *answer);
static void on_probe_notified(void *data, const struct pg_answer *answer);
static void on_unlistened(void *data, const struct pg_answer *answer);
static void on_check_deadline(struct timer *timer);

void pooler_check_start(struct pooler_check *check, struct worker *worker,
                        const struct postgres_url *url, uint64_t connect_timeout_ms,
                        uint64_t query_timeout_ms, struct pg *pg, pooler_callback callback,
                        void *data)
{
    pooler_check_stop(check);
    *check = (struct pooler_check){._worker = worker,
                                   ._url = url,
                                   ._connect_timeout_ms = connect_timeout_ms,
                                   ._query_timeout_ms = query_timeout_ms,
                                   ._pg = pg,
                                   ._callback = callback,
                                   ._data = data};
    pg_run_text(pg, REPORT_PROCESS, query_timeout_ms, on_process, check);
}

/* Returns the time for the witness's connection and first query. Each of its queries has the same
 * time, so that the deadline of the check, which began earlier, passes first. */
static uint64_t witness_timeout_ms(const struct pooler_check *check)
{
    return check->_connect_timeout_ms + check->_query_timeout_ms;
}

/* Ends the check. The process stays known. */
static void end(struct pooler_check *check)
{
    timer_stop(&check->_deadline);
    pg_close(check->_witness);
    check->_witness = NULL;
}

/* Ends the check with its result. The check must not be used afterwards. */
static void finish(struct pooler_check *check, const char *problem)
{
    end(check);
    check->_callback(check->_data, problem);
}

void pooler_check_stop(struct pooler_check *check)
{
    end(check);
    if (h2o_linklist_is_linked(&check->_link))
        h2o_linklist_unlink(&check->_link);
}

/* Refuses all connections through the pooler, because it shares processes. Those that have passed
 * the check, before the pooler was reconfigured, now have their settings in other processes. */
static void refuse_all(struct pooler_check *check)
{
    while (!h2o_linklist_is_empty(&pooled)) {
        struct pooler_check *other =
            H2O_STRUCT_FROM_MEMBER(struct pooler_check, _link, pooled.next);
        pooler_check_stop(other);
        if (other != check)
            other->_callback(other->_data, REASON_POOLED);
    }
    finish(check, REASON_POOLED);
}

/* Returns whether an answer can be read. The owner's on_lost follows PG_LOST. A refusal ends the
 * check. */
static bool has_answer(struct pooler_check *check, const struct pg_answer *answer)
{
    char reason[REASON_BYTES];

    if (answer->outcome == PG_DONE)
        return true;
    if (answer->outcome == PG_FAILED)
        finish(check, refusal_reason("A new connection could not be checked", answer->sqlstate,
                                     answer->message, reason));
    return false;
}

/* Returns the process in the last result of an answer, or 0. */
static int process_of(const struct pg_answer *answer)
{
    return PQntuples(answer->result) == 1 ? atoi(PQgetvalue(answer->result, 0, 0)) : 0;
}

/* Returns whether an open connection has reported this process. */
static bool is_known(int process)
{
    for (h2o_linklist_t *link = pooled.next; link != &pooled; link = link->next)
        if (H2O_STRUCT_FROM_MEMBER(struct pooler_check, _link, link)->_process == process)
            return true;
    return false;
}

/* --- 1: is there a pooler? --- */

static void on_process(void *data, const struct pg_answer *answer)
{
    struct pooler_check *check = data;

    if (!has_answer(check, answer))
        return;
    check->_process = process_of(answer);
    if (check->_process == pg_announced_process(check->_pg)) {
        finish(check, NULL);
        return;
    }
    if (is_known(check->_process)) {
        refuse_all(check);
        return;
    }
    h2o_linklist_insert(&pooled, &check->_link);
    check->_witness = pg_open(check->_worker, check->_url, check->_connect_timeout_ms,
                              &(struct pg_owner){.on_connected = on_witness_connected,
                                                 .on_lost = on_witness_lost,
                                                 .data = check});
    pg_follow(check->_witness, pg_host(check->_pg));
    timer_start_after(&check->_worker->timers, &check->_deadline, witness_timeout_ms(check),
                      on_check_deadline);
}

/* --- 2: do two connections share a process? --- */

static void on_witness_connected(void *data)
{
    struct pooler_check *check = data;

    pg_run_text(check->_witness, REPORT_PROCESS, witness_timeout_ms(check), on_witness_process,
                check);
}

static void on_witness_lost(void *data, const char *reason)
{
    struct pooler_check *check = data;
    char problem[REASON_BYTES];

    snprintf(problem, sizeof(problem), "A second connection through the pooler failed: %.400s",
             reason);
    finish(check, problem);
}

static void on_witness_process(void *data, const struct pg_answer *answer)
{
    struct pooler_check *check = data;
    char sql[128];

    if (!has_answer(check, answer))
        return;
    if (is_known(process_of(answer))) {
        refuse_all(check);
        return;
    }
    snprintf(check->_channel, sizeof(check->_channel), "pathcount_%016llx",
             (unsigned long long)random_bits());
    snprintf(sql, sizeof(sql), "LISTEN %s;" REPORT_PROCESS, check->_channel);
    pg_run_text(check->_pg, sql, check->_query_timeout_ms, on_listening, check);
}

/* --- 3: does a notification find its connection? --- */

static void on_listening(void *data, const struct pg_answer *answer)
{
    struct pooler_check *check = data;
    char sql[128];

    if (!has_answer(check, answer))
        return;
    if (process_of(answer) != check->_process) {
        refuse_all(check);
        return;
    }
    snprintf(sql, sizeof(sql), "NOTIFY %s", check->_channel);
    check->_is_notified = true;
    pg_run_text(check->_witness, sql, witness_timeout_ms(check), on_probe_notified, check);
}

static void on_probe_notified(void *data, const struct pg_answer *answer)
{
    struct pooler_check *check = data;

    if (!has_answer(check, answer))
        return;
    timer_stop(&check->_deadline);
    timer_start_after(&check->_worker->timers, &check->_deadline, check->_query_timeout_ms,
                      on_check_deadline);
}

void pooler_check_note(struct pooler_check *check, const char *channel)
{
    if (check->_witness == NULL || strcmp(channel, check->_channel) != 0)
        return;
    end(check);
    pg_run_text(check->_pg, "UNLISTEN *", check->_query_timeout_ms, on_unlistened, check);
}

static void on_unlistened(void *data, const struct pg_answer *answer)
{
    struct pooler_check *check = data;

    if (has_answer(check, answer))
        finish(check, NULL);
}

static void on_check_deadline(struct timer *timer)
{
    struct pooler_check *check = H2O_STRUCT_FROM_MEMBER(struct pooler_check, _deadline, timer);

    if (check->_is_notified)
        refuse_all(check);
    else
        finish(check, REASON_NO_CONNECTION_LEFT);
}
