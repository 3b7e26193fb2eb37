#include "render-svc/public/live.h"

#include "render-svc/count/render_metrics.h"
#include "render-svc/html/link.h"
#include "render-svc/html/live_text.h"
#include "render-svc/public/query.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/reserved.h"
#include "server/http/answer.h"
#include "server/http/connection.h"
#include "server/ops/log.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define TYPE_EVENTS "text/event-stream"

/* The least time between two rounds, and how often it is looked whether there is something to do. */
#define ROUND_MS 500
#define PULSE_MS 100

/* A round takes at most one part in so many of the worker's time. */
#define SHARE 40

/* How many are told before others have their turn, and how long that is. */
#define SLICE    50
#define SLICE_MS 1

/* A connection on which nothing happens gets a comment: proxies forget silent ones, and only by
 * writing is it noticed that somebody has left. */
#define HEARTBEAT_MS 15000

/* What the kernel may hold for one that does not read. */
#define SEND_BUFFER_BYTES (64 * 1024)

/* A text that is told to many; shared by reference (h2o_mem_alloc_shared). */
struct live_text {
    struct output_share shared;
    size_t len;
    char bytes[];
};

/* A view that somebody watches. */
struct watched {
    h2o_linklist_t link; /* in the worker's list */
    struct live *live;
    struct view view;
    h2o_linklist_t watchers;
    struct read_request read;
    bool reading;
    struct live_id id; /* of the rows; generation 0: there are none yet */
    struct rows rows;
    struct live_text *change;   /* from the generation before; NULL: none */
    struct live_text *snapshot; /* made when it is wanted */
};

/* Somebody who watches; in the request's pool. */
struct watcher {
    h2o_generator_t generator; /* first: what libh2o hands back is this */
    h2o_req_t *req;
    struct watched *watched;
    h2o_linklist_t link;    /* among the watchers of its view */
    h2o_linklist_t pending; /* among those that are to be told something */
    uint64_t generation;    /* what it knows */
    bool writing;
    uint64_t writing_since_ms;
    struct live_text *text; /* that is being written */
    struct timer heartbeat;
};

struct live {
    struct worker *worker;
    struct read_queue *reads;
    const struct live_settings *settings;
    h2o_linklist_t views;
    h2o_linklist_t pending;
    int64_t n_views, n_watchers, max_watchers;
    struct timer pulse, slice;
    struct timer_queue heartbeats;
    uint64_t round_at_ms;
    uint64_t spent_us; /* since the round began */
    bool ending;
};

static struct watched *find_view(struct live *live, const struct view *view);
static void read_rows(struct watched *watched);
static bool on_rows(struct read_request *read, const struct http_answer *answer);
static void queue(struct watcher *watcher);
static void on_slice(struct timer *timer);
static void tell(struct watcher *watcher);
static void on_written(h2o_generator_t *self, h2o_req_t *req);
static void on_heartbeat(struct timer *timer);
static void on_pulse(struct timer *timer);
static void on_stop(h2o_generator_t *self, h2o_req_t *req);
static void on_gone(void *data);
static void forget_view(struct watched *watched);

struct live *live_create(struct worker *worker, struct read_queue *reads,
                         const struct live_settings *settings)
{
    struct live *live = h2o_mem_alloc(sizeof(*live));
    int64_t share = settings->max_watchers / worker->settings->workers;

    *live = (struct live){.worker = worker, .reads = reads, .settings = settings};
    live->max_watchers = share > 0 || settings->max_watchers == 0 ? share : 1;
    h2o_linklist_init_anchor(&live->views);
    h2o_linklist_init_anchor(&live->pending);
    timer_queue_init(&live->heartbeats, &worker->timers, HEARTBEAT_MS);
    return live;
}

/* --- somebody comes --- */

/* A watcher of a service that is about to stop comes back soon, to another. */
static void send_away(h2o_req_t *req)
{
    answer_copy(req, 200, TYPE_EVENTS, H2O_STRLIT("retry: 1000\n\n"));
}

static void limit_buffer(h2o_req_t *req)
{
    int bytes = SEND_BUFFER_BYTES,
        fd = h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn));

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void send_text(struct watcher *watcher, const char *bytes, size_t len)
{
    h2o_iovec_t part = h2o_iovec_init(bytes, len);

    watcher->writing = true;
    watcher->writing_since_ms = monotonic_ms();
    timer_stop(&watcher->heartbeat);
    timer_start(&watcher->watched->live->heartbeats, &watcher->heartbeat, on_heartbeat);
    h2o_send(watcher->req, &part, 1, H2O_SEND_STATE_IN_PROGRESS);
}

