/* The public side. A visit reads from top to bottom: the handler, then the hit is counted, then the
 * rows are there, or its time is up before. */

#include "proto/api.h"
#include "render-svc/accept.h"
#include "render-svc/own.h"
#include "render-svc/page.h"
#include "render-svc/render.h"
#include "render-svc/reply.h"
#include "service/answer.h"
#include "service/request.h"

#include <string.h>

/* The forms that an answer can have. */
enum form { FORM_HTML, FORM_JSON, FORM_MINIMAL };

/* A GET or HEAD of a path; in the request's pool. */
struct visit {
    h2o_req_t *req;
    enum form form;
    const char *path; /* canonical */
    size_t path_len;
    struct number number; /* its count 0: not counted, or not yet */
    struct hit hit;
    struct table_wait wait;
    struct timer deadline;
};

static void begin_visit(h2o_req_t *req, const char *path, size_t len, enum form form);
static void on_counted(struct hit *hit, struct number number, struct table_rows *rows);
static void on_rows(struct table_wait *wait, struct table_text *rows);
static void answer_visit(struct visit *visit, struct table_text *rows);
static void refuse_visit(struct visit *visit, const char *detail);
static void on_deadline(struct timer *timer);
static void on_gone(void *data);

const char *const render_routes[N_ROUTES + 1] = {
    [ROUTE_NONE] = "none",   [ROUTE_VISIT] = "visit",     [ROUTE_ABOUT] = "about",
    [ROUTE_PATHS] = "paths", [ROUTE_PATH] = "path",       [ROUTE_LIVE] = "live",
    [ROUTE_BADGE] = "badge", [ROUTE_OPENAPI] = "openapi", [ROUTE_HIT] = "hit",
    [ROUTE_ASSET] = "asset", [ROUTE_HEALTH] = "health",
};

static enum form choose_form(h2o_req_t *req)
{
    h2o_iovec_t accept = request_header(req, "accept");
    h2o_iovec_t prefer = request_header(req, "prefer");

    if (accept.base == NULL || !accept_prefers_json(accept.base, accept.len))
        return FORM_HTML;
    return prefer.base != NULL && prefer_is_minimal(prefer.base, prefer.len) ? FORM_MINIMAL
                                                                             : FORM_JSON;
}

int render_handle(h2o_handler_t *self, h2o_req_t *req)
{
    enum form form = choose_form(req);
    bool is_json = form != FORM_HTML; /* errors are problems */
    char *path = h2o_mem_alloc_pool(&req->pool, req->path.len);
    enum path_error error;
    size_t len;

    (void)self;
    reply_add_headers(req);
    error = path_resolve(req->path.base, req->path.len, path, &len);
    if (error == PATH_OK && own_is(path, len)) {
        own_handle(req, path, len);
        return 0;
    }
    request_of(req)->route = ROUTE_VISIT;
    if (own_is_for_all_origins(req->path.base, req->path.len)) {
        reply_is_for_all_origins(req);
        is_json = true;
    }
    if (error == PATH_OK && len > PATH_MAX_BYTES)
        error = PATH_TOO_LONG;
    if (h2o_memis(req->path.base, req->path.len, H2O_STRLIT("*")))
        error = PATH_OK; /* it is OPTIONS: strict.h refuses this target to any other method */
    /* below /-/ other methods are known, too: there, what is wrong is that it cannot be a path */
    if (!method_is(req, "GET") && !method_is(req, "HEAD") && !method_is(req, "OPTIONS") &&
        (error == PATH_OK || !own_is(req->path.base, req->path.len)))
        reply_wrong_method(req, METHODS_TO_READ, is_json);
    else if (error != PATH_OK)
        reply_error(req, error == PATH_TOO_LONG ? 414 : 400, path_error_text(error), is_json);
    else if (method_is(req, "OPTIONS"))
        answer_options(req, METHODS_TO_READ);
    else
        begin_visit(req, path, len, form);
    return 0;
}

/* --- a visit --- */

static enum table_form table_form(const struct visit *visit)
{
    return visit->form == FORM_HTML ? TABLE_HTML : TABLE_JSON;
}

static void begin_visit(h2o_req_t *req, const char *path, size_t len, enum form form)
{
    struct render *render = worker_of(req)->app;
    struct visit *visit = h2o_mem_alloc_shared(&req->pool, sizeof(*visit), on_gone);

    *visit = (struct visit){.req = req, .form = form, .path = path, .path_len = len};
    visit->hit.path = path;
    visit->hit.path_len = len;
    visit->hit.trace = &request_of(req)->trace;
    visit->hit.wants_rows = form != FORM_MINIMAL;
    if (method_is(req, "HEAD")) {
        table_wait(render->table, &visit->wait, table_form(visit), on_rows);
    } else if (!lanes_add(render->lanes, &visit->hit, on_counted)) {
        reply_unavailable(req, "Too many visits wait to be counted.", form != FORM_HTML);
        return;
    }
    timer_start(&render->deadlines, &visit->deadline, on_deadline);
}

