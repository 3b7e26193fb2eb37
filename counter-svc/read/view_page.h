/* A page of a view: rows, and the cursors that continue from them. No I/O; any thread. */
#ifndef COUNTER_READ_VIEW_PAGE_H
#define COUNTER_READ_VIEW_PAGE_H

#include "counter-svc/journal/state.h"
#include "proto/api.h"
#include "proto/view.h"

/* The paths of the rows belong to others. */
struct view_page {
    struct row table[VIEW_MAX_ROWS];
    struct rows rows;
    struct buffer next, previous; /* the cursors */
};

/* Returns whether the state has the rows of a view: the first rows of the ranking. */
bool view_is_in_memory(const struct view *view);

/* Fills a page with these rows. Free the page with view_page_free. */
void view_page_of_state(struct view_page *page, const struct state *state, const struct view *view);

/* Makes an empty page with the totals of the state. */
void view_page_begin(struct view_page *page, const struct state *state);

/* Adds a row and its bytes, `*bytes` in all. Returns false, and adds nothing, if the page is
 * full. */
bool view_page_add_row(struct view_page *page, const struct view *view, struct row row,
                       size_t *bytes);

/* Reverses the rows: those of a view backwards are read in reverse order. */
void view_page_reverse(struct view_page *page);

/* Adds the cursors; `more`: there are rows beyond these, in the view's direction. In the other
 * direction there are rows if the view itself continues a page. */
void view_page_add_cursors(struct view_page *page, const struct view *view, bool more);

void view_page_free(struct view_page *page);

#endif
