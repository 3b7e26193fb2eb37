/* A GET or HEAD of a path that is not below /-/. The steps of a GET in render-svc, each with its
 * function. Functions without a file are in this one, in this order:
 *
 *   1. on_request           refuses an invalid head (server/http/http_server.c, validate.c)
 *   2. render_handle        makes the path canonical and chooses the route (routes.c)
 *   3. visit_handle         answers requests that do not count: method, path, robots.txt, visitor
 *   4. begin_visit          makes the visit and its hit
 *      lanes_add            adds the hit to the worker's open batch (count/lanes.c)
 *      --- the end of the loop's turn ---
 *   5. dispatch_open_batch  gives the open batch to a free lane (count/lanes.c)
 *      lane_dispatch        sorts the batch; send_batch gives it its sequence (count/lane.c)
 *      counter_call         chooses the replica (count/counter_client.c, replicas.c)
 *      http_call            takes a connection, encodes the batch, writes the request
 *                           (count/http_client.c; hits_encode in proto/api.c)
 *      --- counter-svc counts the batch: counter-svc/api_hits.c ---
 *   6. on_read              checks the head of the answer (count/http_client.c, http_head.c)
 *      on_call_answered     notes that the replica works (count/counter_client.c)
 *      on_batch_answered    decodes the answer (count/lane.c; counts_decode in proto/api.c)
 *      confirm              gives each hit of the batch its own count (count/lane.c)
 *   7. on_hit_counted       has the hit's count, and usually the rows of the table
 *      on_table_rows        has the rows later, if the answer to the batch had none
 *   8. answer_visit         renders the page or the JSON:
 *      rendered_rows_text   the rows, once for all visits of the batch (html/rendered_rows.c)
 *      page_begin_visit     the part that only this visit gets (html/page.c)
 *      reply_parts          adds headers and sends the parts (reply.c, server/http/answer.c)
 *      --- libh2o has written the answer, or the client has left ---
 *   9. on_request_end       counts and logs the request (server/http/http_server.c, request.c)
 *  10. on_visit_disposed    cancels the hit and the wait for rows, if they still wait
 *
 * A HEAD is not counted: after step 4 it waits for the rows. on_visit_deadline answers 503 if the
 * hit is not confirmed within request_deadline_ms.
 */
#include "proto/api.h"
#include "render-svc/html/page.h"
#include "render-svc/html/rendered_rows.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "render-svc/public/visitor.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <string.h>

/* The forms of an answer. */
enum form { FORM_HTML, FORM_JSON, FORM_MINIMAL };

/* A visit, in the request's pool. */
struct visit {
    h2o_req_t *req;
    enum form form;
    const char *path; /* canonical */
    size_t path_len;
    struct hit_count count; /* its count is 0 until the hit is confirmed */
    struct hit hit;
    struct ranking_wait wait;
    struct timer deadline;
};

static void begin_visit(h2o_req_t *req, const char *path, size_t len, enum form form);
static void on_hit_counted(struct hit *hit, struct hit_count count, struct shared_rows *rows);
static void on_table_rows(struct ranking_wait *wait, struct shared_rows *rows);
static void answer_visit(struct visit *visit, struct shared_rows *rows);
static void refuse_visit(struct visit *visit, const char *detail);
static void on_visit_deadline(struct timer *timer);
static void on_visit_disposed(void *data);

/* --- requests that are not counted --- */

/* Chooses the form by Accept and Prefer. */
static enum form choose_form(h2o_req_t *req)
{
    h2o_iovec_t accept = request_header(req, "accept");
    h2o_iovec_t prefer = request_header(req, "prefer");

    if (accept.base == NULL || !accept_prefers_json(accept.base, accept.len))
        return FORM_HTML;
    return prefer.base != NULL && prefer_is_minimal(prefer.base, prefer.len) ? FORM_MINIMAL
                                                                             : FORM_JSON;
}

/* Answers a request with a wrong method or path, and OPTIONS. Returns whether it did. */
static bool answer_invalid(h2o_req_t *req, h2o_iovec_t target, enum path_error error, bool is_json)
{
    bool is_get_or_head = method_is(req, "GET") || method_is(req, "HEAD");

    /* `*` is not a path. validate.h allows it for OPTIONS only. */
    if (h2o_memis(req->path.base, req->path.len, H2O_STRLIT("*")))
        error = PATH_OK;
    /* Some routes below /-/ allow other methods. An invalid target there gets the error of its
     * path. */
    if (!is_get_or_head && !method_is(req, "OPTIONS") &&
        (error == PATH_OK || !route_is_reserved(target.base, target.len)))
        reply_wrong_method(req, METHODS_TO_READ, is_json);
    else if (error != PATH_OK)
        reply_error(req, error == PATH_TOO_LONG ? 414 : 400, path_error_text(error), is_json);
    else if (method_is(req, "OPTIONS"))
        reply_options(req, METHODS_TO_READ);
    else
        return false;
    return true;
}

