/* What a request says about how it came about. Nothing of it is kept. From the request's loop. */
#ifndef RENDER_PUBLIC_VISITOR_H
#define RENDER_PUBLIC_VISITOR_H

#include <h2o.h>
#include <stdbool.h>

/* Whether a browser loads the page ahead, before its user goes there: prefetch or prerender
 * (Sec-Purpose; Purpose and X-Moz of older browsers; X-Purpose of Safari's previews). */
bool visitor_is_ahead(h2o_req_t *req);

/* Whether the request is a bot's, by its User-Agent (bots.h). Agents are matched once for a connection, as long as
 * its requests have the same one. */
bool visitor_is_bot(h2o_req_t *req);

/* Whether the browser's own visits are left out: it bears the cookie that /-/me sets. */
bool visitor_is_left_out(h2o_req_t *req);
#define VISITOR_COOKIE "pathcount=uncounted"

/* Whether the visit is answered and not counted: by a browser that is left out, or by a bot where bots are
 * ignored. */
bool visitor_is_uncounted(h2o_req_t *req);

/* Whether the request may come from a page of another site, whose visitor does not know of it. Without
 * the headers that browsers send it is no browser's. */
bool visitor_may_be_led(h2o_req_t *req);

#endif