/* What it knows already, if it has been here before. */
static uint64_t known_generation(h2o_req_t *req, const struct watched *watched)
{
    h2o_iovec_t last = request_header(req, "last-event-id");
    struct live_id id;

    return last.base != NULL && live_id_read(last.base, last.len, &id) &&
                   id.epoch == watched->id.epoch && id.generation <= watched->id.generation
               ? id.generation
               : 0;
}

static void watch(h2o_req_t *req, struct watched *watched)
{
    struct watcher *watcher = h2o_mem_alloc_shared(&req->pool, sizeof(*watcher), on_gone);

    *watcher = (struct watcher){.generator = {on_written, on_stop}, .req = req, .watched = watched};
    watcher->generation = known_generation(req, watched);
    h2o_linklist_insert(&watched->watchers, &watcher->link);
    ++watched->live->n_watchers;
    metric_add(&render_metrics_of(watched->live->worker)->watchers, 1);
    limit_buffer(req);
    answer_header_named(req, "x-accel-buffering", "no");
    answer_stream(req, TYPE_EVENTS, &watcher->generator);
    send_text(watcher, H2O_STRLIT("retry: 2000\n\n"));
    if (!timer_is_waiting(&watched->live->pulse))
        timer_start_after(&watched->live->worker->timers, &watched->live->pulse, PULSE_MS,
                          on_pulse);
}

void live_watch(const struct asked *asked)
{
    const struct render *render = worker_of(asked->req)->app;
    struct live *live = render->live;
    struct watched *watched;
    h2o_iovec_t rest;
    struct view view;
    const char *error =
        query_take(&asked->req->pool, asked->query, asked->query_len, NULL, 0, NULL, &rest);

    if (error == NULL)
        error = link_read_view(rest.base, rest.len, &render->config->path_rules, &view);
    if (error == NULL && (view.period != VIEW_ALL_TIME || view.without_bots))
        error = "All hits are followed: leave out \"period\" and \"bots\".";
    if (error != NULL) {
        reply_error(asked->req, 400, error, true);
    } else if (method_is(asked->req, "HEAD")) {
        answer_head(asked->req, 200, TYPE_EVENTS);
    } else if (live->worker->context.shutdown_requested) {
        send_away(asked->req);
    } else if (live->n_watchers >= live->max_watchers ||
               (watched = find_view(live, &view)) == NULL) {
        reply_unavailable(asked->req, "Too many subscribers.", true);
    } else {
        watch(asked->req, watched);
    }
}

/* --- views --- */

/* The view, which from now on is watched; NULL when there are too many. */
static struct watched *find_view(struct live *live, const struct view *view)
{
    struct watched *watched;

    for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next) {
        watched = H2O_STRUCT_FROM_MEMBER(struct watched, link, link);
        if (view_equals(&watched->view, view))
            return watched;
    }
    if (live->n_views >= live->settings->max_views)
        return NULL;
    watched = h2o_mem_alloc(sizeof(*watched));
    *watched = (struct watched){.live = live, .view = *view, .id = {jitter(UINT64_MAX), 0}};
    h2o_linklist_init_anchor(&watched->watchers);
    h2o_linklist_insert(&live->views, &watched->link);
    ++live->n_views;
    read_rows(watched);
    return watched;
}

static void read_rows(struct watched *watched)
{
    struct buffer target = {0};

    watched->reading = true;
    link_add_target(&target, &watched->view);
    read_request_start(watched->live->reads, &watched->read, &target, NULL, on_rows);
    buffer_free(&target);
}

static struct live_text *make_text(struct live *live, const struct buffer *buffer)
{
    struct live_text *text = output_budget_share(live->worker->budget, sizeof(*text) + buffer->len);

    text->len = buffer->len;
    memcpy(text->bytes, buffer->bytes, buffer->len);
    return text;
}

static void release(struct live_text **text)
{
    if (*text != NULL)
        h2o_mem_release_shared(*text);
    *text = NULL;
}

