#include "counter-svc/read/views.h"

#include "base/memory.h"
#include "counter-svc/ledger/counter_metrics.h"
#include "counter-svc/ledger/pg_array.h"
#include "counter-svc/ledger/refusal.h"
#include "counter-svc/read/history_query.h"
#include "server/ops/log.h"

#include <stdlib.h>
#include <string.h>

/* How long a view waits for a fold before it is read without. */
#define FOLD_PATIENCE_MS 750

/* How old a fold may be for a page by path that continues another one. */
#define CONTINUED_MS 1000

/* Above every path: all begin with a slash, and this is the character behind it. */
#define ABOVE_ALL_PATHS "0"

enum request_kind { REQUEST_ROWS, REQUEST_PATH, REQUEST_HISTORY };

/* A request, from its start until its callback. It waits for the journal's head, then for a fold, then
 * for its query. */
struct view_request {
    h2o_linklist_t link; /* in one of the lists of struct views */
    struct views *views;
    enum request_kind kind;
    struct trace trace;
    struct view *view;            /* REQUEST_ROWS */
    struct buffer path;           /* REQUEST_PATH */
    struct history_query *query;  /* REQUEST_HISTORY */
    struct journal_request *head; /* NULL: it is known */
    int64_t target;               /* what is to be folded */
    bool is_stale;                /* it was not, in time */
    view_callback callback;       /* NULL once cancelled */
    void *data;
    struct timer patience, deadline;
    bool overdue;
};

struct views {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct view_settings *settings;
    struct journal *journal;
    struct session *session;
    void (*on_change)(void *data);
    void *data;
    h2o_linklist_t folding; /* what waits for the head or a fold */
    h2o_linklist_t queue;   /* what waits for its query */
    h2o_linklist_t away;    /* what the query at PostgreSQL is for; all of one kind and view */
    int64_t n_waiting;
    struct timer_queue deadlines, patience;
    struct deferred deferred;
    bool busy;
    uint64_t sent_ns;     /* when the query was */
    uint64_t complete_ms; /* when the table last had everything that was committed */
};

static void on_head(void *data, const struct journal_result *result);
static void on_patience_over(struct timer *timer);
static void on_overdue(struct timer *timer);
static void on_deferred(struct deferred *deferred);
static void send_rows(struct views *views, const struct view *view);
static void on_rows(void *data, const struct pg_answer *answer);
static void send_path(struct views *views, const struct buffer *path);
static void on_path(void *data, const struct pg_answer *answer);
static void send_history(struct views *views, const struct history_query *query);
static void on_history(void *data, const struct pg_answer *answer);
static void on_session_change(void *data);

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
    h2o_linklist_init_anchor(&views->away);
    timer_queue_init(&views->deadlines, &worker->timers, (uint64_t)settings->deadline_ms);
    timer_queue_init(&views->patience, &worker->timers, FOLD_PATIENCE_MS);
    views->session =
        session_open(worker, session_settings, SESSION_VIEWS,
                     &(struct session_owner){on_session_change, on_session_change, views});
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

static struct view_request *request_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct view_request, link, link);
}

static void kick(struct views *views)
{
    worker_defer(views->worker, &views->deferred, on_deferred);
}

/* --- requests --- */

/* Whether a fold that is a second old will do: for a page by path that continues another one, which came
 * from the same table. The first page by count comes from memory, so what continues it needs a fold. */
static bool is_continued(const struct view_request *request)
{
    return request->kind == REQUEST_ROWS && request->view->order == VIEW_BY_PATH &&
           request->view->has_after && monotonic_ms() - request->views->complete_ms <= CONTINUED_MS;
}

static struct view_request *add(struct views *views, struct view_request *request)
{
    metric_add(&views->metrics->reads_waiting, 1);
    ++views->n_waiting;
    if (views->n_waiting > views->settings->max_reads || views_problem(views) != NULL) {
        request->overdue = true; /* answered at the end of the turn */
        h2o_linklist_insert(&views->queue, &request->link);
    } else if (is_continued(request)) {
        timer_start(&views->deadlines, &request->deadline, on_overdue);
        h2o_linklist_insert(&views->queue, &request->link);
    } else {
        timer_start(&views->deadlines, &request->deadline, on_overdue);
        h2o_linklist_insert(&views->folding, &request->link);
        request->head = journal_add_read(views->journal, &request->trace, on_head, request);
    }
    kick(views);
    return request;
}

