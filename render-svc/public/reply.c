#include "render-svc/public/reply.h"

#include "proto/api.h"
#include "render-svc/html/error_page.h"
#include "render-svc/html/link.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/render.h"
#include "render-svc/public/visitor.h"
#include "server/http/answer.h"
#include "server/http/output_budget.h"
#include "server/http/request.h"
#include "server/ops/log.h"

#include <stdio.h>
#include <string.h>

/* How long browsers may cache a preflight response: a day. */
#define PREFLIGHT_AGE_S "86400"

/* The additional headers that scripts of other origins may read. */
#define EXPOSED "preference-applied, retry-after, x-request-id"

void reply_add_headers(h2o_req_t *req)
{
    answer_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
    answer_header(req, H2O_TOKEN_VARY, "accept, accept-encoding, prefer");
    answer_header_named(req, "x-content-type-options", "nosniff");
    answer_header_named(req, "referrer-policy", "no-referrer");
    answer_header_named(req, "x-request-id", request_trace(req));
}

/* Pages load only files of this origin. Robots must not follow their links, as each visit would be
 * a hit. */
static void add_page_policy(h2o_req_t *req)
{
    answer_header_named(req, "content-security-policy",
                        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                        "connect-src 'self'; form-action 'self'; base-uri 'none'; "
                        "frame-ancestors 'none'");
    answer_header_named(req, "x-frame-options", "DENY");
    answer_header_named(req, "x-robots-tag", "noindex, nofollow");
}

/* Pages of any site may show images, also in an <object>, <embed> or <iframe>, where they are inert
 * documents. (Browsers add a style to the document that they create for a GIF.) */
static void add_image_policy(h2o_req_t *req)
{
    answer_header_named(req, "content-security-policy",
                        "default-src 'none'; style-src 'unsafe-inline'; sandbox");
}

void reply_add_policy(h2o_req_t *req, const char *content_type)
{
    if (strcmp(content_type, TYPE_HTML) == 0)
        add_page_policy(req);
    else if (strcmp(content_type, TYPE_SVG) == 0 || strcmp(content_type, TYPE_GIF) == 0)
        add_image_policy(req);
}

static void remove_header(h2o_req_t *req, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&req->res.headers, name, strlen(name), -1);

    if (at >= 0)
        h2o_delete_header(&req->res.headers, at);
}

void reply_sends_origin(h2o_req_t *req)
{
    remove_header(req, "referrer-policy");
    answer_header_named(req, "referrer-policy", "same-origin");
}

void reply_may_be_kept(h2o_req_t *req, const char *value)
{
    h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, value, strlen(value), 1);
}

void reply_is_public(h2o_req_t *req)
{
    if (request_header(req, "origin").base == NULL)
        return;
    answer_header_named(req, "access-control-allow-origin", "*");
    answer_header_named(req, "access-control-expose-headers", EXPOSED);
}

void reply_options(h2o_req_t *req, const char *methods)
{
    answer_header_named(req, "access-control-allow-methods", methods);
    answer_header_named(req, "access-control-allow-headers",
                        "content-type, last-event-id, prefer, traceparent, tracestate");
    answer_header_named(req, "access-control-max-age", PREFLIGHT_AGE_S);
    answer_options(req, methods);
}

void reply_is_for_all_origins(h2o_req_t *req)
{
    h2o_iovec_t origin = request_header(req, "origin");

    h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_VARY, H2O_STRLIT("origin"), 1);
    if (origin.base != NULL) {
        h2o_add_header_by_str(&req->pool, &req->res.headers,
                              H2O_STRLIT("access-control-allow-origin"), 0, NULL, origin.base,
                              origin.len);
        answer_header_named(req, "access-control-allow-credentials", "true");
    } else {
        answer_header_named(req, "access-control-allow-origin", "*");
    }
    answer_header_named(req, "access-control-expose-headers", EXPOSED);
    answer_header_named(req, "cross-origin-resource-policy", "cross-origin");
}

/* Takes room for a response, or answers with a 503. `private` and `shared` in bytes. */
static bool make_room(h2o_req_t *req, size_t private, size_t shared, bool json)
{
    if (output_budget_admit(req, private, shared))
        return true;
    reply_unavailable(req, "Too many bytes wait for slow clients.", json);
    return false;
}

