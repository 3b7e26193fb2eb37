/* A small page about an error. Any thread. */
#ifndef RENDER_HTML_ERROR_PAGE_H
#define RENDER_HTML_ERROR_PAGE_H

#include "base/buffer.h"

/* Appends the whole page. `title` names the status, `detail` is a sentence that says what is wrong;
 * the page adds what to do about it. `reference` is the trace id under which the service's log has
 * the request. */
void error_page_add(struct buffer *to, int status, const char *title, const char *detail,
                    const char *reference);

#endif
