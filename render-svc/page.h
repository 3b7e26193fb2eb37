/* The page of a visit, in parts: what is the same for everybody who is answered with the same rows
 * is rendered once and shared by reference; only what is the visitor's own is made anew.
 *
 *     shared   the constant beginning
 *     own      the visited path, its number, its place in the table
 *     shared   controls, rows
 *     own      the start of the visited row, which is marked; or a row apart, if it is not there
 *     shared   the rows behind it, end
 *
 * The same for JSON, in two parts: json_add_own, json_add_rows. And pages of their own about
 * errors. What is shown of a path is always text: see page_text.h.
 */
#ifndef RENDER_PAGE_H
#define RENDER_PAGE_H

#include "proto/api.h"

#include <h2o.h>

/* The rows that a visit's page has at most. */
#define PAGE_ROWS 100

/* Where things are in the rendered rows, so that a visitor's own can be put between them without
 * looking at every row. */
struct page_index {
    struct totals totals;
    int64_t highest; /* count */
    size_t apart;    /* where a row goes that is not among these */
    unsigned size;
    unsigned overflow; /* the overflow row's place, from 1; 0: it is not among these */
    uint32_t starts[PAGE_ROWS];
    unsigned char slots[256]; /* hash of a path → its row + 1; open addressing */
};

/* Appends what all visitors share behind their own lines, the rest of the page, and fills the
 * index. Rows behind the first PAGE_ROWS are left out. */
void page_add_rows(struct buffer *to, const struct rows *rows, struct page_index *index);

#define PAGE_PARTS 6

/* Puts a visit's page together: at most PAGE_PARTS parts, whose number it returns. `rows` are
 * `rows_len` bytes from page_add_rows with their index, and must live as long as the parts, what
 * is the visitor's own is in the pool; NULL: the rows could not be had, which the page says. */
size_t page_of_visit(h2o_mem_pool_t *pool, const char *path, size_t path_len, struct number number,
                     const char *rows, size_t rows_len, const struct page_index *index,
                     h2o_iovec_t parts[PAGE_PARTS]);

/* Appends the beginning of a page, up to and with `<main …>`, and its end. The title is HTML;
 * `here` is where the page is among those that all pages lead to, NULL: it is none of them. */
void page_add_head(struct buffer *to, const char *title, const char *here);
void page_add_end(struct buffer *to);

/* Appends a whole small page about an error: what is wrong, what to do about it, and the reference
 * under which the log of the service knows it. */
void page_add_error(struct buffer *to, int status, const char *title, const char *detail,
                    const char *reference);

/* Appends `{"path": …, "count": …`, without the closing brace; and `, "overflow": true` if the count
 * is the overflow row's. */
void json_add_own(struct buffer *to, const char *path, size_t path_len, struct number number);

/* Appends `, "totals": …, "rows": […]}`. NULL: both are null. */
void json_add_rows(struct buffer *to, const struct rows *rows);

#endif
