/* Which form of an answer the client prefers: content negotiation (RFC 9110, 12.5.1) between HTML
 * and JSON, and the preference for a minimal answer (RFC 7240).
 */
#ifndef RENDER_ACCEPT_H
#define RENDER_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether JSON is wanted rather than HTML, by the value of an Accept header ("" for none). Of two
 * that are wanted as much, the one that is named more exactly wins (programs say "application/json,
 * and anything"), then HTML; HTML, too, where neither is acceptable: an answer in the wrong form is
 * better than none. */
bool accept_prefers_json(const char *value, size_t len);

/* Whether a Prefer header asks for return=minimal. */
bool prefer_is_minimal(const char *value, size_t len);

#endif