/* Answers /robots.txt if the configuration denies robots. Returns whether it did. */
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

void visit_handle(h2o_req_t *req, h2o_iovec_t target, enum path_error error, const char *path,
                  size_t len)
{
    enum form form = choose_form(req);
    bool is_json = form != FORM_HTML; /* errors are problem documents */

    /* 1. Set the route and the CORS headers. */
    request_of(req)->route = ROUTE_VISIT;
    if (route_is_for_all_origins(target.base, target.len)) {
        reply_is_for_all_origins(req);
        is_json = true;
    } else {
        reply_is_public(req);
    }
    /* 2. Normalise the path, and answer requests that are not visits. */
    if (error == PATH_OK)
        render_normalize(req, &path, &len);
    if (error == PATH_OK && len > PATH_MAX_BYTES)
        error = PATH_TOO_LONG;
    if (answer_invalid(req, target, error, is_json))
        return;
    if (route_is_reserved(path, len)) {
        reply_error(req, 400, "The normalised path is below /-/; such paths are not counted.",
                    is_json);
        return;
    }
    if (answer_robots(req, path, len))
        return;
    /* 3. Answer visitors that are not counted. */
    if (method_is(req, "GET") && visitor_is_uncounted(req)) {
        uncounted_visit(req, path, len, form != FORM_HTML);
        return;
    }
    if (method_is(req, "GET") && reply_refuse_prefetch(req, is_json))
        return;
    /* 4. Count the visit. */
    begin_visit(req, path, len, form);
}

/* --- the hit --- */

/* Adds the hit of a GET to the open batch. A HEAD only waits for the rows. */
static void begin_visit(h2o_req_t *req, const char *path, size_t len, enum form form)
{
    struct render *render = worker_of(req)->app;
    struct visit *visit = h2o_mem_alloc_shared(&req->pool, sizeof(*visit), on_visit_disposed);

    *visit = (struct visit){.req = req, .form = form, .path = path, .path_len = len};
    visit->hit.path = path;
    visit->hit.path_len = len;
    visit->hit.trace = &request_of(req)->trace;
    visit->hit.wants_rows = form != FORM_MINIMAL;
    visit->hit.is_bot = method_is(req, "GET") && visitor_is_bot(req);
    if (method_is(req, "HEAD")) {
        ranking_wait_start(render->ranking, &visit->wait, on_table_rows);
    } else if (!lanes_add(render->lanes, &visit->hit, on_hit_counted)) {
        reply_unavailable(req, "Too many visits wait to be counted.", form != FORM_HTML);
        return;
    }
    timer_start(&render->deadlines, &visit->deadline, on_visit_deadline);
}

/* The hit is confirmed, or its batch was given up. */
static void on_hit_counted(struct hit *hit, struct hit_count count, struct shared_rows *rows)
{
    struct visit *visit = H2O_STRUCT_FROM_MEMBER(struct visit, hit, hit);
    struct render *render = worker_of(visit->req)->app;

    visit->count = count;
    if (count.count == 0)
        refuse_visit(visit, "The visit could not be counted.");
    else if (visit->form == FORM_MINIMAL)
        answer_visit(visit, NULL);
    else if (rows != NULL)
        answer_visit(visit, rows);
    else
        ranking_wait_start(render->ranking, &visit->wait, on_table_rows);
}

/* The rows have arrived. */
static void on_table_rows(struct ranking_wait *wait, struct shared_rows *rows)
{
    answer_visit(H2O_STRUCT_FROM_MEMBER(struct visit, wait, wait), rows);
}

/* --- rendering --- */

/* The parts of an answer. `shared` counts the bytes that are also sent to other visitors. */
struct parts {
    h2o_iovec_t parts[PAGE_PARTS];
    size_t count;
    size_t shared;
};

/* Adds a copy of the buffer's bytes and frees the buffer. */
static void add_private(struct visit *visit, struct parts *to, struct buffer *private)
{
    to->parts[to->count++] = h2o_strdup(&visit->req->pool, private->bytes, private->len);
    buffer_free(private);
}

/* Adds bytes of `linked`, and keeps `linked` alive as long as the request. */
static void add_shared(struct visit *visit, struct parts *to, void *linked, const char *bytes,
                       size_t len)
{
    h2o_mem_link_shared(&visit->req->pool, linked);
    to->parts[to->count++] = h2o_iovec_init(bytes, len);
    to->shared += len;
}

