/* The page of a visit, in parts: what is the same for everybody who is answered with the same rows
 * is rendered once and shared by reference; only what is the visitor's own is made anew.
 *
 *     shared   the constant beginning
 *     own      the visited path, its number, its place in the table
 *     shared   controls, rows
 *     own      the start of the visited row, which is marked; or a row apart, if it is not there
 *     shared   the rows behind it, end
 *
 * The same for JSON, in two parts: json_add_own, json_add_rows.
 *
 * For gzip the shared text is compressed once, in pieces of a few rows each (gzip.h). Marking the
 * visited row changes one piece, so that one is compressed again; the visitor's own text stays as it
 * is, between the pieces.
 */
#ifndef RENDER_HTML_PAGE_H
#define RENDER_HTML_PAGE_H

#include "proto/api.h"
#include "render-svc/html/gzip.h"

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

/* Rows in a piece. Fewer make the pages larger, more make it slower to mark a row. */
#define PAGE_PIECE_ROWS 10

/* The text before the rows, the rows, the text behind them. */
#define PAGE_PIECES (2 + (PAGE_ROWS + PAGE_PIECE_ROWS - 1) / PAGE_PIECE_ROWS)

/* Where the pieces are in the rendered rows, and in what those are compressed to. */
struct page_pieces {
    unsigned size;
    uint32_t text[PAGE_PIECES + 1]; /* where each begins, and the last ends */
    uint32_t at[PAGE_PIECES + 1];
    struct gzip_sum before[PAGE_PIECES]; /* the sum of all pieces in front of it */
    struct gzip_sum after[PAGE_PIECES];  /* the sum of all pieces behind it */
};

/* Appends the rendered rows, compressed, and fills `pieces`. `rows` are `rows_len` bytes from
 * page_add_rows with their index. */
void page_pack_rows(struct gzip *gzip, struct buffer *to, const char *rows, size_t rows_len,
                    const struct page_index *index, struct page_pieces *pieces);

/* Appends the piece of a row, from 1, with that row marked. Returns its sum. */
struct gzip_sum page_pack_marked(struct gzip *gzip, struct buffer *to, const char *rows,
                                 const struct page_index *index, const struct page_pieces *pieces,
                                 unsigned row);

/* A visit, and what is shown to its visitor alone. */
struct page_visit {
    const char *rows; /* from page_add_rows; NULL: they could not be had, which the page says */
    size_t rows_len;
    const struct page_index *index;
    unsigned row;    /* the visited one, from 1; 0: it is not among these rows */
    h2o_iovec_t own; /* in the pool: path, number, place; from apart_at on */
    size_t apart_at; /* the visited row, if it is not among these */
};

/* Renders what is the visitor's own, in the pool. `visit` has rows, rows_len and index set; they must
 * live as long as the parts. */
void page_begin_visit(struct page_visit *visit, h2o_mem_pool_t *pool, const char *path,
                      size_t path_len, struct hit_count number);

#define PAGE_PARTS 6

/* Puts a visit's page together: at most PAGE_PARTS parts, whose number it returns. */
size_t page_of_visit(const struct page_visit *visit, h2o_iovec_t parts[PAGE_PARTS]);

/* What of a page is compressed: bytes, and the sum of their text. */
struct page_packed {
    const char *bytes;
    size_t len;
    struct gzip_sum sum;
};

/* The same as one gzip member, for a visit with rows. `packed` is from page_pack_rows with its
 * pieces, `marked` from page_pack_marked for visit->row; NULL: that is 0. Both must live as long as
 * the parts. `*shared` is how many of the parts' bytes are not the visitor's own. */
size_t page_of_visit_packed(const struct page_visit *visit, h2o_mem_pool_t *pool,
                            const char *packed, const struct page_pieces *pieces,
                            const struct page_packed *marked, h2o_iovec_t parts[PAGE_PARTS],
                            size_t *shared);

/* Appends `{"path": …, "count": …`, without the closing brace; and `, "overflow": true` if the count
 * is the overflow row's. */
void json_add_own(struct buffer *to, const char *path, size_t path_len, struct hit_count number);

/* Appends the whole document about a visit that is not counted. */
void json_add_uncounted(struct buffer *to, const char *path, size_t path_len, int64_t count);

/* Appends `, "totals": …, "rows": […]}`. NULL: both are null. */
void json_add_rows(struct buffer *to, const struct rows *rows);

#endif
