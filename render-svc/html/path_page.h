/* The page of one path: /-/paths/ANY/PATH, or the page of a visit that is not counted. Any
 * thread. */
#ifndef RENDER_HTML_PATH_PAGE_H
#define RENDER_HTML_PATH_PAGE_H

#include "proto/detail.h"
#include "proto/history.h"

struct path_page {
    const struct path_detail *detail;   /* its count is 0 only for a visit that is not counted */
    const struct history *days, *hours; /* NULL: no such chart */
    bool is_visit;                      /* a visit that is not counted */
    bool is_bot; /* of a visit: by an ignored bot; otherwise by an excluded browser */
};

/* Appends the whole page. */
void path_page_add(struct buffer *to, const struct path_page *page);

#endif
