/* The queries of views, one at a time: each kind sends its statement and reads the answer. */
#include "counter-svc/ledger/pg_array.h"
#include "counter-svc/ledger/refusal.h"
#include "counter-svc/read/view_page.h"
#include "counter-svc/read/views_private.h"
#include "server/ops/log.h"

#include <string.h>

static void send_rows(struct views *views, const struct view *view);
static void on_queried_rows(void *data, const struct pg_answer *answer);
static void send_path(struct views *views, const struct buffer *path);
static void on_table_path(void *data, const struct pg_answer *answer);
static void send_history(struct views *views, const struct history_query *query);
static void on_history_rows(void *data, const struct pg_answer *answer);

void view_send(struct views *views, const struct view_request *request)
{
    INVARIANT(request->state == VIEW_IN_FLIGHT);
    switch (request->kind) {
    case VIEW_OF_ROWS:
        send_rows(views, request->view);
        break;
    case VIEW_OF_PATH:
        send_path(views, &request->path);
        break;
    case VIEW_OF_HISTORY:
        send_history(views, request->query);
        break;
    }
}

/* Returns whether the request itself is wrong (schema/006-history.sql). If so, answers with
 * PostgreSQL's sentence. */
static bool is_refused(struct views *views, const struct pg_answer *answer)
{
    bool is_bad = strcmp(answer->sqlstate, "PC003") == 0;

    if (answer->outcome != PG_FAILED || (!is_bad && strcmp(answer->sqlstate, "PC004") != 0))
        return false;
    views_finish(views, &(struct view_result){.refusal = answer->message,
                                              .refusal_status = is_bad ? 400 : 404});
    return true;
}

/* Returns whether there is an answer to read. If not, the requests have been answered, and a
 * failure is logged. */
static bool has_answer(struct views *views, const struct pg_answer *answer)
{
    INVARIANT(!h2o_linklist_is_empty(&views->in_flight));
    if (is_refused(views, answer))
        return false;
    if (answer->outcome == PG_DONE) {
        histogram_add_ns(&views->metrics->read_seconds, monotonic_ns() - views->sent_ns);
        return true;
    }
    if (answer->outcome == PG_FAILED)
        log_event(LOG_LEVEL_WARNING, "read-failed", "sqlstate=%s error=%s trace=%s",
                  answer->sqlstate, LOG_QUOTED(answer->message),
                  view_request_of(views->in_flight.next)->trace.id);
    views_finish(views, &(struct view_result){0});
    /* a table may be missing: a new session looks at the schema */
    if (answer->outcome == PG_FAILED &&
        (answer->sqlstate[0] == '4' || refusal_is_pooled(answer->sqlstate)))
        session_fail(views->session, "A view could not be read", answer);
    return false;
}

/* Returns a number of the only row, or -1 for NULL. */
static int64_t number_at(const PGresult *result, int column)
{
    return PQgetisnull(result, 0, column) ? -1 : pg_int8(PQgetvalue(result, 0, column));
}

/* Appends the bounds of the view's prefix. */
static void add_bounds(const struct view *view, struct pg_parameter *low, struct pg_parameter *high,
                       char above[PATH_MAX_BYTES + 1])
{
    *low = (struct pg_parameter){view->prefix, view->prefix_len};
    if (prefix_upper_bound(view->prefix, view->prefix_len, above, &high->len))
        high->bytes = above;
    else
        *high = (struct pg_parameter){PATH_ABOVE_ALL, 1};
}

