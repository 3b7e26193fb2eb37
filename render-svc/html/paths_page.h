/* The page of /-/paths: the rows of a view, with search, exports, links to other views, and charts.
 * Any thread. */
#ifndef RENDER_HTML_PATHS_PAGE_H
#define RENDER_HTML_PATHS_PAGE_H

#include "render-svc/html/path_table.h"

/* Addresses are whole, percent-encoded, and end with NUL (link.h); NULL: there is no such page. */
struct paths_page {
    struct path_table_controls controls; /* its view is that of the page */
    const struct rows *rows;             /* with totals; perhaps none */
    const char *first;                   /* the first page of the view, unless this is it */
    const char *previous;
    const char *next;
    const struct history *days, *hours; /* of all paths; NULL: no such chart */
};

/* Appends the whole page. */
void paths_page_add(struct buffer *to, const struct paths_page *page);

#endif
