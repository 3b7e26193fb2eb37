/* The table of paths, with search, exports, and links to the next rows. The page of a visit and the
 * page of /-/paths have it. Any thread. */
#ifndef RENDER_HTML_PATH_TABLE_H
#define RENDER_HTML_PATH_TABLE_H

#include "proto/api.h"
#include "proto/history.h"
#include "proto/view.h"

#include <stdbool.h>

/* The links of a page for the rows of a view. The addresses are complete, percent-encoded, and end
 * with NUL. NULL: no such link. */
struct path_table_controls {
    const struct view *view;        /* as it was requested; has_after: this is not its first page */
    const char *json;               /* these rows as JSON */
    const char *csv;                /* these rows as CSV */
    const char *csv_all;            /* all rows with this prefix as CSV, ordered by path */
    const char *csv_excel;          /* the same with a byte-order mark */
    const char *live;               /* the changes of these rows, as Server-Sent Events */
    bool has_no_days, has_no_hours; /* counter-svc keeps no such history, so nothing links to it */
};

/* Appends the search, the live switch (hidden until the script shows it) and the exports. */
void path_table_add_controls(struct buffer *to, const struct path_table_controls *controls);

/* Appends `5 paths, 17 hits in all`. */
void path_table_add_totals(struct buffer *to, const struct totals *totals);

/* Appends the beginning of the table, up to and with `<tbody>`. `ranked`: its rows are numbered.
 * The element with the id `rows` is its name. */
void path_table_begin(struct buffer *to, const struct view *view, bool ranked);

/* Returns the highest count of these rows, at least 1. The bars of all rows are relative to it. */
int64_t path_table_highest(const struct rows *rows);

/* How a row begins. PATH_TABLE_ROW_BAR, PATH_TABLE_ROW_A and a link (html_add_path_link) follow;
 * the overflow row has no link. */
#define PATH_TABLE_ROW        "<tr>"
#define PATH_TABLE_ROW_MARKED "<tr id=v aria-current=true>"
#define PATH_TABLE_ROW_BAR    "<th class=b00>"
#define PATH_TABLE_ROW_A      "<a "

/* Shown instead of the path of the overflow row. */
#define PATH_TABLE_OVERFLOW "<em>other paths</em>"

/* Appends what follows PATH_TABLE_ROW, to the end of the row. Returns how many bytes the
 * percent-encoded path in its link has; 0: it is the overflow row. */
size_t path_table_add_row(struct buffer *to, const char *path, size_t path_len, int64_t count,
                          int64_t highest);

/* Appends the links to other pages of the view; nothing if there are none. */
void path_table_add_pager(struct buffer *to, const char *first, const char *previous,
                          const char *next);

#endif
