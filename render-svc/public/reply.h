/* Responses of the public side. A reply_… function adds the headers of the public side to a
 * response: policies, CORS, gzip, the output budget, errors as a page or as a problem. It sends the
 * response with an answer_… function (server/http/answer.h). A handler calls those itself only if
 * it needs nothing of the above.
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

/* Lets a browser send the Origin of this page with its forms, to this origin only. Otherwise the
 * browser sends "null". */
void reply_sends_origin(h2o_req_t *req);

/* Lets caches keep the response: `value` replaces Cache-Control. */
void reply_may_be_kept(h2o_req_t *req, const char *value);

/* Lets scripts of every origin read the response, also an error, if they send no credentials. Other
 * sites therefore cannot read a response that a proxy sends only after a login. Adds nothing if the
 * request has no Origin. */
void reply_is_public(h2o_req_t *req);

/* The same, also with credentials. A browser requires the origin and the permission of credentials
 * in the response to such a request (Fetch standard, "CORS check"). Without them the page sees a
 * failure although the hit was counted. Also lets isolated pages (COEP) show the response as an
 * image. */
void reply_is_for_all_origins(h2o_req_t *req);

/* Answers OPTIONS, which is also the preflight request of browsers (CORS). `methods`: the value of
 * Allow. */
void reply_options(h2o_req_t *req, const char *methods);

/* Returns the compressor for the response, after adding the headers of a compressed one, or NULL if
 * the response must not be compressed. */
struct gzip *reply_begin_gzip(h2o_req_t *req);

/* A constant text, plain and as one gzip member. */
struct reply_constant {
    h2o_iovec_t plain, packed;
};

/* Answers with a 200, in the form that the client accepts. */
void reply_constant(h2o_req_t *req, const char *content_type,
                    const struct reply_constant *constant);

/* Compresses `plain` as far as possible. This is slow, so call it once in the process. */
void reply_pack_constant(struct reply_constant *constant);

/* Answers with a 200, or with a 503 if the output budget has no room for it. reply_parts sends
 * `count` parts, which live as long as the request (answer_parts); `shared` of their bytes are also
 * sent to other clients. reply_copy sends a copy, compressed if the client accepts that. */
void reply_parts(h2o_req_t *req, const char *content_type, h2o_iovec_t *parts, size_t count,
                 size_t shared, bool json);
void reply_copy(h2o_req_t *req, const char *content_type, const char *body, size_t len, bool json);

/* Answers a HEAD, as answer_head does. */
void reply_head(h2o_req_t *req, const char *content_type);

/* Answers with an error, as a small page, or with `json` as a problem (RFC 9457). A browser that
 * opens the address gets the page in either case. */
void reply_error(h2o_req_t *req, int status, const char *detail, bool json);

/* The same with a 503: nothing is confirmed, and another request may succeed. */
void reply_unavailable(h2o_req_t *req, const char *detail, bool json);

/* Refuses a prefetch with a 503, if the configuration says so. The browser requests the page again
 * when its user opens it. Returns whether the request was a prefetch and is answered. */
bool reply_refuse_prefetch(h2o_req_t *req, bool json);

/* Redirects to another path of the service (link_add_address), with a 303 or 308. */
void reply_redirect(h2o_req_t *req, int status, const char *path);

/* Answers with a 405 that names the allowed methods. */
void reply_wrong_method(h2o_req_t *req, const char *allowed, bool json);

#endif
