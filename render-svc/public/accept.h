/* Content negotiation (RFC 9110, 12.5.1) between HTML, JSON and, where it is offered, CSV; and the
 * preference for a minimal response (RFC 7240). Any thread.
 */
#ifndef RENDER_PUBLIC_ACCEPT_H
#define RENDER_PUBLIC_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

enum accept_form { ACCEPT_HTML, ACCEPT_JSON, ACCEPT_CSV };

/* Returns the form with the highest weight in an Accept header ("" for none). Of equal weights the
 * more specific range wins (programs send JSON first, then any type), then the first form above.
 * Returns HTML if none is acceptable: a response in the wrong form is better than none. */
enum accept_form accept_choose(const char *value, size_t len, bool offers_csv);

/* Returns whether the header names text/html and prefers it, like that of a browser that opens an
 * address. The requests of images, scripts and programs do not name it. */
bool accept_names_html(const char *value, size_t len);

/* Returns whether JSON is preferred to HTML. */
bool accept_prefers_json(const char *value, size_t len);

/* Returns whether an Accept-Encoding header allows gzip and does not prefer an uncompressed
 * response (RFC 9110, 12.5.3). */
bool accept_allows_gzip(const char *value, size_t len);

/* Returns whether a Prefer header requests return=minimal. */
bool prefer_is_minimal(const char *value, size_t len);

#endif
