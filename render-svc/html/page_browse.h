/* The pages for looking without counting: the rows of a view, and one path.
 *
 * Addresses are whole texts that end with NUL and hold only characters that a URL may hold: in an
 * attribute their ampersands are to be escaped. NULL: there is no such thing to lead to.
 */
#ifndef RENDER_HTML_PAGE_BROWSE_H
#define RENDER_HTML_PAGE_BROWSE_H

#include "proto/api.h"
#include "proto/detail.h"
#include "proto/history.h"
#include "proto/view.h"

/* A page of /-/paths. */
struct page_rows {
    const struct view
        *view; /* order, prefix and limit as they were asked for; has_after: this is not
                                the first page */
    const struct rows *rows; /* with totals; perhaps none */
    const char *first;       /* the view's first page, from which a cursor leads away */
    const char *previous;
    const char *next;
    const char *json;      /* these rows as JSON */
    const char *csv;       /* these rows as CSV */
    const char *csv_all;   /* every row with this prefix as CSV, in order of paths */
    const char *csv_excel; /* the same with a byte-order mark */
    const char
        *live; /* changes of these rows, as Server-Sent Events; NULL: they cannot be followed */
    const struct history *days, *hours; /* of all paths; NULL: not shown */
    /* counter-svc keeps no such history, so no link leads to its periods */
    bool has_no_days, has_no_hours;
};

/* A page of /-/paths/ANY/PATH, where a path that was not counted yet is an error instead, a 404; or of a
 * visit that is not counted (visitor.h), where the count may be 0. */
struct page_path {
    const struct path_detail *detail;   /* rank 0: beyond DETAIL_MAX_RANK; times "": not known */
    const struct history *days, *hours; /* NULL: not shown */
    bool is_visit;
    bool is_bot; /* the visit is a bot's, and bots are ignored; otherwise its browser is left out */
};

/* A page of /-/history or /-/paths/ANY/PATH/history. */
struct page_history {
    const char *path; /* NULL: of all paths */
    size_t path_len;
    const struct history *history; /* its points are those that were asked for */
    bool without_bots;
    const char *from, *to; /* as they were asked for, "" for neither */
    const char *address;   /* of the page, without a query */
    const char *json, *csv;
};

/* The page on which a visitor leaves this browser out, or counts it again. `cookie`: the cookie that leaves it out,
 * NAME=VALUE. */
void page_add_me(struct buffer *to, bool is_left_out, const char *cookie);

/* Append a whole page. */
void page_add_browse(struct buffer *to, const struct page_rows *page);
void page_add_path(struct buffer *to, const struct page_path *page);
void page_add_history(struct buffer *to, const struct page_history *page);

#endif