static struct view_request *create(struct views *views, enum request_kind kind,
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
    struct view_request *request = create(views, REQUEST_ROWS, trace, callback, data);

    request->view = memory_resize(NULL, sizeof(*view));
    *request->view = *view;
    return add(views, request);
}

struct view_request *views_path(struct views *views, const char *path, size_t len,
                                const struct trace *trace, view_callback callback, void *data)
{
    struct view_request *request = create(views, REQUEST_PATH, trace, callback, data);

    buffer_add(&request->path, path, len);
    return add(views, request);
}

struct view_request *views_history(struct views *views, const struct history_query *query,
                                   const struct trace *trace, view_callback callback, void *data)
{
    struct view_request *request = create(views, REQUEST_HISTORY, trace, callback, data);

    request->query = memory_resize(NULL, sizeof(*query));
    *request->query = *query;
    return add(views, request);
}

/* Answers and frees a request, in whichever list it is. */
static void finish(struct view_request *request, const struct view_result *result)
{
    h2o_linklist_unlink(&request->link);
    metric_subtract(&request->views->metrics->reads_waiting, 1);
    --request->views->n_waiting;
    timer_stop(&request->deadline);
    timer_stop(&request->patience);
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
    request->callback = NULL; /* it goes its way; the query may be for others, too */
}

static void enqueue(struct view_request *request)
{
    timer_stop(&request->patience);
    h2o_linklist_unlink(&request->link);
    h2o_linklist_insert(&request->views->queue, &request->link);
    kick(request->views);
}

/* Everything that was committed when the view was asked for is in the state: it is to be folded. */
static void on_head(void *data, const struct journal_result *result)
{
    struct view_request *request = data;
    const struct state *state = journal_state(request->views->journal);

    request->head = NULL;
    if (result->outcome != JOURNAL_APPLIED || state == NULL) {
        request->overdue = true;
        kick(request->views);
    } else if (state->position <= state->checkpoint) {
        request->views->complete_ms = monotonic_ms();
        enqueue(request);
    } else {
        request->target = state->position;
        timer_start(&request->views->patience, &request->patience, on_patience_over);
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
        struct view_request *request = request_of(link);
        next = link->next;
        if (request->head != NULL || request->target > position)
            continue;
        enqueue(request);
    }
}

static void on_patience_over(struct timer *timer)
{
    struct view_request *request = H2O_STRUCT_FROM_MEMBER(struct view_request, patience, timer);

    request->is_stale = true;
    enqueue(request);
}

static void on_overdue(struct timer *timer)
{
    struct view_request *request = H2O_STRUCT_FROM_MEMBER(struct view_request, deadline, timer);

    request->overdue = true;
    kick(request->views);
}

/* --- queries --- */

static void drop_overdue(struct views *views)
{
    h2o_linklist_t *lists[] = {&views->folding, &views->queue}, *next;

    for (size_t i = 0; i < 2; ++i) {
        for (h2o_linklist_t *link = lists[i]->next; link != lists[i]; link = next) {
            next = link->next;
            if (request_of(link)->overdue || views_problem(views) != NULL)
                finish_with_nothing(request_of(link));
        }
    }
}

static bool can_share(const struct view_request *a, const struct view_request *b)
{
    return a->kind == REQUEST_ROWS && b->kind == REQUEST_ROWS && view_equals(a->view, b->view);
}

/* Moves the first request, and all that can share its query, to those that are away. */
static struct view_request *take_first(struct views *views)
{
    struct view_request *first = request_of(views->queue.next);
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = views->queue.next; link != &views->queue; link = next) {
        struct view_request *request = request_of(link);
        next = link->next;
        if (request != first && !can_share(first, request))
            continue;
        h2o_linklist_unlink(link);
        h2o_linklist_insert(&views->away, link);
    }
    return first;
}

