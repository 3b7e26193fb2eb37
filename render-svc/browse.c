/* Looking without counting: /-/paths and /-/paths/ANY/PATH, as a page, as JSON, as CSV. A request
 * reads from top to bottom: what is asked for, the read from counter-svc, the answer in its form. */

#include "proto/api.h"
#include "proto/detail.h"
#include "proto/view.h"
#include "render-svc/accept.h"
#include "render-svc/csv.h"
#include "render-svc/link.h"
#include "render-svc/own.h"
#include "render-svc/page_browse.h"
#include "render-svc/query.h"
#include "render-svc/render.h"
#include "render-svc/reply.h"
#include "service/answer.h"
#include "service/request.h"

#include <string.h>

/* A request that waits for counter-svc; in the request's pool. */
struct browse {
    h2o_req_t *req;
    enum accept_form form;
    bool with_bom;    /* CSV begins with a byte-order mark */
    struct view view; /* of /-/paths */
    bool is_export;
    struct fetch fetch;
};

static bool on_rows(struct fetch *fetch, const struct http_answer *answer);
static bool on_path(struct fetch *fetch, const struct http_answer *answer);
static void on_gone(void *data);

/* --- what is asked for --- */

/* The form that is asked for by name; or else the one that is accepted best. */
static const char *read_format(const struct asked *asked, h2o_iovec_t name, enum accept_form *form)
{
    static const char *const NAMES[] = {
        [ACCEPT_HTML] = "html", [ACCEPT_JSON] = "json", [ACCEPT_CSV] = "csv"};
    h2o_iovec_t accept = request_header(asked->req, "accept");

    *form = accept_choose(accept.base, accept.len, true);
    if (name.base == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); ++i) {
        if (!h2o_memis(name.base, name.len, NAMES[i], strlen(NAMES[i])))
            continue;
        *form = (enum accept_form)i;
        return NULL;
    }
    return "\"format\" is not html, json or csv.";
}

static const char *read_bom(h2o_iovec_t value, struct browse *browse)
{
    if (value.base == NULL)
        return NULL;
    if (!h2o_memis(value.base, value.len, H2O_STRLIT("0")) &&
        !h2o_memis(value.base, value.len, H2O_STRLIT("1")))
        return "\"bom\" is not 0 or 1.";
    if (browse->form != ACCEPT_CSV)
        return "\"bom\" is for CSV: add format=csv.";
    browse->with_bom = value.base[0] == '1';
    return NULL;
}

/* Takes what an answer's form hangs on out of the query; what is left goes to `rest`. */
static const char *read_form(struct browse *browse, const struct asked *asked, h2o_iovec_t *rest)
{
    static const char *const NAMES[] = {"format", "bom"};
    h2o_iovec_t values[2];
    const char *error =
        query_take(&asked->req->pool, asked->query, asked->query_len, NAMES, 2, values, rest);

    if (error == NULL)
        error = read_format(asked, values[0], &browse->form);
    if (error == NULL)
        error = read_bom(values[1], browse);
    return error;
}

static struct browse *begin(const struct asked *asked)
{
    struct browse *browse = h2o_mem_alloc_shared(&asked->req->pool, sizeof(*browse), on_gone);

    browse->req = asked->req;
    browse->form = ACCEPT_HTML;
    browse->with_bom = false;
    browse->fetch = (struct fetch){0};
    return browse;
}

static void fetch(struct browse *browse, struct buffer *target, fetch_callback callback)
{
    const struct render *render = worker_of(browse->req)->app;

    fetch_start(render->fetcher, &browse->fetch, target, &request_of(browse->req)->trace, callback);
    buffer_free(target);
}

static void answer_error(struct browse *browse, int status, const char *detail)
{
    reply_error(browse->req, status, detail, browse->form != ACCEPT_HTML);
}

/* Handles an answer that is not a 200. */
static bool answer_failure(struct browse *browse, const struct http_answer *answer)
{
    bool json = browse->form != ACCEPT_HTML;

    if (answer == NULL)
        reply_unavailable(browse->req, "The counts are unavailable.", json);
    else if (answer->status == 404)
        reply_error(browse->req, 404, "This path has not been counted yet.", json);
    else
        reply_error(browse->req, answer->status, "counter-svc rejected the request.", json);
    return true;
}

