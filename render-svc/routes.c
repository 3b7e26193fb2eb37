/* The public side. A visit reads from top to bottom: the handler, then the hit is counted, then the
 * rows are there, or its time is up before. */

#include "proto/api.h"
#include "render-svc/accept.h"
#include "render-svc/assets.h"
#include "render-svc/page.h"
#include "render-svc/render.h"
#include "service/answer.h"

#include <string.h>

#define OWN_PREFIX "/-/"

/* The forms that an answer can have. */
enum form { FORM_HTML, FORM_JSON, FORM_MINIMAL };

/* A GET or HEAD of a path; in the request's pool. */
struct visit {
    h2o_req_t *req;
    enum form form;
    const char *path; /* canonical */
    size_t path_len;
    int64_t number; /* 0: not counted, or not yet */
    struct hit hit;
    struct table_wait wait;
    struct timer deadline;
};

static void handle_own(h2o_req_t *req, const char *path, size_t len, bool json);
static void begin_visit(h2o_req_t *req, const char *path, size_t len, enum form form);
static void on_counted(struct hit *hit, int64_t number);
static void on_rows(struct table_wait *wait, struct table_text *rows);
static void answer_visit(struct visit *visit, struct table_text *rows);
static void on_deadline(struct timer *timer);
static void on_gone(void *data);

static void answer_error(h2o_req_t *req, int status, const char *detail, bool json)
{
    struct buffer page = {0};

    if (json) {
        answer_problem(req, status, detail);
        return;
    }
    page_add_error(&page, status, status_title(status), detail);
    answer_copy(req, status, "text/html; charset=utf-8", page.bytes, page.len);
    buffer_free(&page);
}

/* Not confirmed: counted at most once. */
static void answer_unconfirmed(h2o_req_t *req, const char *detail, bool json)
{
    answer_header_named(req, "retry-after", "1");
    answer_error(req, 503, detail, json);
}

/* What every answer has, but that an asset may be kept. */
static void add_headers(h2o_req_t *req)
{
    answer_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
    answer_header(req, H2O_TOKEN_VARY, "accept, prefer");
    answer_header_named(req, "x-content-type-options", "nosniff");
    answer_header_named(req, "referrer-policy", "no-referrer");
    answer_header_named(req, "content-security-policy",
                        "default-src 'none'; img-src 'self'; style-src 'self'; "
                        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
}

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
    char *path = h2o_mem_alloc_pool(&req->pool, req->path.len);
    enum path_error error;
    size_t len;

    (void)self;
    /* libh2o takes the first of two Content-Length headers: what stands behind a body may be a
     * request that somebody in between took for a part of it */
    if (req->entity.base != NULL)
        req->http1_is_persistent = 0;
    add_headers(req);
    if (!method_is(req, "GET") && !method_is(req, "HEAD")) {
        answer_header(req, H2O_TOKEN_ALLOW, "GET, HEAD");
        answer_error(req, 405, "Only GET and HEAD are allowed here.", form != FORM_HTML);
        return 0;
    }
    error = path_canonicalize(req->path.base, req->path.len, path, &len);
    if (error != PATH_OK)
        answer_error(req, error == PATH_TOO_LONG ? 414 : 400, path_error_text(error),
                     form != FORM_HTML);
    else if (len >= strlen(OWN_PREFIX) && memcmp(path, OWN_PREFIX, strlen(OWN_PREFIX)) == 0)
        handle_own(req, path, len, form != FORM_HTML);
    else
        begin_visit(req, path, len, form);
    return 0;
}

/* --- what belongs to the service --- */