/* Microseconds of this thread's own time. */
static uint64_t thread_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Takes over the new rows; returns false when they are as before. */
static bool take_rows(struct watched *watched, struct rows *rows)
{
    struct live_id id = {watched->id.epoch, watched->id.generation + 1};
    struct buffer change = {0};

    if (watched->id.generation != 0 && !live_add_change(&change, &id, &watched->rows, rows)) {
        buffer_free(&change);
        rows_free(rows);
        return false;
    }
    release(&watched->change);
    release(&watched->snapshot);
    if (watched->id.generation != 0)
        watched->change = make_text(watched->live, &change);
    buffer_free(&change);
    rows_free(&watched->rows);
    watched->rows = *rows;
    watched->id = id;
    return true;
}

static bool on_rows(struct read_request *read, const struct http_answer *answer)
{
    struct watched *watched = H2O_STRUCT_FROM_MEMBER(struct watched, read, read);
    uint64_t since_us = thread_us();
    const char *error;
    struct rows rows;

    watched->reading = false;
    if (answer == NULL || answer->status != 200)
        return true; /* the next round is soon enough */
    if (rows_decode(answer->body, answer->len, answer->encoding, &rows, &error) != 0)
        return false;
    if (take_rows(watched, &rows))
        for (h2o_linklist_t *link = watched->watchers.next; link != &watched->watchers;
             link = link->next)
            queue(H2O_STRUCT_FROM_MEMBER(struct watcher, link, link));
    watched->live->spent_us += thread_us() - since_us;
    return true;
}

/* --- telling --- */

/* Lets it be told what is new, which there must be, unless it is still taking what it was told: then
 * it is asked again. */
static void queue(struct watcher *watcher)
{
    struct live *live = watcher->watched->live;

    if (watcher->writing || h2o_linklist_is_linked(&watcher->pending))
        return;
    h2o_linklist_insert(&live->pending, &watcher->pending);
    if (!timer_is_waiting(&live->slice))
        timer_start_after(&live->worker->timers, &live->slice, SLICE_MS, on_slice);
}

static void on_slice(struct timer *timer)
{
    struct live *live = H2O_STRUCT_FROM_MEMBER(struct live, slice, timer);
    uint64_t since_us = thread_us();

    for (int i = 0; i < SLICE && !h2o_linklist_is_empty(&live->pending); ++i) {
        struct watcher *watcher =
            H2O_STRUCT_FROM_MEMBER(struct watcher, pending, live->pending.next);
        assert(h2o_linklist_is_linked(&watcher->pending)); /* which clang-tidy does not see */
        h2o_linklist_unlink(&watcher->pending);
        tell(watcher);
    }
    live->spent_us += thread_us() - since_us;
    if (!h2o_linklist_is_empty(&live->pending))
        timer_start_after(&live->worker->timers, &live->slice, SLICE_MS, on_slice);
}

static struct live_text *snapshot_of(struct watched *watched)
{
    struct buffer text = {0};

    if (watched->snapshot == NULL) {
        live_add_snapshot(&text, &watched->id, &watched->rows);
        watched->snapshot = make_text(watched->live, &text);
        buffer_free(&text);
    }
    return watched->snapshot;
}

static void tell(struct watcher *watcher)
{
    struct watched *watched = watcher->watched;
    bool next = watcher->generation + 1 == watched->id.generation && watched->change != NULL;

    if (watched->live->ending) {
        watcher->writing = true;
        watcher->req->http1_is_persistent = 0; /* it is to come back to another */
        h2o_send(watcher->req, NULL, 0, H2O_SEND_STATE_FINAL);
        return;
    }
    watcher->text = next ? watched->change : snapshot_of(watched);
    h2o_mem_addref_shared(watcher->text);
    watcher->generation = watched->id.generation;
    send_text(watcher, watcher->text->bytes, watcher->text->len);
}

static void on_written(h2o_generator_t *self, h2o_req_t *req)
{
    struct watcher *watcher = (struct watcher *)self;

    (void)req;
    watcher->writing = false;
    release(&watcher->text);
    if (watcher->generation != watcher->watched->id.generation || watcher->watched->live->ending)
        queue(watcher);
}

static void on_heartbeat(struct timer *timer)
{
    struct watcher *watcher = H2O_STRUCT_FROM_MEMBER(struct watcher, heartbeat, timer);
    struct live *live = watcher->watched->live;

    if (!watcher->writing && !h2o_linklist_is_linked(&watcher->pending)) {
        send_text(watcher, H2O_STRLIT(":\n\n"));
        return;
    }
    if (watcher->writing &&
        monotonic_ms() - watcher->writing_since_ms >= (uint64_t)live->worker->settings->idle_ms)
        connection_cut(watcher->req);
    timer_start(&live->heartbeats, &watcher->heartbeat, on_heartbeat);
}