/* Adds the private part of the JSON, then the shared rows. */
static void add_json(struct visit *visit, struct rendered_rows *rows, struct parts *to)
{
    struct buffer private = {0};
    struct rows_text *text;

    json_add_visit(&private, visit->path, visit->path_len, visit->count);
    if (rows == NULL) {
        if (visit->form == FORM_JSON)
            json_add_rows(&private, NULL);
        else
            buffer_add_literal(&private, "}\n");
        add_private(visit, to, &private);
        return;
    }
    text = rendered_rows_text(rows, ROWS_JSON);
    add_private(visit, to, &private);
    add_shared(visit, to, text, text->bytes, text->len);
}

/* The same, compressed. */
static void add_packed_json(struct visit *visit, struct rendered_rows *rows, struct gzip *gzip,
                            struct parts *to)
{
    struct rows_packed *packed = rendered_rows_packed(rows, ROWS_JSON, gzip);
    struct buffer private = {0}, packed_private = {0}, end = {0};
    struct gzip_sum sum;

    json_add_visit(&private, visit->path, visit->path_len, visit->count);
    buffer_add_literal(&packed_private, GZIP_HEAD);
    sum = gzip_join(gzip_add_plain(&packed_private, private.bytes, private.len), packed->sum);
    buffer_free(&private);
    add_private(visit, to, &packed_private);
    add_shared(visit, to, packed, packed->bytes, packed->len);
    gzip_add_end(&end, sum);
    add_private(visit, to, &end);
}

/* Renders the part of the page that only this visitor gets. */
static struct page_visit begin_page(struct visit *visit, struct rows_text *text)
{
    struct page_visit page = {0};

    if (text != NULL)
        page =
            (struct page_visit){.rows = text->bytes, .rows_len = text->len, .index = &text->index};
    page_begin_visit(&page, &visit->req->pool, visit->path, visit->path_len, visit->count);
    return page;
}

/* Adds the parts of the page. */
static void add_page(struct visit *visit, struct rendered_rows *rows, struct parts *to)
{
    struct rows_text *text = rows != NULL ? rendered_rows_text(rows, ROWS_HTML) : NULL;
    struct page_visit page = begin_page(visit, text);

    if (text != NULL)
        h2o_mem_link_shared(&visit->req->pool, text);
    to->count = page_of_visit(&page, to->parts);
    to->shared = page.rows_len;
}

/* The same, compressed. The piece with the visited row is compressed again. */
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

/* --- the answer --- */

/* Stops the deadline and records the duration. */
static void end_visit(struct visit *visit)
{
    const struct render *render = worker_of(visit->req)->app;

    timer_stop(&visit->deadline);
    histogram_add_ns(&render->metrics->page_seconds,
                     monotonic_ns() - request_of(visit->req)->begun_us * 1000);
}

/* Answers with a page or JSON. `rows` is NULL if the rows are unavailable or not wanted. */
static void answer_visit(struct visit *visit, struct shared_rows *rows)
{
    h2o_req_t *req = visit->req;
    struct parts answer = {.count = 0};
    struct rendered_rows *rendered = NULL;
    struct gzip *gzip = NULL;

    end_visit(visit);
    if (visit->form == FORM_MINIMAL)
        answer_header_named(req, "preference-applied", "return=minimal");
    if (method_is(req, "HEAD")) {
        reply_head(req, content_type(visit));
        return;
    }
    if (rows != NULL) {
        rendered = rendered_rows_of(rows, worker_of(req)->budget);
        gzip = reply_begin_gzip(req);
    }
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

/* Answers 503. */
static void refuse_visit(struct visit *visit, const char *detail)
{
    end_visit(visit);
    reply_unavailable(visit->req, detail, visit->form != FORM_HTML);
}

static void on_visit_deadline(struct timer *timer)
{
    struct visit *visit = H2O_STRUCT_FROM_MEMBER(struct visit, deadline, timer);

    hit_cancel(&visit->hit);
    ranking_wait_cancel(&visit->wait);
    if (visit->count.count != 0)
        answer_visit(visit, NULL); /* counted; only the rows are missing */
    else
        refuse_visit(visit, "The visit could not be counted in time.");
}

/* The request ends: it was answered, or its connection was closed. */
static void on_visit_disposed(void *data)
{
    struct visit *visit = data;

    hit_cancel(&visit->hit);
    ranking_wait_cancel(&visit->wait);
    timer_stop(&visit->deadline);
}
