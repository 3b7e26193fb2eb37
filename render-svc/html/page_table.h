/* The table of paths and what belongs to it, as every page shows it that has one. */
#ifndef RENDER_HTML_PAGE_TABLE_H
#define RENDER_HTML_PAGE_TABLE_H

#include "render-svc/html/page_browse.h"

/* Appends what can be done with these rows: the search, the live switch (hidden until the script is
 * there), exports. */
void page_add_controls(struct buffer *to, const struct page_rows *page);

/* Appends `5 paths, 17 hits in all`. */
void page_add_totals(struct buffer *to, const struct totals *totals);

/* Appends the table's beginning, up to and with `<tbody>`. `ranked`: its rows are numbered. The
 * element with the id `rows` is its name. */
void page_add_table_head(struct buffer *to, const struct view *view, bool ranked);

/* The highest count among these rows: what their bars are measured by. */
int64_t page_highest(const struct rows *rows);

/* How a row begins. Behind these bytes, those of PAGE_ROW_BAR and PAGE_ROW_A follows a link
 * (html_add_path_link); but the overflow row has none. */
#define PAGE_ROW        "<tr>"
#define PAGE_ROW_MARKED "<tr id=v aria-current=true>"
#define PAGE_ROW_BAR    "<th class=b00>"
#define PAGE_ROW_A      "<a "

/* What stands in place of the overflow row's path. */
#define PAGE_OVERFLOW "<em>other paths</em>"

/* Appends what follows PAGE_ROW: path and count of a row and its end. Returns how many bytes the
 * percent-encoded path in its link has; 0: it is the overflow row. */
size_t page_add_row(struct buffer *to, const char *path, size_t path_len, int64_t count,
                    int64_t highest);

/* Appends the links to other pages of the view; nothing if there are none. */
void page_add_pager(struct buffer *to, const char *first, const char *previous, const char *next);

#endif