static void on_deferred(struct deferred *deferred)
{
    struct views *views = H2O_STRUCT_FROM_MEMBER(struct views, deferred, deferred);
    struct view_request *first;

    drop_overdue(views);
    if (views->busy || !session_is_idle(views->session) || h2o_linklist_is_empty(&views->queue))
        return;
    views->busy = true;
    views->sent_ns = monotonic_ns();
    first = take_first(views);
    if (first->kind == REQUEST_ROWS)
        send_rows(views, first->view);
    else if (first->kind == REQUEST_PATH)
        send_path(views, &first->path);
    else
        send_history(views, first->query);
}

/* Answers all requests that the query was for, each with its own age, and goes on. */
static void finish_away(struct views *views, struct view_result *result)
{
    views->busy = false;
    while (!h2o_linklist_is_empty(&views->away)) {
        struct view_request *request = request_of(views->away.next);
        result->age_ms = request->is_stale ? (int64_t)(monotonic_ms() - views->complete_ms) : 0;
        finish(request, result);
    }
    kick(views);
}

/* The state is being read anew, so there are no totals: the requests wait for it, and their query is
 * made again. */
static void ask_again(struct views *views)
{
    views->busy = false;
    while (!h2o_linklist_is_empty(&views->away)) {
        struct view_request *request = request_of(views->away.next);
        h2o_linklist_unlink(&request->link);
        h2o_linklist_insert(&views->folding, &request->link);
        request->head = journal_add_read(views->journal, &request->trace, on_head, request);
    }
    kick(views);
}

/* Whether it is the fault of what was asked for (schema/006-history.sql); answers the requests so. */
static bool is_refused(struct views *views, const struct pg_answer *answer)
{
    bool is_bad = strcmp(answer->sqlstate, "PC003") == 0;

    if (answer->outcome != PG_FAILED || (!is_bad && strcmp(answer->sqlstate, "PC004") != 0))
        return false;
    finish_away(views, &(struct view_result){.refusal = answer->message,
                                             .refusal_status = is_bad ? 400 : 404});
    return true;
}

/* Whether there is an answer to read: a failure is logged here, the requests get nothing. */
static bool has_answer(struct views *views, const struct pg_answer *answer)
{
    if (is_refused(views, answer))
        return false;
    if (answer->outcome == PG_DONE) {
        histogram_add_ns(&views->metrics->read_seconds, monotonic_ns() - views->sent_ns);
        return true;
    }
    if (answer->outcome == PG_FAILED)
        log_event(LOG_LEVEL_WARNING, "read-failed", "sqlstate=%s error=%s trace=%s",
                  answer->sqlstate, LOG_QUOTED(answer->message),
                  request_of(views->away.next)->trace.id);
    finish_away(views, &(struct view_result){0});
    /* a missing table: the schema is to be looked at anew */
    if (answer->outcome == PG_FAILED &&
        (answer->sqlstate[0] == '4' || refusal_is_pooled(answer->sqlstate)))
        session_fail(views->session, "A view could not be read", answer);
    return false;
}

/* A number of the only row, or -1 for NULL. */
static int64_t number_at(const PGresult *result, int column)
{
    return PQgetisnull(result, 0, column) ? -1 : pg_int8(PQgetvalue(result, 0, column));
}

/* The bounds of the view's prefix. */
static void add_bounds(const struct view *view, struct pg_parameter *low, struct pg_parameter *high,
                       char above[PATH_MAX_BYTES + 1])
{
    *low = (struct pg_parameter){view->prefix, view->prefix_len};
    if (prefix_upper_bound(view->prefix, view->prefix_len, above, &high->len))
        high->bytes = above;
    else
        *high = (struct pg_parameter){ABOVE_ALL_PATHS, 1};
}

static void send_rows(struct views *views, const struct view *view)
{
    struct pg_parameter low = {0}, high = {0}, after = {view->after_path, view->after_len}, count,
                        limit;
    char above[PATH_MAX_BYTES + 1];
    struct buffer numbers = {0};
    enum statement statement;

    pg_add_int8(&numbers, view->has_after ? view->after_count : INT64_MAX);
    pg_add_int8(&numbers, view->limit + 1); /* one more tells whether there is a next page */
    count = (struct pg_parameter){numbers.bytes, 8};
    limit = (struct pg_parameter){numbers.bytes + 8, 8};
    add_bounds(view, &low, &high, above);
    statement = statement_of_view(view);
    if (view->order == VIEW_BY_PATH)
        session_run(views->session, statement, (struct pg_parameter[]){after, low, high, limit}, 4,
                    on_rows, views);
    else
        session_run(views->session, statement,
                    (struct pg_parameter[]){count, after, low, high, limit}, 5, on_rows, views);
    buffer_free(&numbers);
}

