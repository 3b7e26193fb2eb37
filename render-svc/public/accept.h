/* Which form of an answer the client prefers: content negotiation (RFC 9110, 12.5.1) between HTML,
 * JSON and, where that is offered, CSV; and the preference for a minimal answer (RFC 7240).
 */
#ifndef RENDER_PUBLIC_ACCEPT_H
#define RENDER_PUBLIC_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

enum accept_form { ACCEPT_HTML, ACCEPT_JSON, ACCEPT_CSV };

/* The form that is wanted most, by the value of an Accept header ("" for none). Of those that are
 * wanted as much, the one that is named more exactly wins (programs say "application/json, and
 * anything"), then the one that stands first above; HTML, too, where none is acceptable: an answer
 * in the wrong form is better than none. */
enum accept_form accept_choose(const char *value, size_t len, bool offers_csv);

/* Whether text/html is named and wanted most, as by a browser that opens an address: an image, a
 * script or a program does not name it. */
bool accept_names_html(const char *value, size_t len);

/* Whether JSON is wanted rather than HTML. */
bool accept_prefers_json(const char *value, size_t len);

/* Whether an Accept-Encoding header allows gzip, and does not prefer the answer as it is (RFC 9110,
 * 12.5.3). */
bool accept_allows_gzip(const char *value, size_t len);

/* Whether a Prefer header asks for return=minimal. */
bool prefer_is_minimal(const char *value, size_t len);

#endif
