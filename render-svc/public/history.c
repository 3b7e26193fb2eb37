/* /-/history and /-/paths/ANY/PATH/history, as a page, as JSON, as CSV. A request reads from top to
 * bottom: its parameters, the read from counter-svc, the answer in its form. */

#include "proto/history.h"
#include "base/json.h"
#include "proto/api.h"
#include "render-svc/html/csv.h"
#include "render-svc/html/history_page.h"
#include "render-svc/html/link.h"
#include "render-svc/html/query.h"
#include "render-svc/public/form.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <string.h>

enum parameter { UNIT, FROM, TO, BOTS, N_PARAMETERS };

/* A request while it waits for counter-svc; in its pool. */
struct call {
    h2o_req_t *req;
    struct form form;
    const char *path; /* NULL: all paths */
    size_t path_len;
    h2o_iovec_t values[N_PARAMETERS];
    bool without_bots;
    struct read_request read;
};

static bool on_history_answered(struct read_request *read, const struct http_answer *answer);
static void on_history_disposed(void *data);

static const char *const NAMES[N_PARAMETERS] = {
    [UNIT] = "unit", [FROM] = "from", [TO] = "to", [BOTS] = "bots"};

/* Reads the query. counter-svc checks the values of unit, from and to. */
static const char *read_query(struct call *call, const struct api_request *request)
{
    h2o_mem_pool_t *pool = &request->req->pool;
    h2o_iovec_t rest, bots;
    const char *error = form_read(&call->form, request, &rest);

    if (error == NULL)
        error = query_take(pool, rest.base, rest.len, NAMES, N_PARAMETERS, call->values, &rest);
    if (error != NULL)
        return error;
    if (rest.len != 0)
        return "Unknown query parameter; use unit, from, to, bots, format or bom.";
    bots = call->values[BOTS];
    call->without_bots = h2o_memis(bots.base, bots.len, H2O_STRLIT("exclude"));
    if (bots.base != NULL && !call->without_bots &&
        !h2o_memis(bots.base, bots.len, H2O_STRLIT("include")))
        return "\"bots\" is neither include nor exclude.";
    return NULL;
}

/* Returns whether the query has a value. A form sends its empty fields, too. */
static bool is_given(const struct call *call, enum parameter parameter)
{
    return call->values[parameter].len != 0;
}

/* Appends the parameters up to `last` that the query has, each after a separator. */
static void add_parameters(struct buffer *to, const struct call *call, enum parameter last,
                           char separator)
{
    for (enum parameter i = 0; i <= last; ++i) {
        if (!is_given(call, i))
            continue;
        buffer_add(to, &separator, 1);
        buffer_add_string(to, NAMES[i]);
        buffer_add_literal(to, "=");
        buffer_add_percent(to, call->values[i].base, call->values[i].len);
        separator = '&';
    }
}

/* Reads a history; `path` NULL: of all paths. */
static void begin(const struct api_request *request, const char *path, size_t len)
{
    const struct render *render = worker_of(request->req)->app;
    struct call *call =
        h2o_mem_alloc_shared(&request->req->pool, sizeof(*call), on_history_disposed);
    struct buffer target = {0};
    const char *error;

    *call = (struct call){.req = request->req};
    error = read_query(call, request);
    if (error != NULL) {
        reply_error(request->req, 400, error, call->form.type != ACCEPT_HTML);
        return;
    }
    if (path != NULL)
        render_normalize(request->req, &path, &len);
    if (len > PATH_MAX_BYTES) {
        reply_error(request->req, 414, path_error_text(PATH_TOO_LONG),
                    call->form.type != ACCEPT_HTML);
        return;
    }
    call->path = path;
    call->path_len = len;
    buffer_add_literal(&target, API_HISTORY "?path=");
    if (path != NULL)
        link_add_path(&target, path, len);
    else
        target.len = sizeof(API_HISTORY) - 1;
    add_parameters(&target, call, TO, path != NULL ? '&' : '?');
    read_request_start(render->reads, &call->read, &target, &request_of(call->req)->trace,
                       on_history_answered);
    buffer_free(&target);
}

void history_of_all(const struct api_request *request)
{
    begin(request, NULL, 0);
}

void history_of_path(const struct api_request *request)
{
    begin(request, request->path, request->path_len - strlen(LINK_HISTORY_SUFFIX));
}

/* --- the answer --- */

/* Handles an answer that is not a 200. Passes on the detail of counter-svc's problem. */
static bool answer_failure(struct call *call, const struct http_answer *answer)
{
    bool is_json = call->form.type != ACCEPT_HTML;
    const char *error, *detail = NULL;
    json_t *problem = NULL;

    if (answer == NULL) {
        reply_unavailable(call->req, "The history cannot be read at the moment.", is_json);
        return true;
    }
    problem = json_load_object(answer->body, answer->len, &error);
    detail = json_string_value(json_object_get(problem, "detail"));
    reply_error(call->req, answer->status,
                detail != NULL ? h2o_strdup(&call->req->pool, detail, SIZE_MAX).base
                               : "There is no such history.",
                is_json);
    json_decref(problem);
    return true;
}

