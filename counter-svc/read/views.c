#include "counter-svc/read/views_private.h"

#include "base/memory.h"

#include <stdlib.h>

/* How long a view lingers for a fold before it reads the table as it is, in milliseconds. */
#define FOLD_LINGER_MS 750

/* How old a fold may be for a page by path that continues another page, in milliseconds. */
#define CONTINUED_MS 1000

static void on_head_found(void *data, const struct journal_result *result);
static void on_views_linger_over(struct timer *timer);
static void on_view_deadline(struct timer *timer);
static void send_next(struct deferred *deferred);
static void on_views_session_change(void *data);

struct views *views_open(struct worker *worker, const struct session_settings *session_settings,
                         const struct view_settings *settings, struct journal *journal,
                         void (*on_change)(void *data), void *data)
{
    struct views *views = memory_allocate(1, sizeof(*views));

    *views = (struct views){.worker = worker,
                            .complete_ms = monotonic_ms(),
                            .metrics = counter_metrics_of(worker),
                            .settings = settings,
                            .journal = journal,
                            .on_change = on_change,
                            .data = data};
    h2o_linklist_init_anchor(&views->folding);
    h2o_linklist_init_anchor(&views->queue);
    h2o_linklist_init_anchor(&views->in_flight);
    timer_queue_init(&views->deadlines, &worker->timers, (uint64_t)settings->deadline_ms);
    timer_queue_init(&views->lingers, &worker->timers, FOLD_LINGER_MS);
    views->session = session_open(
        worker, session_settings, SESSION_VIEWS,
        &(struct session_owner){on_views_session_change, on_views_session_change, views});
    return views;
}

const char *views_problem(const struct views *views)
{
    return session_problem(views->session);
}

void views_follow(struct views *views, size_t host)
{
    session_follow(views->session, host);
}

void views_migrate(struct views *views)
{
    if (session_awaits_migration(views->session))
        session_migrate(views->session);
}

static void schedule(struct views *views)
{
    worker_defer(views->worker, &views->deferred, send_next);
}

/* --- requests --- */

/* Returns whether a fold that is a second old suffices: for a page by path that continues another
 * page, because that page came from the same table. The first page by count comes from memory, so
 * the next one needs a fold. */
static bool is_continued(const struct view_request *request)
{
    return request->kind == VIEW_OF_ROWS && request->view->order == VIEW_BY_PATH &&
           request->view->has_after && monotonic_ms() - request->views->complete_ms <= CONTINUED_MS;
}

void view_set_state(struct view_request *request, enum view_state state)
{
    static const unsigned FOLLOWING[] = {
        [VIEW_FINDING_HEAD] = 1 << VIEW_FOLDING | 1 << VIEW_QUEUED,
        [VIEW_FOLDING] = 1 << VIEW_QUEUED,
        [VIEW_QUEUED] = 1 << VIEW_IN_FLIGHT,
        [VIEW_IN_FLIGHT] = 1 << VIEW_FINDING_HEAD,
    };

    INVARIANT(FOLLOWING[request->state] & 1u << state);
    request->state = state;
}

/* Waits for the state to be the newest. The request is in no list. */
static void find_head(struct view_request *request)
{
    h2o_linklist_insert(&request->views->folding, &request->link);
    request->head =
        journal_add_read(request->views->journal, &request->trace, on_head_found, request);
}

static struct view_request *add(struct views *views, struct view_request *request)
{
    metric_add(&views->metrics->reads_waiting, 1);
    ++views->n_waiting;
    if (views->n_waiting > views->settings->max_reads || views_problem(views) != NULL) {
        request->expired = true; /* answered at the end of the turn */
        request->state = VIEW_QUEUED;
        h2o_linklist_insert(&views->queue, &request->link);
    } else if (is_continued(request)) {
        timer_start(&views->deadlines, &request->deadline, on_view_deadline);
        request->state = VIEW_QUEUED;
        h2o_linklist_insert(&views->queue, &request->link);
    } else {
        timer_start(&views->deadlines, &request->deadline, on_view_deadline);
        find_head(request);
    }
    schedule(views);
    return request;
}

static struct view_request *create(struct views *views, enum view_kind kind,
                                   const struct trace *trace, view_callback callback, void *data)
{
    struct view_request *request = memory_allocate(1, sizeof(*request));

    *request = (struct view_request){
        .views = views, .kind = kind, .trace = *trace, .callback = callback, .data = data};
    return request;
}

struct view_request *views_rows(struct views *views, const struct view *view,
                                const struct trace *trace, view_callback callback, void *data)
{
    struct view_request *request = create(views, VIEW_OF_ROWS, trace, callback, data);

    request->view = memory_resize(NULL, sizeof(*view));
    *request->view = *view;
    return add(views, request);
}

struct view_request *views_path(struct views *views, const char *path, size_t len,
                                const struct trace *trace, view_callback callback, void *data)
{
    struct view_request *request = create(views, VIEW_OF_PATH, trace, callback, data);

    buffer_add(&request->path, path, len);
    return add(views, request);
}

struct view_request *views_history(struct views *views, const struct history_query *query,
                                   const struct trace *trace, view_callback callback, void *data)
{
    struct view_request *request = create(views, VIEW_OF_HISTORY, trace, callback, data);

    request->query = memory_resize(NULL, sizeof(*query));
    *request->query = *query;
    return add(views, request);
}

