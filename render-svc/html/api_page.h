/* The page of /-/: the API for programs, with examples to copy. Any thread. */
#ifndef RENDER_HTML_API_PAGE_H
#define RENDER_HTML_API_PAGE_H

#include "base/buffer.h"

#include <stdbool.h>

/* Appends the whole page. `host` is the value of the request's Host header. The examples use it if
 * it consists of a name or an address, perhaps with a port; otherwise they use an example host. */
void api_page_add(struct buffer *to, const char *host, size_t len);

#endif
