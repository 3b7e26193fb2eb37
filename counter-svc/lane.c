#include "counter-svc/pg_array.h"
#include "counter-svc/writer_private.h"
#include "service/log.h"

#include <stdlib.h>
#include <sys/random.h>

/* How often silent lanes are looked for, at the least. */
#define FORGET_EVERY_MS ((int64_t)10 * 60 * 1000)

static void send_request(struct write_session *session);
static void on_new_lane(void *data, const struct pg_answer *answer);
static void on_forget_due(struct timer *timer);
static void send_forget(struct write_session *session);
static void on_forgotten(void *data, const struct pg_answer *answer);

struct lane_request *writer_new_lane(struct writer *writer, const struct trace *trace,
                                     lane_callback callback, void *data)
{
    struct lane_request *request = h2o_mem_alloc(sizeof(*request));

    *request = (struct lane_request){.trace = *trace, .callback = callback, .data = data};
    h2o_linklist_insert(&writer->requests, &request->link);
    writer_kick(writer);
    return request;
}

void lane_request_abandon(struct lane_request *request)
{
    request->callback = NULL;
    if (!h2o_linklist_is_linked(&request->link))
        return; /* it is at PostgreSQL: the lane will be forgotten in a day */
    h2o_linklist_unlink(&request->link);
    free(request);
}

bool lanes_send(struct write_session *session)
{
    if (!h2o_linklist_is_empty(&session->writer->requests))
        send_request(session);
    else if (session->writer->forget_due)
        send_forget(session);
    else
        return false;
    return true;
}

/* Lanes are drawn by lot: a counter in the ledger could come again after a backup was restored, and
 * then two renderers would share a lane, each taking the other's batches for its own. */
static int64_t draw_lane(void)
{
    uint64_t random = 0;

    while (getrandom(&random, sizeof(random), 0) != sizeof(random) ||
           (random &= (uint64_t)LANE_MAX - 1) == 0)
        ;
    return (int64_t)random;
}

static void send_request(struct write_session *session)
{
    struct lane_request *request =
        H2O_STRUCT_FROM_MEMBER(struct lane_request, link, session->writer->requests.next);
    struct buffer lane = {0};

    h2o_linklist_unlink(&request->link);
    request->lane = draw_lane();
    pg_add_int8(&lane, request->lane);
    session->request = request;
    session->busy = true;
    session_run(session->session, STATEMENT_NEW_LANE, &(struct pg_parameter){lane.bytes, lane.len},
                1, on_new_lane, session);
    buffer_free(&lane);
}

static void on_new_lane(void *data, const struct pg_answer *answer)
{
    struct write_session *session = data;
    struct lane_request *request = session->request;
    bool made = answer->outcome == PG_DONE && !answer->warned && PQntuples(answer->result) == 1;

    if (answer->outcome == PG_FAILED)
        log_event(LOG_LEVEL_ERROR, "lane-failed", "sqlstate=%s error=%s trace=%s", answer->sqlstate,
                  LOG_QUOTED(PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY)),
                  request->trace.id);
    if (made)
        metric_add(&session->writer->metrics->lanes_opened, 1);
    writer_kick(session->writer);
    session->busy = false;
    session->request = NULL;
    if (request->callback != NULL)
        request->callback(request->data, made ? WRITE_APPLIED : WRITE_UNAVAILABLE,
                          made ? request->lane : 0);
    free(request);
}

void lanes_drop_requests(struct writer *writer)
{
    while (!h2o_linklist_is_empty(&writer->requests)) {
        struct lane_request *request =
            H2O_STRUCT_FROM_MEMBER(struct lane_request, link, writer->requests.next);
        h2o_linklist_unlink(&request->link);
        if (request->callback != NULL)
            request->callback(request->data, WRITE_UNAVAILABLE, 0);
        free(request);
    }
}

/* --- forgetting --- */

static uint64_t forget_every_ms(const struct writer *writer)
{
    int64_t half_ms = writer->settings->forget_s * 500;

    return (uint64_t)(half_ms < FORGET_EVERY_MS ? half_ms : FORGET_EVERY_MS);
}

void lanes_start_forgetting(struct writer *writer)
{
    timer_start_after(&writer->worker->timers, &writer->forget, jitter(forget_every_ms(writer)),
                      on_forget_due);
}

static void on_forget_due(struct timer *timer)
{
    struct writer *writer = H2O_STRUCT_FROM_MEMBER(struct writer, forget, timer);

    writer->forget_due = true;
    timer_start_after(&writer->worker->timers, &writer->forget, forget_every_ms(writer),
                      on_forget_due);
    writer_kick(writer);
}

static void send_forget(struct write_session *session)
{
    struct buffer forget_s = {0};

    pg_add_int8(&forget_s, session->writer->settings->forget_s);
    session->writer->forget_due = false;
    session->busy = true;
    session_run(session->session, STATEMENT_FORGET_LANES,
                &(struct pg_parameter){forget_s.bytes, forget_s.len}, 1, on_forgotten, session);
    buffer_free(&forget_s);
}

static void on_forgotten(void *data, const struct pg_answer *answer)
{
    struct write_session *session = data;

    if (answer->outcome == PG_FAILED)
        log_event(LOG_LEVEL_WARNING, "forget-failed", "sqlstate=%s", answer->sqlstate);
    session->busy = false;
    writer_kick(session->writer);
}