/* Answers and frees a request, which may be in any list. */
static void finish(struct view_request *request, const struct view_result *result)
{
    h2o_linklist_unlink(&request->link);
    metric_subtract(&request->views->metrics->reads_waiting, 1);
    --request->views->n_waiting;
    timer_stop(&request->deadline);
    timer_stop(&request->linger);
    if (request->head != NULL)
        journal_cancel(request->head);
    if (request->callback != NULL)
        request->callback(request->data, result);
    free(request->view);
    buffer_free(&request->path);
    free(request->query);
    free(request);
}

static void finish_with_nothing(struct view_request *request)
{
    static const struct view_result NOTHING = {0};

    finish(request, &NOTHING);
}

void view_cancel(struct view_request *request)
{
    request->callback = NULL; /* the query may be for other requests, too */
}

static void enqueue(struct view_request *request)
{
    view_set_state(request, VIEW_QUEUED);
    timer_stop(&request->linger);
    h2o_linklist_unlink(&request->link);
    h2o_linklist_insert(&request->views->queue, &request->link);
    schedule(request->views);
}

/* The state has everything that was committed when the request came: that has to be folded. */
static void on_head_found(void *data, const struct journal_result *result)
{
    struct view_request *request = data;
    const struct state *state = journal_state(request->views->journal);

    request->head = NULL;
    if (result->outcome != JOURNAL_APPLIED || state == NULL) {
        request->expired = true;
        schedule(request->views);
    } else if (state->position <= state->checkpoint) {
        request->views->complete_ms = monotonic_ms();
        enqueue(request);
    } else {
        view_set_state(request, VIEW_FOLDING);
        request->target = state->position;
        timer_start(&request->views->lingers, &request->linger, on_views_linger_over);
        journal_fold(request->views->journal);
    }
}

void views_on_folded(struct views *views, int64_t position)
{
    const struct state *state = journal_state(views->journal);
    h2o_linklist_t *next;

    if (state != NULL && position >= state->position)
        views->complete_ms = monotonic_ms();

    for (h2o_linklist_t *link = views->folding.next; link != &views->folding; link = next) {
        struct view_request *request = view_request_of(link);
        next = link->next;
        if (request->state == VIEW_FOLDING && request->target <= position)
            enqueue(request);
    }
}

static void on_views_linger_over(struct timer *timer)
{
    struct view_request *request = H2O_STRUCT_FROM_MEMBER(struct view_request, linger, timer);

    request->is_stale = true;
    enqueue(request);
}

static void on_view_deadline(struct timer *timer)
{
    struct view_request *request = H2O_STRUCT_FROM_MEMBER(struct view_request, deadline, timer);

    request->expired = true;
    schedule(request->views);
}

/* --- queries --- */

static void drop_expired(struct views *views)
{
    h2o_linklist_t *lists[] = {&views->folding, &views->queue}, *next;

    for (size_t i = 0; i < 2; ++i) {
        for (h2o_linklist_t *link = lists[i]->next; link != lists[i]; link = next) {
            next = link->next;
            if (view_request_of(link)->expired || views_problem(views) != NULL)
                finish_with_nothing(view_request_of(link));
        }
    }
}

static bool can_share(const struct view_request *a, const struct view_request *b)
{
    return a->kind == VIEW_OF_ROWS && b->kind == VIEW_OF_ROWS && view_equals(a->view, b->view);
}

/* Moves the first request, and all that can share its query, to the requests in flight. */
static struct view_request *take_first(struct views *views)
{
    struct view_request *first = view_request_of(views->queue.next);
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = views->queue.next; link != &views->queue; link = next) {
        struct view_request *request = view_request_of(link);
        next = link->next;
        if (request != first && !can_share(first, request))
            continue;
        view_set_state(request, VIEW_IN_FLIGHT);
        h2o_linklist_unlink(link);
        h2o_linklist_insert(&views->in_flight, link);
    }
    return first;
}

static void send_next(struct deferred *deferred)
{
    struct views *views = H2O_STRUCT_FROM_MEMBER(struct views, deferred, deferred);
    struct view_request *first;

    drop_expired(views);
    if (!h2o_linklist_is_empty(&views->in_flight) || !session_is_idle(views->session) ||
        h2o_linklist_is_empty(&views->queue))
        return;
    views->sent_ns = monotonic_ns();
    first = take_first(views);
    view_send(views, first);
}

void views_finish(struct views *views, struct view_result *result)
{
    while (!h2o_linklist_is_empty(&views->in_flight)) {
        struct view_request *request = view_request_of(views->in_flight.next);
        result->age_ms = request->is_stale ? (int64_t)(monotonic_ms() - views->complete_ms) : 0;
        finish(request, result);
    }
    schedule(views);
}

void views_put_back(struct views *views)
{
    while (!h2o_linklist_is_empty(&views->in_flight)) {
        struct view_request *request = view_request_of(views->in_flight.next);
        view_set_state(request, VIEW_FINDING_HEAD);
        h2o_linklist_unlink(&request->link);
        find_head(request);
    }
    schedule(views);
}

static void on_views_session_change(void *data)
{
    struct views *views = data;

    if (journal_has_ledger(views->journal))
        views_migrate(views);
    views->on_change(views->data);
    schedule(views);
}

void views_close(struct views *views)
{
    if (views == NULL)
        return;
    session_close(views->session);
    for (int i = 0; i < 3; ++i) {
        h2o_linklist_t *list = i == 0   ? &views->folding
                               : i == 1 ? &views->queue
                                        : &views->in_flight;
        while (!h2o_linklist_is_empty(list)) {
            view_request_of(list->next)->callback = NULL;
            finish_with_nothing(view_request_of(list->next));
        }
    }
    deferred_cancel(&views->deferred);
    timer_queue_fini(&views->deadlines);
    timer_queue_fini(&views->lingers);
    free(views);
}