/* Adds the cursors that go on from these rows; `more`: there are further ones. Where the view came from
 * there are, too, or were a moment ago. */
static void add_cursors(struct page *page, const struct view *view, bool more)
{
    struct rows *rows = &page->rows;
    const struct row *first = rows->rows, *last;

    if (rows->size == 0)
        return;
    last = &rows->rows[rows->size - 1];
    if (view->backwards || more) {
        cursor_encode(&page->next, view->order, last->path, last->path_len, last->count);
        rows->next = page->next.bytes;
        rows->next_len = page->next.len;
    }
    if (view->backwards ? more : view->has_after) {
        cursor_encode(&page->previous, view->order, first->path, first->path_len, first->count);
        rows->previous = page->previous.bytes;
        rows->previous_len = page->previous.len;
    }
}

/* An empty page with the totals of a state. */
static void begin_page(struct page *page, const struct state *state)
{
    page->rows = (struct rows){.rows = page->table};
    page->next = page->previous = (struct buffer){0};
    page->rows.totals = (struct totals){state->paths, state->hits, state->bots};
}

/* Adds a row unless the page is full. */
static bool add_row(struct page *page, const struct view *view, struct row row, size_t *bytes)
{
    *bytes += row.path_len;
    if (page->rows.size == view->limit || (page->rows.size != 0 && *bytes > VIEW_MAX_PATH_BYTES))
        return false;
    page->table[page->rows.size++] = row;
    return true;
}

static void reverse(struct row *rows, size_t size)
{
    for (size_t i = 0; i < size / 2; ++i) {
        struct row row = rows[i];
        rows[i] = rows[size - 1 - i];
        rows[size - 1 - i] = row;
    }
}

bool view_is_in_memory(const struct view *view)
{
    return view->order == VIEW_BY_COUNT && !view->has_after && !view->has_prefix &&
           view->period == VIEW_ALL_TIME && !view->without_bots;
}

void page_of_state(struct page *page, const struct state *state, const struct view *view)
{
    size_t bytes = 0;

    begin_page(page, state);
    for (size_t i = 0; i < state->n_top; ++i) {
        const struct slot *slot = state->top[i];
        if (!add_row(page, view, (struct row){slot->path, slot->path_len, slot->count, slot->bots},
                     &bytes))
            break;
    }
    add_cursors(page, view, state->n_top > page->rows.size);
}

void page_free(struct page *page)
{
    buffer_free(&page->next);
    buffer_free(&page->previous);
}

/* The columns of rows (statement.h). */
enum rows_column {
    ROWS_PATH,
    ROWS_COUNT,
    ROWS_BOTS,
    ROWS_PERIOD_HITS,
    ROWS_PERIOD_BOTS,
    ROWS_PERIOD_BEGINS
};

/* Adds the rows of an answer; returns whether there are more than the page may have. */
static bool add_rows(struct page *page, const struct view *view, const PGresult *result)
{
    size_t bytes = 0;

    for (int i = 0; i < PQntuples(result); ++i) {
        struct row row = {PQgetvalue(result, i, ROWS_PATH),
                          (size_t)PQgetlength(result, i, ROWS_PATH), 0, 0};
        if (PQgetisnull(result, i, ROWS_PATH))
            return false; /* a period without rows */
        row.count = pg_int8(PQgetvalue(result, i, ROWS_COUNT));
        row.bots = pg_int8(PQgetvalue(result, i, ROWS_BOTS));
        if (!add_row(page, view, row, &bytes))
            return true;
    }
    return false;
}