/* --- rounds --- */

/* The service stops: everybody is sent away, and who does not listen is cut off. */
static void end_all(struct live *live)
{
    live->ending = true;
    for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next) {
        struct watched *watched = H2O_STRUCT_FROM_MEMBER(struct watched, link, link);
        for (h2o_linklist_t *at = watched->watchers.next; at != &watched->watchers; at = at->next) {
            struct watcher *watcher = H2O_STRUCT_FROM_MEMBER(struct watcher, link, at);
            if (watcher->writing)
                connection_cut(watcher->req);
            else
                queue(watcher);
        }
    }
}

static bool round_is_due(struct live *live)
{
    uint64_t pause_ms = live->spent_us * SHARE / 1000;

    for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next)
        if (H2O_STRUCT_FROM_MEMBER(struct watched, link, link)->reading)
            return false;
    return h2o_linklist_is_empty(&live->pending) &&
           monotonic_ms() - live->round_at_ms >= (pause_ms > ROUND_MS ? pause_ms : ROUND_MS);
}

/* Room is short (server/http/output_budget.h): those who do not take what they were told have had their time. */
static void cut_slow(struct live *live)
{
    uint64_t now_ms = monotonic_ms();
    size_t cut = 0;

    for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next) {
        struct watched *watched = H2O_STRUCT_FROM_MEMBER(struct watched, link, link);
        for (h2o_linklist_t *at = watched->watchers.next; at != &watched->watchers; at = at->next) {
            struct watcher *watcher = H2O_STRUCT_FROM_MEMBER(struct watcher, link, at);
            if (!watcher->writing || now_ms - watcher->writing_since_ms < OUTPUT_LINGER_MS)
                continue;
            connection_cut(watcher->req);
            ++cut;
        }
    }
    if (cut != 0)
        log_event(LOG_LEVEL_WARNING, "watchers-cut", "watchers=%zu", cut);
}

static void on_pulse(struct timer *timer)
{
    struct live *live = H2O_STRUCT_FROM_MEMBER(struct live, pulse, timer);

    if (live->n_watchers == 0)
        return; /* until the next comes */
    if (output_budget_is_short(live->worker->budget))
        cut_slow(live);
    if (live->worker->context.shutdown_requested) {
        if (!live->ending)
            end_all(live);
    } else if (round_is_due(live)) {
        live->round_at_ms = monotonic_ms();
        live->spent_us = 0;
        for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next)
            read_rows(H2O_STRUCT_FROM_MEMBER(struct watched, link, link));
    }
    timer_start_after(&live->worker->timers, &live->pulse, PULSE_MS, on_pulse);
}

/* --- somebody leaves --- */

/* The connection has ended. */
static void on_stop(h2o_generator_t *self, h2o_req_t *req)
{
    (void)self;
    (void)req; /* its memory goes next */
}

static void on_gone(void *data)
{
    struct watcher *watcher = data;
    struct watched *watched = watcher->watched;

    timer_stop(&watcher->heartbeat);
    release(&watcher->text);
    if (h2o_linklist_is_linked(&watcher->pending))
        h2o_linklist_unlink(&watcher->pending);
    h2o_linklist_unlink(&watcher->link);
    --watched->live->n_watchers;
    metric_subtract(&render_metrics_of(watched->live->worker)->watchers, 1);
    if (h2o_linklist_is_empty(&watched->watchers))
        forget_view(watched);
}

static void forget_view(struct watched *watched)
{
    read_request_cancel(&watched->read);
    h2o_linklist_unlink(&watched->link);
    --watched->live->n_views;
    release(&watched->change);
    release(&watched->snapshot);
    rows_free(&watched->rows);
    free(watched);
}

void live_destroy(struct live *live)
{
    if (live == NULL)
        return;
    while (!h2o_linklist_is_empty(&live->views))
        forget_view(H2O_STRUCT_FROM_MEMBER(struct watched, link, live->views.next));
    timer_stop(&live->pulse);
    timer_stop(&live->slice);
    timer_queue_fini(&live->heartbeats);
    free(live);
}
