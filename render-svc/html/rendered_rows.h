/* The first rows of the ranking as HTML and JSON, plain and compressed: rendered when a request
 * first needs the form, and shared by all requests that are answered with the same rows.
 *
 * The forms live in the slot of struct shared_rows, and with it. A form that an answer still needs
 * after that is linked to the request (h2o_mem_link_shared).
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_HTML_RENDERED_ROWS_H
#define RENDER_HTML_RENDERED_ROWS_H

#include "render-svc/count/shared_rows.h"
#include "render-svc/html/page.h"
#include "server/http/output_budget.h"

enum rows_form { ROWS_HTML, ROWS_JSON, N_ROWS_FORMS };

/* Rendered rows, in memory shared by reference. */
struct rows_text {
    struct output_share shared;
    struct page_index index; /* of ROWS_HTML */
    size_t len;
    char bytes[];
};

/* Compressed rows, or a compressed piece of them (gzip.h), in memory shared by reference. */
struct rows_packed {
    struct output_share shared;
    struct gzip_sum sum;       /* of the text */
    struct page_pieces pieces; /* of all rows as ROWS_HTML */
    size_t len;
    char bytes[];
};

struct rendered_rows;

/* Returns the rendered forms of these rows, none of them rendered yet at the first call. They take
 * room in the worker's `budget`. */
struct rendered_rows *rendered_rows_of(struct shared_rows *shared, struct output_budget *budget);

/* Returns the rows in this form, rendered at the first call. */
struct rows_text *rendered_rows_text(struct rendered_rows *rendered, enum rows_form form);

/* Returns the same, compressed at the first call. */
struct rows_packed *rendered_rows_packed(struct rendered_rows *rendered, enum rows_form form,
                                         struct gzip *gzip);

/* Returns the piece of ROWS_HTML that has this row, counted from 1, with the row marked. It is
 * rendered and compressed at the first call for this row. */
struct rows_packed *rendered_rows_marked(struct rendered_rows *rendered, unsigned row,
                                         struct gzip *gzip);

#endif
