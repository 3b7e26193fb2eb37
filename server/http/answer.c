#include "server/http/answer.h"

#include "proto/api.h"
#include "server/http/connection.h"
#include "server/http/request.h"

#include <string.h>

#define POLICY "content-security-policy"

void answer_header(h2o_req_t *req, const h2o_token_t *name, const char *value)
{
    h2o_add_header(&req->pool, &req->res.headers, name, NULL, value, strlen(value));
}

void answer_header_named(h2o_req_t *req, const char *name, const char *value)
{
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 0, NULL, value,
                          strlen(value));
}

/* Forbids the browser everything, unless the handler has added a policy. */
static void add_policy(h2o_req_t *req)
{
    if (h2o_find_header_by_str(&req->res.headers, H2O_STRLIT(POLICY), -1) >= 0)
        return;
    answer_header_named(req, POLICY, "default-src 'none'; frame-ancestors 'none'");
    answer_header_named(req, "x-frame-options", "DENY");
}

static void begin_response(h2o_req_t *req, int status, const char *content_type,
                           size_t content_length, h2o_generator_t *generator)
{
    req->res.status = status;
    req->res.reason = status_title(status);
    req->res.content_length = content_length;
    if (content_type != NULL) {
        answer_header(req, H2O_TOKEN_CONTENT_TYPE, content_type);
        add_policy(req);
    }
    /* libh2o keeps the connection alive if it read the request before the stop began. */
    if (req->conn->ctx->shutdown_requested)
        req->http1_is_persistent = 0;
    h2o_start_response(req, generator);
}

static void send_response(h2o_req_t *req, int status, const char *content_type, h2o_iovec_t *parts,
                          size_t count, size_t content_length)
{
    static h2o_generator_t generator = {NULL, NULL};

    begin_response(req, status, content_type, content_length, &generator);
    h2o_send(req, parts, method_is(req, "HEAD") ? 0 : count, H2O_SEND_STATE_FINAL);
}

void answer_parts(h2o_req_t *req, int status, const char *content_type, h2o_iovec_t *parts,
                  size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; ++i)
        len += parts[i].len;
    send_response(req, status, content_type, parts, count, len);
}

void answer_head(h2o_req_t *req, int status, const char *content_type)
{
    send_response(req, status, content_type, NULL, 0, SIZE_MAX);
}

void answer_stream(h2o_req_t *req, const char *content_type, h2o_generator_t *generator)
{
    if (req->version < 0x101)
        req->http1_is_persistent = 0; /* HTTP/1.0 has no chunks: the connection ends the body */
    connection_reset_unless_complete(req);
    begin_response(req, 200, content_type, SIZE_MAX, generator);
}

void answer_nothing(h2o_req_t *req)
{
    send_response(req, 204, NULL, NULL, 0, SIZE_MAX); /* no length (RFC 9110, 8.6) */
}

void answer_options(h2o_req_t *req, const char *allowed)
{
    answer_header(req, H2O_TOKEN_ALLOW, allowed);
    answer_nothing(req);
}

void answer_copy(h2o_req_t *req, int status, const char *content_type, const void *body, size_t len)
{
    h2o_iovec_t part = h2o_strdup(&req->pool, body, len);

    answer_parts(req, status, content_type, &part, 1);
}

void answer_problem(h2o_req_t *req, int status, const char *detail)
{
    struct buffer body = {0};

    problem_encode(&body, status, detail, request_trace(req));
    answer_copy(req, status, "application/problem+json", body.bytes, body.len);
    buffer_free(&body);
}
