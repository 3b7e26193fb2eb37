/* The page, in pieces: what is the same for everybody who is answered with the same rows is made
 * once and shared, and only the visitor's own lines are made anew.
 *
 *     page_head      the constant beginning
 *     page_add_own   the visited path and its number
 *     page_add_rows  table, totals, end
 *
 * The same for JSON: json_add_own, json_add_rows. Text goes into HTML escaped, always.
 */
#ifndef RENDER_PAGE_H
#define RENDER_PAGE_H

#include "proto/api.h"

#include <h2o.h>

/* The constant beginning. */
h2o_iovec_t page_head(void);

/* Appends the visitor's own lines. `number` 0: none to show. */
void page_add_own(struct buffer *to, const char *path, size_t path_len, int64_t number);

/* Appends the table and the end of the page. NULL: the rows could not be had, which the page says.
 */
void page_add_rows(struct buffer *to, const struct rows *rows);

/* Appends `{"path": …, "count": …`, without the closing brace. */
void json_add_own(struct buffer *to, const char *path, size_t path_len, int64_t number);

/* Appends `, "totals": …, "rows": […]}`. NULL: both are null. */
void json_add_rows(struct buffer *to, const struct rows *rows);

/* Appends a whole small page about an error. */
void page_add_error(struct buffer *to, int status, const char *title, const char *detail);

/* Appends text, escaped for HTML: for elements and quoted attributes. */
void html_add_text(struct buffer *to, const char *text, size_t len);

#endif
