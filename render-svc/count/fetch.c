#include "render-svc/count/fetch.h"

#include "render-svc/count/render_metrics.h"
#include "server/ops/log.h"

#include <stdlib.h>

/* How many are away at a time, and how long all pause after one that failed. */
#define MAX_AWAY 8
#define PAUSE_MS 50

struct fetcher {
    struct worker *worker;
    struct counter_client *client;
    h2o_linklist_t queue; /* what waits to be sent */
    int64_t n_queued, max_waiting;
    size_t n_away;
    struct timer_queue deadlines;
    struct timer pause;
    struct deferred deferred;
};

static void on_deferred(struct deferred *deferred);
static void on_overdue(struct timer *timer);
static bool on_answer(void *data, const struct http_answer *answer);
static void on_pause_over(struct timer *timer);

struct fetcher *fetcher_create(struct worker *worker, struct counter_client *client,
                               int64_t deadline_ms, int64_t max_waiting)
{
    struct fetcher *fetcher = h2o_mem_alloc(sizeof(*fetcher));

    *fetcher = (struct fetcher){.worker = worker, .client = client, .max_waiting = max_waiting};
    h2o_linklist_init_anchor(&fetcher->queue);
    timer_queue_init(&fetcher->deadlines, &worker->timers, (uint64_t)deadline_ms);
    return fetcher;
}

static void kick(struct fetcher *fetcher)
{
    worker_defer(fetcher->worker, &fetcher->deferred, on_deferred);
}

static void enqueue(struct fetch *fetch, h2o_linklist_t *before)
{
    h2o_linklist_insert(before, &fetch->_link);
    ++fetch->_fetcher->n_queued;
    kick(fetch->_fetcher);
}

static void dequeue(struct fetch *fetch)
{
    h2o_linklist_unlink(&fetch->_link);
    --fetch->_fetcher->n_queued;
}

void fetch_start(struct fetcher *fetcher, struct fetch *fetch, const struct buffer *target,
                 const struct trace *trace, fetch_callback callback)
{
    *fetch = (struct fetch){._fetcher = fetcher, ._callback = callback};
    metric_add(&render_metrics_of(fetcher->worker)->reads_waiting, 1);
    fetch->_target = h2o_mem_alloc(target->len + 1);
    memcpy(fetch->_target, target->bytes, target->len);
    fetch->_target[target->len] = '\0';
    if (trace != NULL)
        fetch->_trace = *trace;
    else
        trace_begin(&fetch->_trace);
    if (fetcher->n_queued >= fetcher->max_waiting)
        fetch->_overdue = true; /* answered at the end of the turn */
    else
        timer_start(&fetcher->deadlines, &fetch->_deadline, on_overdue);
    enqueue(fetch, &fetcher->queue);
}

/* The end: what the callback answers with may be the end of the fetch's memory, too. */
static bool finish(struct fetch *fetch, const struct http_answer *answer)
{
    fetch_cancel(fetch);
    return fetch->_callback(fetch, answer);
}

static void on_overdue(struct timer *timer)
{
    finish(H2O_STRUCT_FROM_MEMBER(struct fetch, _deadline, timer), NULL);
}

static struct fetch *fetch_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct fetch, _link, link);
}

/* Answers those that were too many, which are the last. */
static void drop_overdue(struct fetcher *fetcher)
{
    while (!h2o_linklist_is_empty(&fetcher->queue) && fetch_of(fetcher->queue.prev)->_overdue)
        finish(fetch_of(fetcher->queue.prev), NULL);
}

static void on_deferred(struct deferred *deferred)
{
    struct fetcher *fetcher = H2O_STRUCT_FROM_MEMBER(struct fetcher, deferred, deferred);

    drop_overdue(fetcher);
    while (!h2o_linklist_is_empty(&fetcher->queue) && fetcher->n_away < MAX_AWAY &&
           !timer_is_waiting(&fetcher->pause)) {
        struct fetch *fetch = fetch_of(fetcher->queue.next);
        dequeue(fetch);
        ++fetcher->n_away;
        fetch->_call =
            counter_call(fetcher->client,
                         &(struct http_request){
                             .method = "GET", .target = fetch->_target, .trace = &fetch->_trace},
                         on_answer, fetch);
    }
}

static bool is_final(const struct http_answer *answer)
{
    return answer->outcome == HTTP_ANSWERED && (answer->status == 200 || answer->status == 400 ||
                                                answer->status == 404 || answer->status == 414);
}

static bool on_answer(void *data, const struct http_answer *answer)
{
    struct fetch *fetch = data;
    struct fetcher *fetcher = fetch->_fetcher;

    fetch->_call = NULL;
    --fetcher->n_away;
    kick(fetcher);
    if (is_final(answer))
        return finish(fetch, answer);
    log_event(LOG_LEVEL_DEBUG, "read-unanswered", "status=%d reason=%s trace=%s", answer->status,
              LOG_QUOTED(answer->reason != NULL ? answer->reason : "the status"), fetch->_trace.id);
    enqueue(fetch, fetcher->queue.next);
    if (!timer_is_waiting(&fetcher->pause))
        timer_start_after(&fetcher->worker->timers, &fetcher->pause, PAUSE_MS + jitter(PAUSE_MS),
                          on_pause_over);
    return answer->outcome == HTTP_ANSWERED && answer->status >= 400;
}

static void on_pause_over(struct timer *timer)
{
    kick(H2O_STRUCT_FROM_MEMBER(struct fetcher, pause, timer));
}

void fetch_cancel(struct fetch *fetch)
{
    if (fetch->_call != NULL) {
        counter_call_cancel(fetch->_call);
        --fetch->_fetcher->n_away;
        kick(fetch->_fetcher);
    }
    if (h2o_linklist_is_linked(&fetch->_link))
        dequeue(fetch);
    timer_stop(&fetch->_deadline);
    if (fetch->_target != NULL)
        metric_subtract(&render_metrics_of(fetch->_fetcher->worker)->reads_waiting, 1);
    free(fetch->_target);
    fetch->_call = NULL;
    fetch->_target = NULL;
}

void fetcher_destroy(struct fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    timer_stop(&fetcher->pause);
    deferred_cancel(&fetcher->deferred);
    timer_queue_fini(&fetcher->deadlines);
    free(fetcher);
}