static void send_rows(struct views *views, const struct view *view)
{
    struct pg_parameter low = {0}, high = {0}, after = {view->after_path, view->after_len}, count,
                        limit;
    char above[PATH_MAX_BYTES + 1];
    struct buffer numbers = {0};
    enum statement statement;

    pg_add_int8(&numbers, view->has_after ? view->after_count : INT64_MAX);
    pg_add_int8(&numbers, view->limit + 1); /* one more shows whether there is a next page */
    count = (struct pg_parameter){numbers.bytes, 8};
    limit = (struct pg_parameter){numbers.bytes + 8, 8};
    add_bounds(view, &low, &high, above);
    statement = statement_of_view(view);
    if (view->order == VIEW_BY_PATH)
        session_run(views->session, statement, (struct pg_parameter[]){after, low, high, limit}, 4,
                    on_queried_rows, views);
    else
        session_run(views->session, statement,
                    (struct pg_parameter[]){count, after, low, high, limit}, 5, on_queried_rows,
                    views);
    buffer_free(&numbers);
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
static bool add_rows(struct view_page *page, const struct view *view, const PGresult *result)
{
    size_t bytes = 0;

    for (int i = 0; i < PQntuples(result); ++i) {
        struct row row = {PQgetvalue(result, i, ROWS_PATH),
                          (size_t)PQgetlength(result, i, ROWS_PATH), 0, 0};
        if (PQgetisnull(result, i, ROWS_PATH))
            return false; /* a period without rows */
        row.count = pg_int8(PQgetvalue(result, i, ROWS_COUNT));
        row.bots = pg_int8(PQgetvalue(result, i, ROWS_BOTS));
        if (!view_page_add_row(page, view, row, &bytes))
            return true;
    }
    return false;
}

static void on_queried_rows(void *data, const struct pg_answer *answer)
{
    struct views *views = data;
    const PGresult *result = answer->result;
    const struct state *state = journal_state(views->journal);
    const struct view *view;
    struct view_page page;
    bool more;

    if (!has_answer(views, answer))
        return;
    if (state == NULL) {
        views_put_back(views);
        return;
    }
    view = view_request_of(views->in_flight.next)->view;
    view_page_begin(&page, state);
    more = add_rows(&page, view, result);
    if (view->period != VIEW_ALL_TIME)
        page.rows.period = (struct period_hits){number_at(result, ROWS_PERIOD_HITS),
                                                number_at(result, ROWS_PERIOD_BOTS),
                                                PQgetvalue(result, 0, ROWS_PERIOD_BEGINS),
                                                (size_t)PQgetlength(result, 0, ROWS_PERIOD_BEGINS)};
    if (view->backwards)
        view_page_reverse(&page);
    view_page_add_cursors(&page, view, more);
    views_finish(views, &(struct view_result){.rows = &page.rows});
    view_page_free(&page);
}

/* The columns of path.sql. */
enum path_column { PATH_COUNT, PATH_BEFORE, PATH_FIRST, PATH_LAST, PATH_BOTS, PATH_PERIODS };

static void send_path(struct views *views, const struct buffer *path)
{
    struct buffer most = {0};

    pg_add_int8(&most, DETAIL_MAX_RANK);
    session_run(views->session, STATEMENT_PATH,
                (struct pg_parameter[]){{path->bytes, path->len}, {most.bytes, most.len}}, 2,
                on_table_path, views);
    buffer_free(&most);
}

/* Uses the larger count of the table and the state. The table may be behind the state, so the
 * larger count is the newer one. */
static void add_unfolded(struct path_detail *detail, const struct state *state,
                         const struct buffer *path)
{
    const struct slot *slot = state != NULL ? state_find(state, path->bytes, path->len) : NULL;

    if (slot != NULL && slot->has_row && slot->count > detail->count)
        detail->count = slot->count;
}

static void on_table_path(void *data, const struct pg_answer *answer)
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
    add_unfolded(&detail, journal_state(views->journal),
                 &view_request_of(views->in_flight.next)->path);
    views_finish(views, &(struct view_result){.detail = &detail});
}

static void send_history(struct views *views, const struct history_query *query)
{
    const char *unit = query->by_hour ? "hour" : "day";

    session_run(views->session, STATEMENT_HISTORY,
                (struct pg_parameter[]){{query->path, query->path_len},
                                        {unit, strlen(unit)},
                                        {query->from, query->from_len},
                                        {query->to, query->to_len}},
                4, on_history_rows, views);
}

static void on_history_rows(void *data, const struct pg_answer *answer)
{
    struct views *views = data;

    if (!has_answer(views, answer))
        return;
    views_finish(views,
                 &(struct view_result){.history = PQgetvalue(answer->result, 0, 0),
                                       .history_len = (size_t)PQgetlength(answer->result, 0, 0)});
}
