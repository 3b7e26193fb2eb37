/* The page of a visit, in parts. The visitors of a batch share the rows, which are rendered once
 * and sent by reference. The private parts are rendered for each visit.
 *
 *     shared   the constant beginning
 *     private  the visited path, its count, its rank in the table
 *     shared   controls, rows
 *     private  the beginning of the visited row, marked; or, if it is not among the rows, this row
 *     shared   the rows after it, the end
 *
 * The same for JSON, in two parts: json_add_visit, json_add_rows.
 *
 * For gzip the shared text is compressed once, in pieces of a few rows each (gzip.h). Marking the
 * visited row changes one piece, which is compressed again. The private text goes between the
 * pieces, uncompressed.
 */
#ifndef RENDER_HTML_PAGE_H
#define RENDER_HTML_PAGE_H

#include "proto/api.h"
#include "render-svc/html/gzip.h"

#include <h2o.h>

/* The most rows of the page of a visit. */
#define PAGE_ROWS 100

/* Where the rows are in the rendered text, so that private parts can be inserted without a
 * search through all of it. */
struct page_index {
    struct totals totals;
    int64_t highest; /* count */
    size_t apart;    /* the place for the row of a path that is not among these */
    unsigned size;
    unsigned overflow; /* the overflow row, from 1; 0: it is not among these rows */
    uint32_t starts[PAGE_ROWS];
    unsigned char slots[256]; /* hash of a path → its row + 1; open addressing */
};

/* Appends the shared text after the first private part, up to the end of the page, and fills the
 * index. Omits rows after the first PAGE_ROWS. */
void page_add_rows(struct buffer *to, const struct rows *rows, struct page_index *index);

/* Rows in a piece. With fewer, pages are larger; with more, marking a row takes longer. */
#define PAGE_PIECE_ROWS 10

/* The text before the rows, the rows, the text after them. */
#define PAGE_PIECES (2 + (PAGE_ROWS + PAGE_PIECE_ROWS - 1) / PAGE_PIECE_ROWS)

/* Where the pieces are in the rendered rows, and in the compressed rows. */
struct page_pieces {
    unsigned size;
    uint32_t text[PAGE_PIECES + 1]; /* where each begins and the last ends */
    uint32_t at[PAGE_PIECES + 1];
    struct gzip_sum before[PAGE_PIECES]; /* the sum of all pieces before it */
    struct gzip_sum after[PAGE_PIECES];  /* the sum of all pieces after it */
};

/* Appends the rendered rows, compressed, and fills `pieces`. `rows` are `rows_len` bytes from
 * page_add_rows with their index. */
void page_pack_rows(struct gzip *gzip, struct buffer *to, const char *rows, size_t rows_len,
                    const struct page_index *index, struct page_pieces *pieces);

/* Appends the piece of a row, from 1, with that row marked. Returns its sum. */
struct gzip_sum page_pack_marked(struct gzip *gzip, struct buffer *to, const char *rows,
                                 const struct page_index *index, const struct page_pieces *pieces,
                                 unsigned row);

/* A visit with its private parts. */
struct page_visit {
    const char *rows; /* from page_add_rows; NULL: they could not be read, and the page says so */
    size_t rows_len;
    const struct page_index *index;
    unsigned row;        /* the visited one, from 1; 0: it is not among these rows */
    h2o_iovec_t private; /* in the pool: path, count, rank; from apart_at on */
    size_t apart_at;     /* the row of the visited path, if it is not among the rows */
};

/* Renders the private parts, in the pool. The caller has set rows, rows_len and index of
 * `visit`; they must live as long as the parts. */
void page_begin_visit(struct page_visit *visit, h2o_mem_pool_t *pool, const char *path,
                      size_t path_len, struct hit_count hit_count);

#define PAGE_PARTS 6

/* Assembles the page of a visit. Returns the number of its parts. */
size_t page_of_visit(const struct page_visit *visit, h2o_iovec_t parts[PAGE_PARTS]);

/* Compressed text and its sum. */
struct page_packed {
    const char *bytes;
    size_t len;
    struct gzip_sum sum;
};

/* The same as one gzip member, for a visit with rows. `packed` is from page_pack_rows with its
 * pieces. `marked` is from page_pack_marked for visit->row, or NULL if that is 0. Both must live as
 * long as the parts. `*shared` becomes the number of bytes of the shared parts. */
size_t page_of_visit_packed(const struct page_visit *visit, h2o_mem_pool_t *pool,
                            const char *packed, const struct page_pieces *pieces,
                            const struct page_packed *marked, h2o_iovec_t parts[PAGE_PARTS],
                            size_t *shared);

/* Appends `{"path": …, "count": …` and, if the count is the overflow row's, `, "overflow": true`,
 * without the closing brace. */
void json_add_visit(struct buffer *to, const char *path, size_t path_len,
                    struct hit_count hit_count);

/* Appends the whole document of a visit that is not counted. */
void json_add_uncounted(struct buffer *to, const char *path, size_t path_len, int64_t count);

/* Appends `, "totals": …, "rows": […]}`. NULL: both are null. */
void json_add_rows(struct buffer *to, const struct rows *rows);

#endif
