/* /-/paths, as a page, as JSON, as CSV: its parameters, the read from counter-svc, the answer. */
#include "render-svc/html/csv.h"
#include "render-svc/html/link.h"
#include "render-svc/html/paths_page.h"
#include "render-svc/html/query.h"
#include "render-svc/public/browse_private.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "server/http/answer.h"

#include <string.h>

static bool on_browse_rows(struct read_request *read, const struct http_answer *answer);
static void on_rows_trend(struct trend *trend);

/* Makes the requested view that of an export. Exports are in order of paths, because rows in order
 * of counts move while the export is written. Returns NULL, or a sentence that says what is
 * wrong. */
static const char *make_export(struct view *view)
{
    if (view->order != VIEW_BY_PATH)
        return "A CSV of everything is in order of paths: omit \"order\", or add \"limit\".";
    if (view->backwards)
        return "A CSV of everything has no \"before\": add \"limit\".";
    view->limit = VIEW_MAX_ROWS;
    return NULL;
}

/* Reads the view. CSV without a limit is an export of everything. */
static const char *read_rows(struct browse *browse, h2o_iovec_t query)
{
    static const char *const NAMES[] = {"order", "limit"};
    h2o_mem_pool_t *pool = &browse->req->pool;
    h2o_iovec_t values[2], rest;
    const struct render *render = worker_of(browse->req)->app;
    const char *error = query_take(pool, query.base, query.len, NAMES, 2, values, &rest);

    browse->is_export = browse->form.type == ACCEPT_CSV && values[1].base == NULL;
    if (browse->is_export && values[0].base == NULL)
        query = query.len == 0 ? h2o_iovec_init(H2O_STRLIT("order=path"))
                               : h2o_concat(pool, query, h2o_iovec_init(H2O_STRLIT("&order=path")));
    if (error == NULL)
        error = link_read_view(query.base, query.len, &render->config->path_rules, &browse->view);
    if (error == NULL && browse->is_export)
        error = make_export(&browse->view);
    return error;
}

void browse_rows(const struct api_request *request)
{
    struct browse *browse = browse_begin(request);
    struct buffer target = {0};
    h2o_iovec_t rest;
    const char *error = form_read(&browse->form, request, &rest);

    if (error == NULL)
        error = read_rows(browse, rest);
    if (error != NULL) {
        browse_answer_error(browse, 400, error);
    } else if (browse->is_export) {
        export_rows(request->req, &browse->view, browse->form.with_bom);
    } else {
        link_add_target(&target, &browse->view);
        browse_start_read(browse, &target, on_browse_rows);
        browse_start_trend(browse, NULL, 0, on_rows_trend);
    }
}

/* Returns an address of this view, in the request's pool. */
static const char *address(struct browse *browse, const char *base, const struct link *link)
{
    struct buffer text = {0};
    h2o_iovec_t copy;

    link_add(&text, base, link);
    copy = h2o_strdup(&browse->req->pool, text.bytes, text.len);
    buffer_free(&text);
    return copy.base;
}

/* Returns the address of the next or previous rows, or NULL without a cursor. */
static const char *neighbour(struct browse *browse, const char *name, const char *cursor,
                             size_t len, const char *format)
{
    bool with_limit = browse->view.limit != VIEW_DEFAULT_ROWS;
    struct link link = {&browse->view, with_limit, name, cursor, len, format, false};

    return cursor != NULL ? address(browse, LINK_PATHS, &link) : NULL;
}

static void add_address(struct buffer *to, const char *address)
{
    if (address != NULL)
        buffer_add_json(to, address, strlen(address));
    else
        buffer_add_literal(to, "null");
}

static void answer_rows_json(struct browse *browse, const struct rows *rows)
{
    struct buffer json = {0};

    buffer_add_literal(&json, "{\"rows\":[");
    for (size_t i = 0; i < rows->size; ++i) {
        if (i != 0)
            buffer_add_literal(&json, ",");
        row_encode(&json, &rows->rows[i]);
    }
    buffer_add_literal(&json, "],\"totals\":");
    totals_encode(&json, &rows->totals);
    buffer_add_literal(&json, ",\"next\":");
    add_address(&json, neighbour(browse, "after", rows->next, rows->next_len, "json"));
    buffer_add_literal(&json, ",\"previous\":");
    add_address(&json, neighbour(browse, "before", rows->previous, rows->previous_len, "json"));
    buffer_add_literal(&json, "}\n");
    form_answer(browse->req, &browse->form, &json);
}

