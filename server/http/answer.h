/* Sends all responses of handlers. An answer_… function sends a response as the handler has made
 * it. render-svc has a layer above it for browsers: its reply_… functions
 * (render-svc/public/reply.h) add headers, policies and compression.
 *
 * Every response with a body has a Content-Length. Without it libh2o would send a 200 in chunks,
 * and would close the connection after any other status. A response to HEAD has no body. While the
 * service stops, every response has `Connection: close`. A handler adds its own headers before it
 * calls one of these functions, once per request. All calls from the request's loop.
 *
 * A response with a body has a Content-Security-Policy. Unless the handler has added one, the
 * browser may load nothing for the document and may not show it in a frame. So a browser that opens
 * JSON or an error does not request /favicon.ico, which render-svc would count.
 */
#ifndef SERVER_HTTP_ANSWER_H
#define SERVER_HTTP_ANSWER_H

#include "server/http/request.h"

#include <h2o.h>

/* Sends `count` parts as the body. Their bytes must live as long as the request: in its pool, in
 * memory shared with the pool, or in static memory. */
void answer_parts(h2o_req_t *req, int status, const char *content_type, h2o_iovec_t *parts,
                  size_t count);

/* Answers a HEAD without a Content-Length, because the length is not known (RFC 9110, 8.6). */
void answer_head(h2o_req_t *req, int status, const char *content_type);

/* Begins a 200 of unknown length. `generator`, in the request's pool, continues with h2o_send, or
 * gives up (connection.h). HTTP/1.1 sends the body in chunks; in HTTP/1.0 it ends with the
 * connection. If the response does not complete, the connection is reset. */
void answer_stream(h2o_req_t *req, const char *content_type, h2o_generator_t *generator);

/* Answers 204. */
void answer_nothing(h2o_req_t *req);

/* Answers an OPTIONS with 204. `allowed` lists the methods of the target, separated by ", ". */
void answer_options(h2o_req_t *req, const char *allowed);

/* Sends a copy of `len` bytes. */
void answer_copy(h2o_req_t *req, int status, const char *content_type, const void *body,
                 size_t len);

/* Sends a problem document (RFC 9457). `detail` is a sentence. */
void answer_problem(h2o_req_t *req, int status, const char *detail);

/* Adds a header with a value that lives as long as the request. */
void answer_header(h2o_req_t *req, const h2o_token_t *name, const char *value);

/* The same for a header without a token in libh2o. `name` is a constant in lower case. */
void answer_header_named(h2o_req_t *req, const char *name, const char *value);

#endif
