/* The one place that sends responses.
 *
 * Every response with a body has a Content-Length (without it libh2o would answer a 200 in chunks
 * and close the connection after anything else), none has a body to HEAD, and while the service is
 * stopping each says `Connection: close`. Headers of its own are put on the request with
 * h2o_add_header before. All calls from the request's loop, once per request.
 *
 * A response with a body has a Content-Security-Policy. Unless the handler has added one, a browser
 * may load nothing for the document and may not show it in a frame. So a browser that opens JSON or
 * an error does not ask for /favicon.ico, which render-svc would count.
 */
#ifndef SERVER_HTTP_ANSWER_H
#define SERVER_HTTP_ANSWER_H

#include "server/http/request.h"

#include <h2o.h>

/* Sends `count` parts as the body. Their bytes must live as long as the request: in its pool, in
 * memory shared with the pool, or for ever. */
void answer_parts(h2o_req_t *req, int status, const char *content_type, h2o_iovec_t *parts,
                  size_t count);

/* Answers a HEAD for which it is not known how long the body would be (RFC 9110, 8.6 allows that).
 */
void answer_head(h2o_req_t *req, int status, const char *content_type);

/* Begins a 200 whose length is not known yet: `generator`, in the request's pool, goes on with h2o_send,
 * or gives up (connection.h). In HTTP/1.1 it is sent in chunks, in HTTP/1.0 up to the connection's end;
 * unless it completes, the connection is reset. */
void answer_stream(h2o_req_t *req, const char *content_type, h2o_generator_t *generator);

/* Answers 204: it is done, and there is nothing to say about it. */
void answer_nothing(h2o_req_t *req);

/* Answers an OPTIONS: 204, with the methods that are allowed here, separated by ", ". */
void answer_options(h2o_req_t *req, const char *allowed);

/* Sends a copy of `len` bytes. */
void answer_copy(h2o_req_t *req, int status, const char *content_type, const void *body,
                 size_t len);

/* Sends an application/problem+json (RFC 9457). */
void answer_problem(h2o_req_t *req, int status, const char *detail);

/* Adds a header with a value that lives as long as the request. */
void answer_header(h2o_req_t *req, const h2o_token_t *name, const char *value);

/* The same for one that libh2o has no token for; `name` in lower case, a constant. */
void answer_header_named(h2o_req_t *req, const char *name, const char *value);

#endif
