/* The public side. A visit reads from top to bottom: the handler, then the hit is counted, then the
 * rows are there, or its time is up before. */

#include "proto/api.h"
#include "render-svc/html/link.h"
#include "render-svc/html/page.h"
#include "render-svc/html/rendered_rows.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/reserved.h"
#include "render-svc/public/visitor.h"
#include "server/http/answer.h"
#include "server/http/request.h"

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
    struct ranking_wait wait;
    struct timer deadline;
};

static void begin_visit(h2o_req_t *req, const char *path, size_t len, enum form form);
static void on_counted(struct hit *hit, struct number number, struct shared_rows *rows);
static void on_rows(struct ranking_wait *wait, struct shared_rows *rows);
static void answer_visit(struct visit *visit, struct shared_rows *rows);
static void refuse_visit(struct visit *visit, const char *detail);
static void on_deadline(struct timer *timer);
static void on_gone(void *data);

const char *const render_routes[N_ROUTES + 1] = {
    [ROUTE_NONE] = "none",   [ROUTE_VISIT] = "visit",     [ROUTE_ABOUT] = "about",
    [ROUTE_PATHS] = "paths", [ROUTE_PATH] = "path",       [ROUTE_LIVE] = "live",
    [ROUTE_BADGE] = "badge", [ROUTE_OPENAPI] = "openapi", [ROUTE_HIT] = "hit",
    [ROUTE_ASSET] = "asset", [ROUTE_HEALTH] = "health",   [ROUTE_ROBOTS] = "robots",
    [ROUTE_ME] = "me",       [ROUTE_HISTORY] = "history",
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

void render_normalize(h2o_req_t *req, const char **path, size_t *len)
{
    const struct render *render = worker_of(req)->app;
    char *room;

    if (!path_rules_are_set(&render->config->path_rules))
        return;
    room = h2o_mem_alloc_pool(&req->pool, NORMALIZED_BYTES(*len));
    *len = path_normalize(&render->config->path_rules, *path, *len, room);
    *path = room;
}

/* Takes base_path off the beginning of a path. Returns false when the path is not below it. */
static bool take_base(const char **path, size_t *len)
{
    if (*len < link_base.len || memcmp(*path, link_base.at, link_base.len) != 0 ||
        (*len > link_base.len && (*path)[link_base.len] != '/'))
        return false;
    *path += link_base.len;
    *len -= link_base.len;
    return true;
}

/* Answers what is not below base_path, or is base_path itself. */
static void answer_outside(h2o_req_t *req, const char *path, size_t len, bool is_json)
{
    if (h2o_memis(path, len, link_base.at, link_base.len))
        reply_redirect(req, 308, "/");
    else
        reply_error(req, 404, "This is not below the base path of the service.", is_json);
}

/* Answers a request for /robots.txt, if that is not to be counted. */
static bool answer_robots(h2o_req_t *req, const char *path, size_t len)
{
    static const char DENY[] = "User-agent: *\nDisallow: /\n";
    const struct render *render = worker_of(req)->app;

    if (render->config->robots != ROBOTS_DENY || !h2o_memis(path, len, H2O_STRLIT("/robots.txt")))
        return false;
    request_of(req)->route = ROUTE_ROBOTS;
    reply_may_be_kept(req, "public, max-age=3600");
    answer_copy(req, 200, "text/plain; charset=utf-8", DENY, sizeof(DENY) - 1);
    return true;
}

/* Handles what is not below /-/. `target` is the request's, below the base; `path` its canonical path, if
 * `error` is PATH_OK. */
static void handle_visit(h2o_req_t *req, h2o_iovec_t target, enum path_error error,
                         const char *path, size_t len, enum form form)
{
    bool is_json = form != FORM_HTML; /* errors are problems */

    request_of(req)->route = ROUTE_VISIT;
    if (reserved_is_for_all_origins(target.base, target.len)) {
        reply_is_for_all_origins(req);
        is_json = true;
    } else {
        reply_is_public(req);
    }
    if (error == PATH_OK)
        render_normalize(req, &path, &len);
    if (error == PATH_OK && len > PATH_MAX_BYTES)
        error = PATH_TOO_LONG;
    if (h2o_memis(req->path.base, req->path.len, H2O_STRLIT("*")))
        error = PATH_OK; /* it is OPTIONS: validate.h refuses this target to any other method */
    /* below /-/ other methods are known, too: there, what is wrong is that it cannot be a path */
    if (!method_is(req, "GET") && !method_is(req, "HEAD") && !method_is(req, "OPTIONS") &&
        (error == PATH_OK || !reserved_is(target.base, target.len)))
        reply_wrong_method(req, METHODS_TO_READ, is_json);
    else if (error != PATH_OK)
        reply_error(req, error == PATH_TOO_LONG ? 414 : 400, path_error_text(error), is_json);
    else if (method_is(req, "OPTIONS"))
        reply_options(req, METHODS_TO_READ);
    else if (reserved_is(path, len))
        reply_error(req, 400, "The normalised path is below /-/; such paths are not counted.",
                    is_json);
    else if (answer_robots(req, path, len))
        return;
    else if (method_is(req, "GET") && visitor_is_uncounted(req))
        uncounted_visit(req, path, len, form != FORM_HTML);
    else if (method_is(req, "HEAD") || !reply_refuse_ahead(req, is_json))
        begin_visit(req, path, len, form);
}

int render_handle(h2o_handler_t *self, h2o_req_t *req)
{
    const struct render *render = worker_of(req)->app;
    enum form form = choose_form(req);
    char *room = h2o_mem_alloc_pool(&req->pool, req->path.len);
    const char *path = room;
    h2o_iovec_t target = req->path;
    enum path_error error;
    size_t len = 0;

    (void)self;
    reply_add_headers(req);
    error = path_resolve(target.base, target.len, room, &len);
    if (render->config->base_is_in_targets) {
        if (error == PATH_OK && (!take_base(&path, &len) || len == 0)) {
            answer_outside(req, room, len + (size_t)(path - room), form != FORM_HTML);
            return 0;
        }
        if (target.len >= link_base.len && memcmp(target.base, link_base.at, link_base.len) == 0) {
            target.base += link_base.len;
            target.len -= link_base.len;
        }
    }
    if (error == PATH_OK && reserved_is(path, len))
        reserved_handle(req, path, len);
    else
        handle_visit(req, target, error, path, len, form);
    return 0;
}

/* --- a visit --- */

static void begin_visit(h2o_req_t *req, const char *path, size_t len, enum form form)
{
    struct render *render = worker_of(req)->app;
    struct visit *visit = h2o_mem_alloc_shared(&req->pool, sizeof(*visit), on_gone);

    *visit = (struct visit){.req = req, .form = form, .path = path, .path_len = len};
    visit->hit.path = path;
    visit->hit.path_len = len;
    visit->hit.trace = &request_of(req)->trace;
    visit->hit.wants_rows = form != FORM_MINIMAL;
    visit->hit.is_bot = method_is(req, "GET") && visitor_is_bot(req);
    if (method_is(req, "HEAD")) {
        ranking_wait_start(render->ranking, &visit->wait, on_rows);
    } else if (!lanes_add(render->lanes, &visit->hit, on_counted)) {
        reply_unavailable(req, "Too many visits wait to be counted.", form != FORM_HTML);
        return;
    }
    timer_start(&render->deadlines, &visit->deadline, on_deadline);
}

static void on_counted(struct hit *hit, struct number number, struct shared_rows *rows)
{
    struct visit *visit = H2O_STRUCT_FROM_MEMBER(struct visit, hit, hit);
    struct render *render = worker_of(visit->req)->app;

    visit->number = number;
    if (number.count == 0) {
        refuse_visit(visit, "The visit could not be counted.");
    } else if (visit->form == FORM_MINIMAL) {
        answer_visit(visit, NULL);
    } else if (rows != NULL) {
        answer_visit(visit, rows);
    } else {
        ranking_wait_start(render->ranking, &visit->wait, on_rows);
    }
}

static void on_rows(struct ranking_wait *wait, struct shared_rows *rows)
{
    answer_visit(H2O_STRUCT_FROM_MEMBER(struct visit, wait, wait), rows);
}

/* The parts of an answer, and how many of its bytes others are sent, too. */
struct parts {
    h2o_iovec_t parts[PAGE_PARTS];
    size_t count;
    size_t shared;
};

/* Adds a copy of what the buffer holds, which is freed. */
static void add_own(struct visit *visit, struct parts *to, struct buffer *own)
{
    to->parts[to->count++] = h2o_strdup(&visit->req->pool, own->bytes, own->len);
    buffer_free(own);
}

/* Adds bytes that live as long as what they are in, which is linked to the request. */
static void add_shared(struct visit *visit, struct parts *to, void *linked, const char *bytes,
                       size_t len)
{
    h2o_mem_link_shared(&visit->req->pool, linked);
    to->parts[to->count++] = h2o_iovec_init(bytes, len);
    to->shared += len;
}

static void add_json(struct visit *visit, struct rendered_rows *rows, struct parts *to)
{
    struct buffer own = {0};
    struct rows_text *text;

    json_add_own(&own, visit->path, visit->path_len, visit->number);
    if (rows == NULL) {
        if (visit->form == FORM_JSON)
            json_add_rows(&own, NULL);
        else
            buffer_add_literal(&own, "}\n");
        add_own(visit, to, &own);
        return;
    }
    text = rendered_rows_text(rows, ROWS_JSON);
    add_own(visit, to, &own);
    add_shared(visit, to, text, text->bytes, text->len);
}

static void add_packed_json(struct visit *visit, struct rendered_rows *rows, struct gzip *gzip,
                            struct parts *to)
{
    struct rows_packed *packed = rendered_rows_packed(rows, ROWS_JSON, gzip);
    struct buffer own = {0}, packed_own = {0}, end = {0};
    struct gzip_sum sum;

    json_add_own(&own, visit->path, visit->path_len, visit->number);
    buffer_add_literal(&packed_own, GZIP_HEAD);
    sum = gzip_join(gzip_add_plain(&packed_own, own.bytes, own.len), packed->sum);
    buffer_free(&own);
    add_own(visit, to, &packed_own);
    add_shared(visit, to, packed, packed->bytes, packed->len);
    gzip_add_end(&end, sum);
    add_own(visit, to, &end);
}

/* Renders the visitor's own part. */
static struct page_visit begin_page(struct visit *visit, struct rows_text *text)
{
    struct page_visit page = {0};

    if (text != NULL)
        page =
            (struct page_visit){.rows = text->bytes, .rows_len = text->len, .index = &text->index};
    page_begin_visit(&page, &visit->req->pool, visit->path, visit->path_len, visit->number);
    return page;
}

static void add_page(struct visit *visit, struct rendered_rows *rows, struct parts *to)
{
    struct rows_text *text = rows != NULL ? rendered_rows_text(rows, ROWS_HTML) : NULL;
    struct page_visit page = begin_page(visit, text);

    if (text != NULL)
        h2o_mem_link_shared(&visit->req->pool, text);
    to->count = page_of_visit(&page, to->parts);
    to->shared = page.rows_len;
}

static void add_packed_page(struct visit *visit, struct rendered_rows *rows, struct gzip *gzip,
                            struct parts *to)
{
    h2o_mem_pool_t *pool = &visit->req->pool;
    struct page_visit page = begin_page(visit, rendered_rows_text(rows, ROWS_HTML));
    struct rows_packed *packed = rendered_rows_packed(rows, ROWS_HTML, gzip);
    struct page_packed piece;

    h2o_mem_link_shared(pool, packed);
    if (page.row != 0) {
        struct rows_packed *marked = rendered_rows_marked(rows, page.row, gzip);
        h2o_mem_link_shared(pool, marked);
        piece = (struct page_packed){marked->bytes, marked->len, marked->sum};
    }
    to->count = page_of_visit_packed(&page, pool, packed->bytes, &packed->pieces,
                                     page.row != 0 ? &piece : NULL, to->parts, &to->shared);
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
static void answer_visit(struct visit *visit, struct shared_rows *rows)
{
    h2o_req_t *req = visit->req;
    struct parts answer = {.count = 0};
    struct rendered_rows *rendered = NULL;
    struct gzip *gzip;

    end_visit(visit);
    if (visit->form == FORM_MINIMAL)
        answer_header_named(req, "preference-applied", "return=minimal");
    if (method_is(req, "HEAD")) {
        reply_head(req, content_type(visit));
        return;
    }
    if (rows != NULL)
        rendered = rendered_rows_of(rows, &worker_of(req)->budget);
    gzip = rows != NULL ? reply_begin_gzip(req) : NULL;
    if (visit->form == FORM_HTML && gzip != NULL)
        add_packed_page(visit, rendered, gzip, &answer);
    else if (visit->form == FORM_HTML)
        add_page(visit, rendered, &answer);
    else if (gzip != NULL)
        add_packed_json(visit, rendered, gzip, &answer);
    else
        add_json(visit, rendered, &answer);
    reply_parts(req, content_type(visit), answer.parts, answer.count, answer.shared,
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
    ranking_wait_cancel(&visit->wait);
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
    ranking_wait_cancel(&visit->wait);
    timer_stop(&visit->deadline);
}