static void on_counted(struct hit *hit, struct number number, struct table_rows *rows)
{
    struct visit *visit = H2O_STRUCT_FROM_MEMBER(struct visit, hit, hit);
    struct render *render = worker_of(visit->req)->app;

    visit->number = number;
    if (number.count == 0) {
        refuse_visit(visit, "The visit could not be counted.");
    } else if (visit->form == FORM_MINIMAL) {
        answer_visit(visit, NULL);
    } else if (rows != NULL) {
        answer_visit(visit, table_rows_text(rows, table_form(visit)));
    } else {
        table_wait(render->table, &visit->wait, table_form(visit), on_rows);
    }
}

static void on_rows(struct table_wait *wait, struct table_text *rows)
{
    answer_visit(H2O_STRUCT_FROM_MEMBER(struct visit, wait, wait), rows);
}

static h2o_iovec_t json_own(const struct visit *visit)
{
    struct buffer own = {0};
    h2o_iovec_t part;

    json_add_own(&own, visit->path, visit->path_len, visit->number);
    part = h2o_strdup(&visit->req->pool, own.bytes, own.len);
    buffer_free(&own);
    return part;
}

/* The rows as JSON, shared with others, or what stands in their place. */
static h2o_iovec_t json_rows(const struct visit *visit, struct table_text *rows)
{
    struct buffer none = {0};
    h2o_iovec_t part;

    if (rows != NULL)
        return h2o_iovec_init(rows->bytes, rows->len);
    if (visit->form == FORM_JSON)
        json_add_rows(&none, NULL);
    else
        buffer_add_literal(&none, "}\n");
    part = h2o_strdup(&visit->req->pool, none.bytes, none.len);
    buffer_free(&none);
    return part;
}

static const char *content_type(const struct visit *visit)
{
    return visit->form == FORM_HTML ? TYPE_HTML : TYPE_JSON;
}

static void end_visit(struct visit *visit)
{
    const struct render *render = worker_of(visit->req)->app;

    timer_stop(&visit->deadline);
    histogram_add_ns(&render->metrics->page_seconds,
                     monotonic_ns() - request_of(visit->req)->begun_us * 1000);
}

/* `rows` NULL: there are none to show, or none are wanted. */
static void answer_visit(struct visit *visit, struct table_text *rows)
{
    h2o_req_t *req = visit->req;
    h2o_iovec_t parts[PAGE_PARTS];
    size_t count = 0;

    end_visit(visit);
    if (visit->form == FORM_MINIMAL)
        answer_header_named(req, "preference-applied", "return=minimal");
    if (method_is(req, "HEAD")) {
        reply_head(req, content_type(visit));
        return;
    }
    if (rows != NULL)
        h2o_mem_link_shared(&req->pool, rows);
    if (visit->form == FORM_HTML) {
        count = page_of_visit(&req->pool, visit->path, visit->path_len, visit->number,
                              rows != NULL ? rows->bytes : NULL, rows != NULL ? rows->len : 0,
                              rows != NULL ? &rows->index : NULL, parts);
    } else {
        parts[count++] = json_own(visit);
        parts[count++] = json_rows(visit, rows);
    }
    reply_parts(req, content_type(visit), parts, count, rows != NULL ? rows->len : 0,
                visit->form != FORM_HTML);
}

static void refuse_visit(struct visit *visit, const char *detail)
{
    end_visit(visit);
    reply_unavailable(visit->req, detail, visit->form != FORM_HTML);
}

static void on_deadline(struct timer *timer)
{
    struct visit *visit = H2O_STRUCT_FROM_MEMBER(struct visit, deadline, timer);

    hit_withdraw(&visit->hit);
    table_cancel(&visit->wait);
    if (visit->number.count != 0)
        answer_visit(visit, NULL); /* it is counted, only the rows are missing */
    else
        refuse_visit(visit, "The visit could not be counted in time.");
}

/* The request's memory goes: after the answer, or because its connection was closed. */
static void on_gone(void *data)
{
    struct visit *visit = data;

    hit_withdraw(&visit->hit);
    table_cancel(&visit->wait);
    timer_stop(&visit->deadline);
}
