/* The page of /-/me, on which visitors exclude their browser or count it again. Any thread. */
#ifndef RENDER_HTML_ME_PAGE_H
#define RENDER_HTML_ME_PAGE_H

#include "base/buffer.h"

#include <stdbool.h>

/* Appends the whole page. `cookie`: the cookie that excludes a browser, NAME=VALUE. */
void me_page_add(struct buffer *to, bool is_excluded, const char *cookie);

#endif
