/* What all public answers have in common: the form that is wanted, headers, errors.
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

/* The methods of what can only be looked at. */
#define METHODS_TO_READ "GET, HEAD, OPTIONS"

/* Adds the headers that every answer has, Cache-Control: no-store among them. */
void reply_add_headers(h2o_req_t *req);

/* Adds the Content-Security-Policy of a type of its own, TYPE_HTML, TYPE_SVG or TYPE_GIF. Every other
 * type has the policy of server/http/answer.h. The functions below that send call it themselves. */
void reply_add_policy(h2o_req_t *req, const char *content_type);

/* Lets a browser say where the forms of this page come from, to this origin alone. By itself it would
 * say "null". */
void reply_sends_origin(h2o_req_t *req);

/* Lets the answer be kept: `value` replaces the Cache-Control that is there. */
void reply_may_be_kept(h2o_req_t *req, const char *value);

/* Lets scripts of every origin read the answer, an error as well, if they send no credentials: so what a
 * proxy shows only after a login stays hidden from other sites. Adds nothing to a request without
 * Origin. */
void reply_is_public(h2o_req_t *req);

/* The same, and with credentials. A browser that sends them wants its origin named and credentials
 * allowed (the Fetch standard, "CORS check"); otherwise a hit that was counted fails for the
 * page. Also lets pages that are isolated show the answer as an image. */
void reply_is_for_all_origins(h2o_req_t *req);

/* Answers OPTIONS, and what a browser asks before a script of another origin may send other headers than
 * the usual. `methods` are what Allow names. */
void reply_options(h2o_req_t *req, const char *methods);

/* The compressor to use for the answer, which then has the headers of one that is compressed; NULL: it
 * is to be sent as it is. */
struct gzip *reply_begin_gzip(h2o_req_t *req);

/* Text that never changes, and the same as one gzip member. */
struct reply_constant {
    h2o_iovec_t plain, packed;
};

/* Answers with a 200 and whichever of the two the client takes. */
void reply_constant(h2o_req_t *req, const char *content_type,
                    const struct reply_constant *constant);

/* Compresses `plain` as small as it gets. Takes its time, so once in the process. */
void reply_pack_constant(struct reply_constant *constant);

/* Answer with a 200: with `count` parts, which live as long as the request (answer_parts), and of which
 * `shared` bytes are others', too; with a copy, which is
 * compressed where the client allows it. With a 503 instead, when clients that do not read leave no room
 * for it (output_budget.h). */
void reply_parts(h2o_req_t *req, const char *content_type, h2o_iovec_t *parts, size_t count,
                 size_t shared, bool json);
void reply_copy(h2o_req_t *req, const char *content_type, const char *body, size_t len, bool json);

/* Answers a HEAD, as answer_head does. */
void reply_head(h2o_req_t *req, const char *content_type);

/* Answers with an error: a problem (RFC 9457) or a small page. A browser that opens the address gets
 * the page even with `json`. */
void reply_error(h2o_req_t *req, int status, const char *detail, bool json);

/* The same with a 503: nothing was confirmed, asking again may help. */
void reply_unavailable(h2o_req_t *req, const char *detail, bool json);

/* The same, if the configuration says so and a browser makes the request ahead: it then asks again when its
 * user goes there. Returns whether it was answered. */
bool reply_refuse_ahead(h2o_req_t *req, bool json);

/* Leads to another address of the service (link_add_address), with a 303 or 308. */
void reply_redirect(h2o_req_t *req, int status, const char *path);

/* The same with a 405, which names the methods there are. */
void reply_wrong_method(h2o_req_t *req, const char *allowed, bool json);

#endif
