#include "render-svc/public/live.h"

#include "base/invariant.h"
#include "render-svc/count/render_metrics.h"
#include "render-svc/public/live_private.h"
#include "server/http/answer.h"
#include "server/http/connection.h"
#include "server/ops/log.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* The minimum time between two rounds, and the interval of the timer that starts them. */
#define ROUND_MS 500
#define PULSE_MS 100

/* A round takes at most 1/SHARE of the worker's time. */
#define SHARE 40

/* The subscribers of one slice, and the pause between slices. */
#define SLICE    50
#define SLICE_MS 1

/* An idle connection gets a comment: proxies close silent connections, and only a write shows that
 * the client has left. */
#define HEARTBEAT_MS 15000

/* The bytes that the kernel may hold for a subscriber that does not read. */
#define SEND_BUFFER_BYTES (64 * 1024)

static void on_slice(struct timer *timer);
static void send_newest(struct subscriber *subscriber);
static void on_text_written(h2o_generator_t *self, h2o_req_t *req);
static void on_heartbeat(struct timer *timer);
static void on_pulse(struct timer *timer);
static void on_stream_stopped(h2o_generator_t *self, h2o_req_t *req);
static void on_subscriber_disposed(void *data);

struct live *live_create(struct worker *worker, struct read_queue *reads,
                         const struct live_settings *settings)
{
    struct live *live = h2o_mem_alloc(sizeof(*live));
    int64_t share = settings->max_subscribers / worker->settings->workers;

    *live = (struct live){.worker = worker, .reads = reads, .settings = settings};
    live->max_subscribers = share > 0 || settings->max_subscribers == 0 ? share : 1;
    h2o_linklist_init_anchor(&live->views);
    h2o_linklist_init_anchor(&live->pending);
    timer_queue_init(&live->heartbeats, &worker->timers, HEARTBEAT_MS);
    return live;
}

/* --- a subscriber arrives --- */

static void limit_send_buffer(h2o_req_t *req)
{
    int bytes = SEND_BUFFER_BYTES, fd = h2o_socket_get_fd(connection_socket(req));

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* Sends to a subscriber that is not writing. */
static void send_text(struct subscriber *subscriber, const char *bytes, size_t len)
{
    h2o_iovec_t part = h2o_iovec_init(bytes, len);

    subscriber->is_writing = true;
    subscriber->writing_since_ms = monotonic_ms();
    timer_stop(&subscriber->heartbeat);
    timer_start(&subscriber->view->live->heartbeats, &subscriber->heartbeat, on_heartbeat);
    h2o_send(subscriber->req, &part, 1, H2O_SEND_STATE_IN_PROGRESS);
}

/* Returns the generation that a subscriber has when it reconnects, by its Last-Event-ID, or 0. */
static uint64_t known_generation(h2o_req_t *req, const struct live_view *view)
{
    h2o_iovec_t last = request_header(req, "last-event-id");
    struct live_id id;

    return last.base != NULL && live_id_read(last.base, last.len, &id) &&
                   id.epoch == view->id.epoch && id.generation <= view->id.generation
               ? id.generation
               : 0;
}

bool live_subscribe(struct live *live, h2o_req_t *req, const struct view *view)
{
    struct subscriber *subscriber;
    struct live_view *found;

    /* 1. Within the limits. */
    if (live->n_subscribers >= live->max_subscribers ||
        (found = live_view_find(live, view)) == NULL)
        return false;
    /* 2. Join the view. */
    subscriber = h2o_mem_alloc_shared(&req->pool, sizeof(*subscriber), on_subscriber_disposed);
    *subscriber = (struct subscriber){
        .generator = {on_text_written, on_stream_stopped}, .req = req, .view = found};
    subscriber->generation = known_generation(req, found);
    h2o_linklist_insert(&found->subscribers, &subscriber->link);
    ++live->n_subscribers;
    metric_add(&render_metrics_of(live->worker)->subscribers, 1);
    /* 3. Begin the answer. */
    limit_send_buffer(req);
    answer_header_named(req, "x-accel-buffering", "no");
    answer_stream(req, LIVE_TYPE, &subscriber->generator);
    send_text(subscriber, H2O_STRLIT("retry: 2000\n\n"));
    /* 4. Rounds run while there are subscribers. */
    if (!timer_is_waiting(&live->pulse))
        timer_start_after(&live->worker->timers, &live->pulse, PULSE_MS, on_pulse);
    return true;
}

/* --- sending --- */

uint64_t live_thread_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void live_queue(struct subscriber *subscriber)
{
    struct live *live = subscriber->view->live;

    if (subscriber->is_writing || h2o_linklist_is_linked(&subscriber->pending))
        return;
    h2o_linklist_insert(&live->pending, &subscriber->pending);
    if (!timer_is_waiting(&live->slice))
        timer_start_after(&live->worker->timers, &live->slice, SLICE_MS, on_slice);
}

static void on_slice(struct timer *timer)
{
    struct live *live = H2O_STRUCT_FROM_MEMBER(struct live, slice, timer);
    uint64_t since_us = live_thread_us();

    for (int i = 0; i < SLICE && !h2o_linklist_is_empty(&live->pending); ++i) {
        struct subscriber *subscriber =
            H2O_STRUCT_FROM_MEMBER(struct subscriber, pending, live->pending.next);
        assert(h2o_linklist_is_linked(&subscriber->pending)); /* for clang-tidy */
        h2o_linklist_unlink(&subscriber->pending);
        send_newest(subscriber);
    }
    live->spent_us += live_thread_us() - since_us;
    if (!h2o_linklist_is_empty(&live->pending))
        timer_start_after(&live->worker->timers, &live->slice, SLICE_MS, on_slice);
}

/* Sends the newest rows, or the end of the stream if the service stops. */
static void send_newest(struct subscriber *subscriber)
{
    struct live_view *view = subscriber->view;

    INVARIANT(!subscriber->is_writing && subscriber->text == NULL);
    if (view->live->is_ending) {
        subscriber->is_writing = true;
        subscriber->req->http1_is_persistent = 0; /* it must reconnect to another replica */
        h2o_send(subscriber->req, NULL, 0, H2O_SEND_STATE_FINAL);
        return;
    }
    subscriber->text = live_view_text(view, subscriber->generation);
    h2o_mem_addref_shared(subscriber->text);
    subscriber->generation = view->id.generation;
    send_text(subscriber, subscriber->text->bytes, subscriber->text->len);
}

static void on_text_written(h2o_generator_t *self, h2o_req_t *req)
{
    struct subscriber *subscriber = (struct subscriber *)self;

    (void)req;
    INVARIANT(subscriber->is_writing);
    subscriber->is_writing = false;
    live_text_release(&subscriber->text);
    if (subscriber->generation != subscriber->view->id.generation ||
        subscriber->view->live->is_ending)
        live_queue(subscriber);
}

/* Sends a comment on an idle connection. Resets a connection that received nothing for idle_ms. */
static void on_heartbeat(struct timer *timer)
{
    struct subscriber *subscriber = H2O_STRUCT_FROM_MEMBER(struct subscriber, heartbeat, timer);
    struct live *live = subscriber->view->live;

    if (!subscriber->is_writing && !h2o_linklist_is_linked(&subscriber->pending)) {
        send_text(subscriber, H2O_STRLIT(":\n\n"));
        return;
    }
    if (subscriber->is_writing &&
        monotonic_ms() - subscriber->writing_since_ms >= (uint64_t)live->worker->settings->idle_ms)
        connection_cut(subscriber->req);
    timer_start(&live->heartbeats, &subscriber->heartbeat, on_heartbeat);
}

/* --- rounds --- */

/* Ends all streams when the service stops, and resets the connections that are still writing. */
static void end_all(struct live *live)
{
    live->is_ending = true;
    for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next) {
        struct live_view *view = live_view_of(link);
        for (h2o_linklist_t *at = view->subscribers.next; at != &view->subscribers; at = at->next) {
            struct subscriber *subscriber = subscriber_of(at);
            if (subscriber->is_writing)
                connection_cut(subscriber->req);
            else
                live_queue(subscriber);
        }
    }
}

