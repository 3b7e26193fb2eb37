/* The page about the API: what can be asked for, with examples to copy. */
#ifndef RENDER_HTML_API_PAGE_H
#define RENDER_HTML_API_PAGE_H

#include "base/buffer.h"

#include <stdbool.h>

/* Appends the whole page. `host` is what the request was sent to, as its Host header says; the
 * examples are about it, if it is a name, an address and a port and nothing else. */
void api_page_add(struct buffer *to, const char *host, size_t len);

#endif