static void on_rows(void *data, const struct pg_answer *answer)
{
    struct views *views = data;
    const PGresult *result = answer->result;
    const struct state *state = journal_state(views->journal);
    const struct view *view;
    struct page page;
    bool more;

    if (!has_answer(views, answer))
        return;
    if (state == NULL) {
        ask_again(views);
        return;
    }
    view = request_of(views->away.next)->view;
    begin_page(&page, state);
    more = add_rows(&page, view, result);
    if (view->period != VIEW_ALL_TIME)
        page.rows.period = (struct period_hits){number_at(result, ROWS_PERIOD_HITS),
                                                number_at(result, ROWS_PERIOD_BOTS),
                                                PQgetvalue(result, 0, ROWS_PERIOD_BEGINS),
                                                (size_t)PQgetlength(result, 0, ROWS_PERIOD_BEGINS)};
    if (view->backwards)
        reverse(page.table, page.rows.size);
    add_cursors(&page, view, more);
    finish_away(views, &(struct view_result){.rows = &page.rows});
    page_free(&page);
}

/* The columns of path.sql. */
enum path_column { PATH_COUNT, PATH_BEFORE, PATH_FIRST, PATH_LAST, PATH_BOTS, PATH_PERIODS };

static void send_path(struct views *views, const struct buffer *path)
{
    struct buffer most = {0};

    pg_add_int8(&most, DETAIL_MAX_RANK);
    session_run(views->session, STATEMENT_PATH,
                (struct pg_parameter[]){{path->bytes, path->len}, {most.bytes, most.len}}, 2,
                on_path, views);
    buffer_free(&most);
}

/* A table that is behind does not have the hits that the state has. */
static void add_unfolded(struct path_detail *detail, const struct state *state,
                         const struct buffer *path)
{
    const struct slot *slot = state != NULL ? state_find(state, path->bytes, path->len) : NULL;

    if (slot != NULL && slot->has_row && slot->count > detail->count)
        detail->count = slot->count;
}

static void on_path(void *data, const struct pg_answer *answer)
{
    struct path_detail detail = {0};
    struct views *views = data;
    int64_t before;

    if (!has_answer(views, answer))
        return;
    if (PQntuples(answer->result) == 1) {
        detail.count = number_at(answer->result, PATH_COUNT);
        before = number_at(answer->result, PATH_BEFORE);
        detail.rank = before < DETAIL_MAX_RANK ? before + 1 : 0;
        detail_set_time(detail.first, number_at(answer->result, PATH_FIRST));
        detail_set_time(detail.last, number_at(answer->result, PATH_LAST));
        detail.bots = number_at(answer->result, PATH_BOTS);
        for (int period = VIEW_TODAY; period < VIEW_N_PERIODS; ++period) {
            int column = PATH_PERIODS + 2 * (period - VIEW_TODAY);
            detail.periods[period] = (struct detail_period){number_at(answer->result, column),
                                                            number_at(answer->result, column + 1)};
        }
    }
    add_unfolded(&detail, journal_state(views->journal), &request_of(views->away.next)->path);
    finish_away(views, &(struct view_result){.detail = &detail});
}

static void send_history(struct views *views, const struct history_query *query)
{
    const char *unit = query->by_hour ? "hour" : "day";

    session_run(views->session, STATEMENT_HISTORY,
                (struct pg_parameter[]){{query->path, query->path_len},
                                        {unit, strlen(unit)},
                                        {query->from, query->from_len},
                                        {query->to, query->to_len}},
                4, on_history, views);
}

static void on_history(void *data, const struct pg_answer *answer)
{
    struct views *views = data;

    if (!has_answer(views, answer))
        return;
    finish_away(views,
                &(struct view_result){.history = PQgetvalue(answer->result, 0, 0),
                                      .history_len = (size_t)PQgetlength(answer->result, 0, 0)});
}

static void on_session_change(void *data)
{
    struct views *views = data;

    if (journal_has_ledger(views->journal))
        views_migrate(views);
    views->on_change(views->data);
    kick(views);
}

void views_close(struct views *views)
{
    if (views == NULL)
        return;
    session_close(views->session);
    for (int i = 0; i < 3; ++i) {
        h2o_linklist_t *list = i == 0 ? &views->folding : i == 1 ? &views->queue : &views->away;
        while (!h2o_linklist_is_empty(list)) {
            request_of(list->next)->callback = NULL;
            finish_with_nothing(request_of(list->next));
        }
    }
    deferred_cancel(&views->deferred);
    timer_queue_fini(&views->deadlines);
    timer_queue_fini(&views->patience);
    free(views);
}
