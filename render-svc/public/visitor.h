/* Properties of the sender of a request, from its headers. They are not stored. All calls from the
 * request's loop. */
#ifndef RENDER_PUBLIC_VISITOR_H
#define RENDER_PUBLIC_VISITOR_H

#include <h2o.h>
#include <stdbool.h>

/* Returns whether a browser prefetches or prerenders the page before its user opens it (Sec-
 * Purpose; Purpose and X-Moz of older browsers; X-Purpose of Safari's previews). */
bool visitor_is_prefetch(h2o_req_t *req);

/* Returns whether the request is by a bot, according to its User-Agent (bots.h). The result is kept
 * for the connection, as long as its requests have the same User-Agent. */
bool visitor_is_bot(h2o_req_t *req);

/* Returns whether the browser is excluded: it has the cookie that /-/me sets. */
bool visitor_is_excluded(h2o_req_t *req);
#define VISITOR_COOKIE "pathcount=uncounted"

/* Returns whether the visit is answered and not counted: it is by an excluded browser, or by a bot
 * while bots are ignored. */
bool visitor_is_uncounted(h2o_req_t *req);

/* Returns whether a page of another site may have forged the request (CSRF). A request without Sec-
 * Fetch-Site and Origin, which browsers send, is not from a browser and not forged. */
bool visitor_may_be_forged(h2o_req_t *req);

#endif
