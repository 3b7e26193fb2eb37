/* The beginning and the end of every page. Any thread. */
#ifndef RENDER_HTML_FRAME_H
#define RENDER_HTML_FRAME_H

#include "base/buffer.h"

/* Appends the beginning of a page, up to and with `<main …>`. `here` is the page's own address
 * among those in the navigation (link.h); NULL: the page is not among them. */
void frame_begin(struct buffer *to, const char *title, const char *here);

/* Appends the end of a page, from `</main>` on. */
void frame_end(struct buffer *to);

#endif
