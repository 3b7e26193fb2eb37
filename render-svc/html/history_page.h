/* The page of /-/history and /-/paths/ANY/PATH/history. Any thread. */
#ifndef RENDER_HTML_HISTORY_PAGE_H
#define RENDER_HTML_HISTORY_PAGE_H

#include "base/buffer.h"
#include "proto/history.h"

#include <stdbool.h>

/* Addresses are whole, percent-encoded, and end with NUL (link.h). */
struct history_page {
    const char *path; /* NULL: of all paths */
    size_t path_len;
    const struct history *history; /* its points are those that were requested */
    bool without_bots;
    const char *from, *to; /* as they were requested; "": not given */
    const char *address;   /* of the page, without a query */
    const char *json, *csv;
};

/* Appends the whole page. */
void history_page_add(struct buffer *to, const struct history_page *page);

#endif