struct gzip *reply_begin_gzip(h2o_req_t *req)
{
    const struct render *render = worker_of(req)->app;
    h2o_iovec_t accept;

    if (!render->config->gzip)
        return NULL;
    accept = request_header(req, "accept-encoding");
    if (accept.base == NULL || !accept_allows_gzip(accept.base, accept.len))
        return NULL;
    answer_header(req, H2O_TOKEN_CONTENT_ENCODING, "gzip");
    return render->gzip;
}

void reply_pack_constant(struct reply_constant *constant)
{
    struct gzip *gzip = gzip_create(9);
    struct buffer packed = {0};

    gzip_add(gzip, &packed, constant->plain.base, constant->plain.len);
    constant->packed = h2o_strdup(NULL, packed.bytes, packed.len);
    buffer_free(&packed);
    gzip_destroy(gzip);
}

void reply_constant(h2o_req_t *req, const char *content_type, const struct reply_constant *constant)
{
    h2o_iovec_t body = constant->plain;

    if (constant->packed.len < body.len && reply_begin_gzip(req) != NULL)
        body = constant->packed;
    answer_parts(req, 200, content_type, &body, 1);
}

void reply_parts(h2o_req_t *req, const char *content_type, h2o_iovec_t *parts, size_t count,
                 size_t shared, bool json)
{
    size_t len = 0;

    for (size_t i = 0; i < count; ++i)
        len += parts[i].len;
    if (!make_room(req, len - shared, shared, json))
        return;
    reply_add_policy(req, content_type);
    answer_parts(req, 200, content_type, parts, count);
}

void reply_copy(h2o_req_t *req, const char *content_type, const char *body, size_t len, bool json)
{
    struct gzip *gzip =
        len >= GZIP_MIN_BYTES && len <= GZIP_MAX_BYTES ? reply_begin_gzip(req) : NULL;
    struct buffer packed = {0};

    if (gzip != NULL) {
        gzip_add(gzip, &packed, body, len);
        body = packed.bytes;
        len = packed.len;
    }
    if (make_room(req, len, 0, json)) {
        reply_add_policy(req, content_type);
        answer_copy(req, 200, content_type, body, len);
    }
    buffer_free(&packed);
}

void reply_head(h2o_req_t *req, const char *content_type)
{
    reply_add_policy(req, content_type);
    answer_head(req, 200, content_type);
}

void reply_error(h2o_req_t *req, int status, const char *detail, bool json)
{
    h2o_iovec_t accept = request_header(req, "accept");
    struct buffer page = {0};

    remove_header(req, "content-disposition"); /* browsers show an error, and do not save it */
    remove_header(req, "content-encoding");
    if (json && !accept_names_html(accept.base, accept.len)) {
        answer_problem(req, status, detail);
        return;
    }
    error_page_add(&page, status, status_title(status), detail, request_trace(req));
    reply_add_policy(req, TYPE_HTML);
    answer_copy(req, status, TYPE_HTML, page.bytes, page.len);
    buffer_free(&page);
}

void reply_unavailable(h2o_req_t *req, const char *detail, bool json)
{
    log_event(LOG_LEVEL_WARNING, "unavailable", "route=%s reason=%s trace=%s", request_route(req),
              LOG_QUOTED(detail), request_trace(req));
    answer_header_named(req, "retry-after", "1");
    reply_error(req, 503, detail, json);
}

bool reply_refuse_prefetch(h2o_req_t *req, bool json)
{
    const struct render *render = worker_of(req)->app;

    if (render->config->prefetch != PREFETCH_REFUSE || !visitor_is_prefetch(req))
        return false;
    answer_header_named(req, "retry-after", "1");
    reply_error(req, 503, "Prefetches are refused; the visit itself is counted.", json);
    return true;
}

void reply_redirect(h2o_req_t *req, int status, const char *path)
{
    struct buffer address = {0};

    link_add_address(&address, path);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_LOCATION, NULL,
                   h2o_strdup(&req->pool, address.bytes, address.len).base, address.len);
    buffer_free(&address);
    answer_copy(req, status, TYPE_HTML, "", 0);
}

void reply_wrong_method(h2o_req_t *req, const char *allowed, bool json)
{
    char detail[128];

    snprintf(detail, sizeof(detail), "Method not allowed; use %s.", allowed);
    answer_header(req, H2O_TOKEN_ALLOW, allowed);
    reply_error(req, 405, detail, json);
}
