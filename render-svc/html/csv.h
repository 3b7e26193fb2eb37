/* CSV (RFC 4180): lines end with CR LF, and a field with a comma, a quote or an end of line is
 * quoted. A field that a spreadsheet would read as a formula (it begins with = + - @, a tab, CR or
 * LF) gets an apostrophe before it, which marks text. Any thread.
 */
#ifndef RENDER_HTML_CSV_H
#define RENDER_HTML_CSV_H

#include "proto/api.h"
#include "proto/detail.h"

#include <stdbool.h>

#define CSV_END "\r\n"

/* Appends a byte-order mark if `with_bom`: some spreadsheets need it to recognise UTF-8. Call it
 * first. */
void csv_begin(struct buffer *to, bool with_bom);

/* Appends one field. The caller appends commas and ends of lines. */
void csv_add_text(struct buffer *to, const char *text, size_t len);

/* Append the header line; a line for each row. */
void csv_add_rows_head(struct buffer *to);
void csv_add_rows(struct buffer *to, const struct rows *rows);

/* Appends the header line and the line of one path. */
void csv_add_detail(struct buffer *to, const struct path_detail *detail);

#endif
