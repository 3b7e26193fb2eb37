/* CSV as RFC 4180 has it: lines end with CR LF, a field with a comma, a quote or a line's end in it
 * stands in quotes. A field that a spreadsheet would take for a formula (it begins with = + - @, a
 * tab, CR or LF) gets an apostrophe before it, which spreadsheets take for "this is text".
 */
#ifndef RENDER_HTML_CSV_H
#define RENDER_HTML_CSV_H

#include "proto/api.h"
#include "proto/detail.h"

#include <stdbool.h>

#define CSV_END "\r\n"

/* Appends a byte-order mark, if it is wanted: without one some spreadsheets take UTF-8 for another
 * encoding. To be called first. */
void csv_begin(struct buffer *to, bool with_bom);

/* Appends one field. Commas and ends of lines are the caller's. */
void csv_add_text(struct buffer *to, const char *text, size_t len);

/* Append the first line, and a line for each row. */
void csv_add_rows_head(struct buffer *to);
void csv_add_rows(struct buffer *to, const struct rows *rows);

/* Appends both lines about a path. */
void csv_add_detail(struct buffer *to, const struct path_detail *detail);

#endif