/* A browser that opens JSON or CSV saves it. If Firefox showed JSON, it would do so in a page of its
 * own and ask for /favicon.ico whatever the policy of the answer is, and that would be counted. */
static void answer_buffer(struct browse *browse, const char *type, struct buffer *body)
{
    if (browse->form == ACCEPT_JSON)
        answer_header_named(browse->req, "content-disposition",
                            "attachment; filename=\"pathcount.json\"");
    else if (browse->form == ACCEPT_CSV)
        answer_header_named(browse->req, "content-disposition",
                            "attachment; filename=\"pathcount.csv\"");
    reply_copy(browse->req, type, body->bytes, body->len, browse->form != ACCEPT_HTML);
    buffer_free(body);
}

/* --- /-/paths --- */

/* Makes the view of an export out of one that was asked for: everything is in order of paths, as rows
 * of an order by count move while it is written. */
static const char *make_export(struct view *view)
{
    if (view->order != VIEW_BY_PATH)
        return "CSV of everything is in order of paths: leave out \"order\", or give a \"limit\".";
    if (view->backwards)
        return "CSV of everything has no \"before\": give a \"limit\".";
    view->limit = VIEW_MAX_ROWS;
    return NULL;
}

/* Reads which rows are asked for. CSV without a limit is an export of everything. */
static const char *read_rows(struct browse *browse, h2o_iovec_t query)
{
    static const char *const NAMES[] = {"order", "limit"};
    h2o_mem_pool_t *pool = &browse->req->pool;
    h2o_iovec_t values[2], rest;
    const struct render *render = worker_of(browse->req)->app;
    const char *error = query_take(pool, query.base, query.len, NAMES, 2, values, &rest);

    browse->is_export = browse->form == ACCEPT_CSV && values[1].base == NULL;
    if (browse->is_export && values[0].base == NULL)
        query = query.len == 0 ? h2o_iovec_init(H2O_STRLIT("order=path"))
                               : h2o_concat(pool, query, h2o_iovec_init(H2O_STRLIT("&order=path")));
    if (error == NULL)
        error = link_read_view(query.base, query.len, &render->config->path_rules, &browse->view);
    if (error == NULL && browse->is_export)
        error = make_export(&browse->view);
    return error;
}

void browse_rows(const struct asked *asked)
{
    struct browse *browse = begin(asked);
    struct buffer target = {0};
    h2o_iovec_t rest;
    const char *error = read_form(browse, asked, &rest);

    if (error == NULL)
        error = read_rows(browse, rest);
    if (error != NULL) {
        answer_error(browse, 400, error);
    } else if (browse->is_export) {
        export_rows(asked->req, &browse->view, browse->with_bom);
    } else {
        link_add_target(&target, &browse->view);
        fetch(browse, &target, on_rows);
    }
}

/* An address of this view, in the request's pool. */
static const char *address(struct browse *browse, const char *base, const struct link *link)
{
    struct buffer text = {0};
    h2o_iovec_t copy;

    link_add(&text, base, link);
    copy = h2o_strdup(&browse->req->pool, text.bytes, text.len);
    buffer_free(&text);
    return copy.base;
}

/* The address of the rows behind or in front of these; NULL without a cursor. */
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
    answer_buffer(browse, TYPE_JSON, &json);
}

static void answer_rows_csv(struct browse *browse, const struct rows *rows)
{
    struct buffer csv = {0};

    csv_begin(&csv, browse->with_bom);
    csv_add_rows_head(&csv);
    csv_add_rows(&csv, rows);
    answer_buffer(browse, TYPE_CSV, &csv);
}