static bool is_round_due(struct live *live)
{
    uint64_t pause_ms = live->spent_us * SHARE / 1000;

    for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next)
        if (live_view_of(link)->is_reading)
            return false;
    return h2o_linklist_is_empty(&live->pending) &&
           monotonic_ms() - live->round_at_ms >= (pause_ms > ROUND_MS ? pause_ms : ROUND_MS);
}

/* Resets the connections that have been writing for longer than OUTPUT_LINGER_MS, when the output
 * budget is short (server/http/output_budget.h). */
static void cut_slow(struct live *live)
{
    uint64_t now_ms = monotonic_ms();
    size_t cut = 0;

    for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next) {
        struct live_view *view = live_view_of(link);
        for (h2o_linklist_t *at = view->subscribers.next; at != &view->subscribers; at = at->next) {
            struct subscriber *subscriber = subscriber_of(at);
            if (!subscriber->is_writing || now_ms - subscriber->writing_since_ms < OUTPUT_LINGER_MS)
                continue;
            connection_cut(subscriber->req);
            ++cut;
        }
    }
    if (cut != 0)
        log_event(LOG_LEVEL_WARNING, "watchers-cut", "watchers=%zu", cut);
}

static void on_pulse(struct timer *timer)
{
    struct live *live = H2O_STRUCT_FROM_MEMBER(struct live, pulse, timer);

    if (live->n_subscribers == 0)
        return; /* the next subscriber starts the timer again */
    if (output_budget_is_short(live->worker->budget))
        cut_slow(live);
    if (live->worker->context.shutdown_requested) {
        if (!live->is_ending)
            end_all(live);
    } else if (is_round_due(live)) {
        live->round_at_ms = monotonic_ms();
        live->spent_us = 0;
        for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next)
            live_view_read(live_view_of(link));
    }
    timer_start_after(&live->worker->timers, &live->pulse, PULSE_MS, on_pulse);
}

/* --- a subscriber leaves --- */

/* The connection has ended. libh2o frees the request next, which runs on_subscriber_disposed. */
static void on_stream_stopped(h2o_generator_t *self, h2o_req_t *req)
{
    (void)self;
    (void)req;
}

static void on_subscriber_disposed(void *data)
{
    struct subscriber *subscriber = data;
    struct live_view *view = subscriber->view;

    INVARIANT(view->live->n_subscribers > 0);
    timer_stop(&subscriber->heartbeat);
    live_text_release(&subscriber->text);
    if (h2o_linklist_is_linked(&subscriber->pending))
        h2o_linklist_unlink(&subscriber->pending);
    h2o_linklist_unlink(&subscriber->link);
    --view->live->n_subscribers;
    metric_subtract(&render_metrics_of(view->live->worker)->subscribers, 1);
    if (h2o_linklist_is_empty(&view->subscribers))
        live_view_free(view);
}

void live_destroy(struct live *live)
{
    if (live == NULL)
        return;
    while (!h2o_linklist_is_empty(&live->views))
        live_view_free(live_view_of(live->views.next));
    timer_stop(&live->pulse);
    timer_stop(&live->slice);
    timer_queue_fini(&live->heartbeats);
    free(live);
}
