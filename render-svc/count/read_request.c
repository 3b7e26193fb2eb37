#include "render-svc/count/read_request.h"

#include "base/invariant.h"
#include "render-svc/count/render_metrics.h"
#include "server/ops/log.h"

#include <stdlib.h>

#define MAX_IN_FLIGHT 8
#define PAUSE_MS      50 /* of all read requests, after one has failed */

struct read_queue {
    struct worker *worker;
    struct counter_client *client;
    h2o_linklist_t queue;   /* read requests to be sent */
    h2o_linklist_t refused; /* read requests that found the queue full */
    int64_t n_queued, max_waiting;
    size_t n_in_flight;
    struct timer_queue deadlines;
    struct timer pause;
    struct deferred deferred;
};

static void send_reads(struct deferred *deferred);
static bool on_read_answered(void *data, const struct http_answer *answer);
static void on_read_deadline(struct timer *timer);
static void on_read_pause_over(struct timer *timer);

struct read_queue *read_queue_create(struct worker *worker, struct counter_client *client,
                                     int64_t deadline_ms, int64_t max_waiting)
{
    struct read_queue *reads = h2o_mem_alloc(sizeof(*reads));

    *reads = (struct read_queue){.worker = worker, .client = client, .max_waiting = max_waiting};
    h2o_linklist_init_anchor(&reads->queue);
    h2o_linklist_init_anchor(&reads->refused);
    timer_queue_init(&reads->deadlines, &worker->timers, (uint64_t)deadline_ms);
    return reads;
}

/* Runs send_reads at the end of the turn. */
static void schedule(struct read_queue *reads)
{
    worker_defer(reads->worker, &reads->deferred, send_reads);
}

static void enqueue(struct read_request *read, h2o_linklist_t *before)
{
    h2o_linklist_insert(before, &read->_link);
    read->_is_queued = true;
    ++read->_queue->n_queued;
    schedule(read->_queue);
}

static void dequeue(struct read_request *read)
{
    INVARIANT(read->_is_queued && read->_queue->n_queued > 0);
    h2o_linklist_unlink(&read->_link);
    read->_is_queued = false;
    --read->_queue->n_queued;
}

void read_request_start(struct read_queue *reads, struct read_request *read,
                        const struct buffer *target, const struct trace *trace,
                        read_callback callback)
{
    INVARIANT(read->_target == NULL);
    *read = (struct read_request){._queue = reads, ._callback = callback};
    metric_add(&render_metrics_of(reads->worker)->reads_waiting, 1);
    read->_target = h2o_mem_alloc(target->len + 1);
    memcpy(read->_target, target->bytes, target->len);
    read->_target[target->len] = '\0';
    if (trace != NULL)
        read->_trace = *trace;
    else
        trace_begin(&read->_trace);
    if (reads->n_queued >= reads->max_waiting) {
        h2o_linklist_insert(&reads->refused, &read->_link);
        schedule(reads);
    } else {
        timer_start(&reads->deadlines, &read->_deadline, on_read_deadline);
        enqueue(read, &reads->queue);
    }
}

static struct read_request *read_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct read_request, _link, link);
}

/* Ends a read request. The callback may free it. Returns whether the answer is accepted. */
static bool end_read(struct read_request *read, const struct http_answer *answer)
{
    read_request_cancel(read);
    return read->_callback(read, answer);
}

/* Ends the refused read requests, and sends queued ones up to the limit. */
static void send_reads(struct deferred *deferred)
{
    struct read_queue *reads = H2O_STRUCT_FROM_MEMBER(struct read_queue, deferred, deferred);

    while (!h2o_linklist_is_empty(&reads->refused))
        end_read(read_of(reads->refused.next), NULL);
    while (!h2o_linklist_is_empty(&reads->queue) && reads->n_in_flight < MAX_IN_FLIGHT &&
           !timer_is_waiting(&reads->pause)) {
        struct read_request *read = read_of(reads->queue.next);
        struct http_request request = {
            .method = "GET", .target = read->_target, .trace = &read->_trace};
        INVARIANT(read->_call == NULL);
        dequeue(read);
        ++reads->n_in_flight;
        read->_call = counter_call(reads->client, &request, on_read_answered, read);
    }
}

static bool is_final(const struct http_answer *answer)
{
    return answer->outcome == HTTP_ANSWERED && (answer->status == 200 || answer->status == 400 ||
                                                answer->status == 404 || answer->status == 414);
}

static bool on_read_answered(void *data, const struct http_answer *answer)
{
    struct read_request *read = data;
    struct read_queue *reads = read->_queue;

    INVARIANT(read->_call != NULL && reads->n_in_flight > 0);
    read->_call = NULL;
    --reads->n_in_flight;
    schedule(reads);
    if (is_final(answer))
        return end_read(read, answer);
    log_event(LOG_LEVEL_DEBUG, "read-unanswered", "status=%d reason=%s trace=%s", answer->status,
              LOG_QUOTED(answer->reason != NULL ? answer->reason : "the status"), read->_trace.id);
    enqueue(read, reads->queue.next);
    if (!timer_is_waiting(&reads->pause))
        timer_start_after(&reads->worker->timers, &reads->pause, PAUSE_MS + jitter(PAUSE_MS),
                          on_read_pause_over);
    return answer->outcome == HTTP_ANSWERED && answer->status >= 400;
}

static void on_read_deadline(struct timer *timer)
{
    end_read(H2O_STRUCT_FROM_MEMBER(struct read_request, _deadline, timer), NULL);
}

static void on_read_pause_over(struct timer *timer)
{
    schedule(H2O_STRUCT_FROM_MEMBER(struct read_queue, pause, timer));
}

void read_request_cancel(struct read_request *read)
{
    if (read->_target == NULL)
        return;
    if (read->_call != NULL) {
        INVARIANT(read->_queue->n_in_flight > 0);
        counter_call_cancel(read->_call);
        --read->_queue->n_in_flight;
        schedule(read->_queue);
    }
    if (read->_is_queued)
        dequeue(read);
    else if (h2o_linklist_is_linked(&read->_link))
        h2o_linklist_unlink(&read->_link); /* refused */
    timer_stop(&read->_deadline);
    metric_subtract(&render_metrics_of(read->_queue->worker)->reads_waiting, 1);
    free(read->_target);
    read->_call = NULL;
    read->_target = NULL;
}

void read_queue_destroy(struct read_queue *reads)
{
    if (reads == NULL)
        return;
    timer_stop(&reads->pause);
    deferred_cancel(&reads->deferred);
    timer_queue_fini(&reads->deadlines);
    free(reads);
}