static void handle_own(h2o_req_t *req, const char *path, size_t len, bool json)
{
    static const struct asset {
        const char *path, *type, *from, *to;
    } ASSETS[] = {
        {"/-/icon.svg", "image/svg+xml", asset_icon, asset_icon_end},
        {"/-/style.css", "text/css; charset=utf-8", asset_style, asset_style_end},
    };
    h2o_iovec_t body;

    for (size_t i = 0; i < sizeof(ASSETS) / sizeof(ASSETS[0]); ++i) {
        const struct asset *asset = &ASSETS[i];
        if (!h2o_memis(path, len, asset->path, strlen(asset->path)))
            continue;
        h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL,
                       H2O_STRLIT("max-age=3600"), 1);
        body = h2o_iovec_init(asset->from, (size_t)(asset->to - asset->from));
        answer_parts(req, 200, asset->type, &body, 1);
        return;
    }
    answer_error(req, 404, "There is nothing of this name here.", json);
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
    if (method_is(req, "HEAD")) {
        table_wait(render->table, &visit->wait, table_form(visit), on_rows);
    } else if (!lanes_add(render->lanes, &visit->hit, on_counted)) {
        answer_unconfirmed(req, "Too many visits wait to be counted.", form != FORM_HTML);
        return;
    }
    timer_start(&render->deadlines, &visit->deadline, on_deadline);
}

static void on_counted(struct hit *hit, int64_t number)
{
    struct visit *visit = H2O_STRUCT_FROM_MEMBER(struct visit, hit, hit);
    struct render *render = worker_of(visit->req)->app;

    visit->number = number;
    if (number == 0) {
        timer_stop(&visit->deadline);
        answer_unconfirmed(visit->req, "The visit could not be counted.", visit->form != FORM_HTML);
    } else if (visit->form == FORM_MINIMAL) {
        answer_visit(visit, NULL);
    } else {
        table_wait(render->table, &visit->wait, table_form(visit), on_rows);
    }
}

static void on_rows(struct table_wait *wait, struct table_text *rows)
{
    answer_visit(H2O_STRUCT_FROM_MEMBER(struct visit, wait, wait), rows);
}

/* Adds the rows, shared with others, or what stands in their place. */
static h2o_iovec_t rows_part(const struct visit *visit, struct table_text *rows)
{
    struct buffer none = {0};
    h2o_iovec_t part;

    if (rows != NULL) {
        h2o_mem_link_shared(&visit->req->pool, rows);
        return h2o_iovec_init(rows->bytes, rows->len);
    }
    if (visit->form == FORM_HTML)
        page_add_rows(&none, NULL);
    else if (visit->form == FORM_JSON)
        json_add_rows(&none, NULL);
    else
        buffer_add_literal(&none, "}\n");
    part = h2o_strdup(&visit->req->pool, none.bytes, none.len);
    buffer_free(&none);
    return part;
}

static const char *content_type(const struct visit *visit)
{
    return visit->form == FORM_HTML ? "text/html; charset=utf-8" : "application/json";
}

/* `rows` NULL: there are none to show, or none are wanted. */
static void answer_visit(struct visit *visit, struct table_text *rows)
{
    h2o_req_t *req = visit->req;
    struct buffer own = {0};
    h2o_iovec_t parts[3];
    size_t count = 0;

    timer_stop(&visit->deadline);
    if (visit->form == FORM_MINIMAL)
        answer_header_named(req, "preference-applied", "return=minimal");
    if (method_is(req, "HEAD")) {
        answer_head(req, 200, content_type(visit));
        return;
    }
    if (visit->form == FORM_HTML) {
        parts[count++] = page_head();
        page_add_own(&own, visit->path, visit->path_len, visit->number);
    } else {
        json_add_own(&own, visit->path, visit->path_len, visit->number);
    }
    parts[count++] = h2o_strdup(&req->pool, own.bytes, own.len);
    parts[count++] = rows_part(visit, rows);
    buffer_free(&own);
    answer_parts(req, 200, content_type(visit), parts, count);
}

static void on_deadline(struct timer *timer)
{
    struct visit *visit = H2O_STRUCT_FROM_MEMBER(struct visit, deadline, timer);

    hit_withdraw(&visit->hit);
    table_cancel(&visit->wait);
    if (visit->number != 0)
        answer_visit(visit, NULL); /* it is counted, only the rows are missing */
    else
        answer_unconfirmed(visit->req, "The visit could not be counted in time.",
                           visit->form != FORM_HTML);
}

/* The request's memory goes: after the answer, or because its connection was closed. */
static void on_gone(void *data)
{
    struct visit *visit = data;

    hit_withdraw(&visit->hit);
    table_cancel(&visit->wait);
    timer_stop(&visit->deadline);
}