static int64_t hits_of(const struct call *call, const struct history_point *point)
{
    return call->without_bots ? point->hits - point->bots : point->hits;
}

static void add_json(struct call *call, const struct history *history, struct buffer *json)
{
    buffer_add_literal(json, "{\"path\":");
    if (call->path != NULL)
        buffer_add_json(json, call->path, call->path_len);
    else
        buffer_add_literal(json, "null");
    buffer_add_string(json, history->by_hour ? ",\"unit\":\"hour\",\"zone\":"
                                             : ",\"unit\":\"day\",\"zone\":");
    buffer_add_json(json, history->zone, strlen(history->zone));
    buffer_add_literal(json, ",\"begins\":");
    buffer_add_json(json, history->begins, strlen(history->begins));
    for (int list = 0; list < 3; ++list) {
        buffer_add_string(json, list == 0   ? ",\"times\":["
                                : list == 1 ? "],\"hits\":["
                                            : "],\"bots\":[");
        for (size_t i = 0; i < history->size; ++i) {
            const struct history_point *point = &history->points[i];
            if (i != 0)
                buffer_add_literal(json, ",");
            if (list == 0)
                buffer_add_json(json, point->time, point->time_len);
            else
                buffer_add_int(json, list == 1 ? hits_of(call, point) : point->bots);
        }
    }
    buffer_add_literal(json, "]}\n");
}

static void add_csv(struct call *call, const struct history *history, struct buffer *csv)
{
    csv_begin(csv, call->form.with_bom);
    buffer_add_string(csv, history->by_hour ? "hour,hits,bots" CSV_END : "day,hits,bots" CSV_END);
    for (size_t i = 0; i < history->size; ++i) {
        const struct history_point *point = &history->points[i];
        buffer_add(csv, point->time, point->time_len);
        buffer_add_literal(csv, ",");
        buffer_add_int(csv, hits_of(call, point));
        buffer_add_literal(csv, ",");
        buffer_add_int(csv, point->bots);
        buffer_add_literal(csv, CSV_END);
    }
}

/* Returns the address of this history in a format, with the same parameters; with NULL the address
 * of the page, without a query. In the request's pool. */
static const char *address(struct call *call, const char *format)
{
    struct buffer text = {0};
    h2o_iovec_t copy;

    if (call->path == NULL) {
        link_add_address(&text, LINK_HISTORY);
    } else {
        link_add_address(&text, LINK_PATHS);
        link_add_path(&text, call->path, call->path_len);
        buffer_add_literal(&text, LINK_HISTORY_SUFFIX);
    }
    if (format != NULL) {
        buffer_add_literal(&text, "?format=");
        buffer_add_string(&text, format);
        add_parameters(&text, call, BOTS, '&');
    }
    copy = h2o_strdup(&call->req->pool, text.bytes, text.len);
    buffer_free(&text);
    return copy.base;
}

static void add_page(struct call *call, const struct history *history, struct buffer *html)
{
    history_page_add(
        html,
        &(struct history_page){
            .path = call->path,
            .path_len = call->path_len,
            .history = history,
            .without_bots = call->without_bots,
            .from = is_given(call, FROM) ? h2o_strdup(&call->req->pool, call->values[FROM].base,
                                                      call->values[FROM].len)
                                               .base
                                         : "",
            .to =
                is_given(call, TO)
                    ? h2o_strdup(&call->req->pool, call->values[TO].base, call->values[TO].len).base
                    : "",
            .address = address(call, NULL),
            .json = address(call, "json"),
            .csv = address(call, "csv"),
        });
}

static bool on_history_answered(struct read_request *read, const struct http_answer *answer)
{
    struct call *call = H2O_STRUCT_FROM_MEMBER(struct call, read, read);
    struct history history;
    struct buffer body = {0};
    const char *error;

    if (answer == NULL || answer->status != 200)
        return answer_failure(call, answer);
    if (history_decode(answer->body, answer->len, &history, &error) != 0) {
        answer_failure(call, NULL);
        return false;
    }
    if (call->form.type == ACCEPT_JSON)
        add_json(call, &history, &body);
    else if (call->form.type == ACCEPT_CSV)
        add_csv(call, &history, &body);
    else
        add_page(call, &history, &body);
    form_answer(call->req, &call->form, &body);
    history_free(&history);
    return true;
}

/* The request's memory is freed. */
static void on_history_disposed(void *data)
{
    read_request_cancel(&((struct call *)data)->read);
}