static void answer_rows_csv(struct browse *browse, const struct rows *rows)
{
    struct buffer csv = {0};

    csv_begin(&csv, browse->form.with_bom);
    csv_add_rows_head(&csv);
    csv_add_rows(&csv, rows);
    form_answer(browse->req, &browse->form, &csv);
}

static void answer_rows_page(struct browse *browse, const struct rows *rows)
{
    const struct view *view = &browse->view;
    bool with_limit = view->limit != VIEW_DEFAULT_ROWS;
    struct buffer cursor = {0}, html = {0};
    struct link here = {.view = view, .with_limit = with_limit};
    struct view by_path = *view;
    struct link all = {.view = &by_path, .format = "csv"};
    struct paths_page page = {.controls = {.view = view}, .rows = rows};

    if (view->has_after)
        page.first = address(browse, LINK_PATHS, &here);
    page.previous = neighbour(browse, "before", rows->previous, rows->previous_len, NULL);
    page.next = neighbour(browse, "after", rows->next, rows->next_len, NULL);
    if (view->has_after) {
        cursor_encode(&cursor, view->order, view->after_path, view->after_len, view->after_count);
        here.cursor_name = view->backwards ? "before" : "after";
        here.cursor = cursor.bytes;
        here.cursor_len = cursor.len;
    }
    if (view->period == VIEW_ALL_TIME && !view->without_bots)
        page.controls.live = address(browse, LINK_LIVE, &here);
    if (!view->has_prefix && !view->has_after) {
        page.days = browse_history(browse, TREND_DAYS);
        page.hours = browse_history(browse, TREND_HOURS);
    }
    page.controls.has_no_days = browse->trend.is_off[TREND_DAYS];
    page.controls.has_no_hours = browse->trend.is_off[TREND_HOURS];
    here.format = "json";
    page.controls.json = address(browse, LINK_PATHS, &here);
    here.format = "csv";
    here.with_limit = true; /* without a limit it would be everything */
    page.controls.csv = address(browse, LINK_PATHS, &here);
    by_path.order = VIEW_BY_PATH;
    page.controls.csv_all = address(browse, LINK_PATHS, &all);
    all.with_bom = true;
    page.controls.csv_excel = address(browse, LINK_PATHS, &all);
    paths_page_add(&html, &page);
    form_answer(browse->req, &browse->form, &html);
    buffer_free(&cursor);
}

/* Redirects to the first page. A previous page that reaches the top before it is full would show
 * only the few rows that have moved above the cursor since. */
static void redirect_to_first_page(struct browse *browse)
{
    bool with_limit = browse->view.limit != VIEW_DEFAULT_ROWS;
    struct link link = {.view = &browse->view, .with_limit = with_limit};

    answer_header(browse->req, H2O_TOKEN_LOCATION, address(browse, LINK_PATHS, &link));
    answer_copy(browse->req, 303, TYPE_HTML, "", 0);
}

static void answer_rows(struct browse *browse)
{
    const struct rows *rows = &browse->rows;

    if (browse->form.type == ACCEPT_JSON)
        answer_rows_json(browse, rows);
    else if (browse->form.type == ACCEPT_CSV)
        answer_rows_csv(browse, rows);
    else if (browse->view.backwards && rows->previous == NULL && rows->size < browse->view.limit)
        redirect_to_first_page(browse);
    else
        answer_rows_page(browse, rows);
}

static bool on_browse_rows(struct read_request *read, const struct http_answer *answer)
{
    struct browse *browse = H2O_STRUCT_FROM_MEMBER(struct browse, read, read);
    const char *error;

    if (answer == NULL || answer->status != 200)
        return browse_answer_failure(browse, answer);
    if (rows_decode(answer->body, answer->len, answer->encoding, &browse->rows, &error) != 0) {
        browse_answer_failure(browse, NULL);
        return false;
    }
    browse->is_read = true;
    if (browse->trend.waiting == 0)
        answer_rows(browse);
    return true;
}

static void on_rows_trend(struct trend *trend)
{
    struct browse *browse = H2O_STRUCT_FROM_MEMBER(struct browse, trend, trend);

    if (browse->is_read)
        answer_rows(browse);
}