static void answer_rows_page(struct browse *browse, const struct rows *rows)
{
    const struct view *view = &browse->view;
    bool with_limit = view->limit != VIEW_DEFAULT_ROWS;
    struct buffer cursor = {0}, html = {0};
    struct link here = {.view = view, .with_limit = with_limit};
    struct view by_path = *view;
    struct link all = {.view = &by_path, .format = "csv"};
    struct page_rows page = {.view = view, .rows = rows};

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
    page.live = address(browse, LINK_LIVE, &here);
    here.format = "json";
    page.json = address(browse, LINK_PATHS, &here);
    here.format = "csv";
    here.with_limit = true; /* without one it would be everything */
    page.csv = address(browse, LINK_PATHS, &here);
    by_path.order = VIEW_BY_PATH;
    page.csv_all = address(browse, LINK_PATHS, &all);
    all.with_bom = true;
    page.csv_excel = address(browse, LINK_PATHS, &all);
    page_add_browse(&html, &page);
    answer_buffer(browse, TYPE_HTML, &html);
    buffer_free(&cursor);
}

/* Whoever goes back and finds the top before the page is full is led to the first page: rows have
 * moved since, and it would show only what is left above. */
static void lead_to_first_page(struct browse *browse)
{
    bool with_limit = browse->view.limit != VIEW_DEFAULT_ROWS;
    struct link link = {.view = &browse->view, .with_limit = with_limit};

    answer_header(browse->req, H2O_TOKEN_LOCATION, address(browse, LINK_PATHS, &link));
    answer_copy(browse->req, 303, TYPE_HTML, "", 0);
}

static bool on_rows(struct fetch *fetch, const struct http_answer *answer)
{
    struct browse *browse = H2O_STRUCT_FROM_MEMBER(struct browse, fetch, fetch);
    const char *error;
    struct rows rows;

    if (answer == NULL || answer->status != 200)
        return answer_failure(browse, answer);
    if (rows_decode(answer->body, answer->len, answer->encoding, &rows, &error) != 0) {
        answer_failure(browse, NULL);
        return false;
    }
    if (browse->form == ACCEPT_JSON)
        answer_rows_json(browse, &rows);
    else if (browse->form == ACCEPT_CSV)
        answer_rows_csv(browse, &rows);
    else if (browse->view.backwards && rows.previous == NULL && rows.size < browse->view.limit)
        lead_to_first_page(browse);
    else
        answer_rows_page(browse, &rows);
    rows_free(&rows);
    return true;
}

/* --- /-/paths/ANY/PATH --- */

void browse_path(const struct asked *asked)
{
    struct browse *browse = begin(asked);
    struct buffer target = {0};
    h2o_iovec_t rest;
    const char *error = read_form(browse, asked, &rest), *path = asked->path;
    size_t len = asked->path_len;

    if (error == NULL && rest.len != 0)
        error = "The query has an unknown parameter: format and bom are known.";
    if (error != NULL) {
        answer_error(browse, 400, error);
        return;
    }
    render_normalize(asked->req, &path, &len);
    if (len > PATH_MAX_BYTES) {
        answer_error(browse, 414, path_error_text(PATH_TOO_LONG));
        return;
    }
    buffer_add_literal(&target, API_PATHS);
    link_add_path(&target, path, len);
    fetch(browse, &target, on_path);
}

static bool on_path(struct fetch *fetch, const struct http_answer *answer)
{
    struct browse *browse = H2O_STRUCT_FROM_MEMBER(struct browse, fetch, fetch);
    struct buffer body = {0};
    struct path_detail detail;
    const char *error;

    if (answer == NULL || answer->status != 200)
        return answer_failure(browse, answer);
    if (detail_decode(answer->body, answer->len, &detail, &error) != 0) {
        answer_failure(browse, NULL);
        return false;
    }
    if (browse->form == ACCEPT_JSON) {
        detail_encode(&body, &detail);
        buffer_add_literal(&body, "\n");
        answer_buffer(browse, TYPE_JSON, &body);
    } else if (browse->form == ACCEPT_CSV) {
        csv_begin(&body, browse->with_bom);
        csv_add_detail(&body, &detail);
        answer_buffer(browse, TYPE_CSV, &body);
    } else {
        page_add_path(&body, &(struct page_path){.detail = &detail});
        answer_buffer(browse, TYPE_HTML, &body);
    }
    detail_free(&detail);
    return true;
}

/* The request's memory goes. */
static void on_gone(void *data)
{
    fetch_cancel(&((struct browse *)data)->fetch);
}
