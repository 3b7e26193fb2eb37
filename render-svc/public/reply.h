/* Responses of the public side. server/http/answer.h sends a response of either service. reply.h is
 * the layer above it for browsers: headers, policies, CORS, gzip, the output budget, and errors as
 * a page or as a problem. A handler calls answer.h itself only for what needs none of these.
 *
 * All calls from the request's loop.
 */
#ifndef RENDER_PUBLIC_REPLY_H
#define RENDER_PUBLIC_REPLY_H

#include <h2o.h>
#include <stdbool.h>

#define TYPE_HTML "text/html; charset=utf-8"
#define TYPE_JSON "application/json"
#define TYPE_CSV  "text/csv; charset=utf-8; header=present"
#define TYPE_SVG  "image/svg+xml"
#define TYPE_GIF  "image/gif"

/* The methods of a resource that can only be read. */
#define METHODS_TO_READ "GET, HEAD, OPTIONS"

/* Adds the headers of every response, with Cache-Control: no-store. */
void reply_add_headers(h2o_req_t *req);

/* Adds the Content-Security-Policy of TYPE_HTML, TYPE_SVG or TYPE_GIF. Every other type gets the
 * policy of server/http/answer.h. The functions below that send a response call it themselves. */
void reply_add_policy(h2o_req_t *req, const char *content_type);

/* Lets a browser send the Origin of this page with its forms, to this origin alone. Otherwise it
 * sends "null". */
void reply_sends_origin(h2o_req_t *req);

/* Lets caches keep the response: `value` replaces Cache-Control. */
void reply_may_be_kept(h2o_req_t *req, const char *value);

/* Lets scripts of every origin read the response, also an error, if they send no credentials. So
 * other sites cannot read what a proxy shows only after a login. Adds nothing if the request has no
 * Origin. */
void reply_is_public(h2o_req_t *req);

/* The same, and with credentials. For a request with credentials a browser requires its origin and
 * the permission of credentials in the response (Fetch standard, "CORS check"); without them a hit
 * that was counted fails for the page. Also lets isolated pages (COEP) show the response as an
 * image. */
void reply_is_for_all_origins(h2o_req_t *req);

/* Answers OPTIONS, which is also the preflight request of browsers (CORS). `methods`: the value of
 * Allow. */
void reply_options(h2o_req_t *req, const char *methods);

/* Returns the compressor for the response, after adding the headers of a compressed one; NULL: the
 * response is not to be compressed. */
struct gzip *reply_begin_gzip(h2o_req_t *req);

/* Text that never changes, and the same as one gzip member. */
struct reply_constant {
    h2o_iovec_t plain, packed;
};

/* Answers with a 200 and the one of the two that the client accepts. */
void reply_constant(h2o_req_t *req, const char *content_type,
                    const struct reply_constant *constant);

/* Compresses `plain` as far as possible. It is slow, so once in the process. */
void reply_pack_constant(struct reply_constant *constant);

/* Answers with a 200, or with a 503 if the output budget has no room for it. reply_parts sends
 * `count` parts, which live as long as the request (answer_parts); `shared` of their bytes are sent
 * to other clients, too. reply_copy sends a copy, compressed if the client accepts that. */
void reply_parts(h2o_req_t *req, const char *content_type, h2o_iovec_t *parts, size_t count,
                 size_t shared, bool json);
void reply_copy(h2o_req_t *req, const char *content_type, const char *body, size_t len, bool json);

/* Answers a HEAD, as answer_head does. */
void reply_head(h2o_req_t *req, const char *content_type);

/* Answers with an error, as a small page, or with `json` as a problem (RFC 9457). A browser that
 * opens the address gets the page even then. */
void reply_error(h2o_req_t *req, int status, const char *detail, bool json);

/* The same with a 503: nothing is confirmed, and another request may succeed. */
void reply_unavailable(h2o_req_t *req, const char *detail, bool json);

/* Refuses a prefetch with a 503, if the configuration says so: the browser requests the page again
 * when its user opens it. Returns whether it was a prefetch and is answered. */
bool reply_refuse_prefetch(h2o_req_t *req, bool json);

/* Redirects to another path of the service (link_add_address), with a 303 or 308. */
void reply_redirect(h2o_req_t *req, int status, const char *path);

/* Answers with a 405 that names the allowed methods. */
void reply_wrong_method(h2o_req_t *req, const char *allowed, bool json);

#endif
