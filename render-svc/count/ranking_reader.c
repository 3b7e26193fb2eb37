#include "render-svc/count/ranking_reader.h"

#include "base/invariant.h"
#include "proto/api.h"
#include "server/ops/log.h"

#include <stdlib.h>

#define MAX_IN_FLIGHT 2
#define PAUSE_MS      50

static const struct http_request REQUEST = {.method = "GET", .target = API_PATHS RANKING_QUERY};

/* A read in flight; `call` is NULL if there is none. */
struct ranking_read {
    struct ranking_reader *reader;
    struct counter_call *call;
    h2o_linklist_t waits; /* that it serves */
};

struct ranking_reader {
    struct worker *worker;
    struct counter_client *client;
    h2o_linklist_t waits; /* that the next read serves */
    struct deferred deferred;
    struct timer pause;
    struct ranking_read reads[MAX_IN_FLIGHT];
};

static void send_read(struct deferred *deferred);
static bool on_ranking(void *data, const struct http_answer *answer);
static void serve(struct ranking_read *read, const struct rows *rows);
static void retry(struct ranking_read *read);
static void on_ranking_pause_over(struct timer *timer);

struct ranking_reader *ranking_reader_create(struct worker *worker, struct counter_client *client)
{
    struct ranking_reader *reader = h2o_mem_alloc(sizeof(*reader));

    *reader = (struct ranking_reader){.worker = worker, .client = client};
    h2o_linklist_init_anchor(&reader->waits);
    for (size_t i = 0; i < MAX_IN_FLIGHT; ++i) {
        reader->reads[i].reader = reader;
        h2o_linklist_init_anchor(&reader->reads[i].waits);
    }
    return reader;
}

void ranking_wait_start(struct ranking_reader *reader, struct ranking_wait *wait,
                        ranking_callback callback)
{
    INVARIANT(!h2o_linklist_is_linked(&wait->_link));
    wait->_callback = callback;
    h2o_linklist_insert(&reader->waits, &wait->_link);
    worker_defer(reader->worker, &reader->deferred, send_read);
}

/* Sends one read for all requests that wait, unless two are in flight or the reader pauses. */
static void send_read(struct deferred *deferred)
{
    struct ranking_reader *reader =
        H2O_STRUCT_FROM_MEMBER(struct ranking_reader, deferred, deferred);

    if (h2o_linklist_is_empty(&reader->waits) || timer_is_waiting(&reader->pause))
        return;
    for (size_t i = 0; i < MAX_IN_FLIGHT; ++i) {
        struct ranking_read *read = &reader->reads[i];
        if (read->call != NULL)
            continue;
        INVARIANT(h2o_linklist_is_empty(&read->waits));
        h2o_linklist_insert_list(&read->waits, &reader->waits);
        read->call = counter_call(reader->client, &REQUEST, on_ranking, read);
        return;
    }
}

static bool on_ranking(void *data, const struct http_answer *answer)
{
    struct ranking_read *read = data;
    struct ranking_reader *reader = read->reader;
    bool answered = answer->outcome == HTTP_ANSWERED && answer->status == 200;
    bool is_accepted = answer->outcome == HTTP_ANSWERED && answer->status >= 400;
    const char *error = answer->reason;
    struct rows rows;

    INVARIANT(read->call != NULL);
    read->call = NULL;
    if (answered && rows_decode(answer->body, answer->len, answer->encoding, &rows, &error) == 0) {
        is_accepted = true;
        serve(read, &rows);
        rows_free(&rows);
    } else {
        log_event(LOG_LEVEL_DEBUG, "rows-unanswered", "status=%d reason=%s", answer->status,
                  LOG_QUOTED(error != NULL ? error : "the status"));
        retry(read);
    }
    worker_defer(reader->worker, &reader->deferred, send_read);
    return is_accepted;
}

static void serve(struct ranking_read *read, const struct rows *rows)
{
    struct shared_rows shared = {.rows = rows};

    while (!h2o_linklist_is_empty(&read->waits)) {
        struct ranking_wait *wait =
            H2O_STRUCT_FROM_MEMBER(struct ranking_wait, _link, read->waits.next);
        h2o_linklist_unlink(&wait->_link);
        wait->_callback(wait, &shared);
    }
    shared_rows_fini(&shared);
}

/* Puts the requests of a failed read back in front of the others, and starts a pause. */
static void retry(struct ranking_read *read)
{
    struct ranking_reader *reader = read->reader;

    h2o_linklist_insert_list(reader->waits.next, &read->waits);
    if (!timer_is_waiting(&reader->pause))
        timer_start_after(&reader->worker->timers, &reader->pause, PAUSE_MS + jitter(PAUSE_MS),
                          on_ranking_pause_over);
}

static void on_ranking_pause_over(struct timer *timer)
{
    struct ranking_reader *reader = H2O_STRUCT_FROM_MEMBER(struct ranking_reader, pause, timer);

    worker_defer(reader->worker, &reader->deferred, send_read);
}

void ranking_reader_destroy(struct ranking_reader *reader)
{
    if (reader == NULL)
        return;
    for (size_t i = 0; i < MAX_IN_FLIGHT; ++i)
        if (reader->reads[i].call != NULL)
            counter_call_cancel(reader->reads[i].call);
    timer_stop(&reader->pause);
    deferred_cancel(&reader->deferred);
    free(reader);
}
