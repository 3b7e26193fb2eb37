/* The rows of the page, rendered once for everybody who gets the same ones. They come with the
 * answer to a batch of hits; who has counted nothing, or got no rows with the answer, waits for a
 * fetch of them.
 *
 * Who begins to wait while a fetch is under way is not served by it, because it may have read the
 * rows before the hit was counted: it waits for the next. At most two fetches of a worker are under
 * way; a fetch that fails is tried again, for as long as anybody waits.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_COUNT_TABLE_H
#define RENDER_COUNT_TABLE_H

#include "render-svc/count/counter_client.h"
#include "render-svc/html/page.h"
#include "server/http/output_budget.h"

/* The query of the rows: the page's view. */
#define TABLE_VIEW "?order=count&limit=100"

enum table_form { TABLE_HTML, TABLE_JSON, N_TABLE_FORMS };

/* Rendered rows; in memory shared by reference (h2o_mem_link_shared). */
struct table_text {
    struct output_share shared;
    struct page_index index; /* of TABLE_HTML */
    size_t len;
    char bytes[];
};

/* Rendered rows, or a piece of them, compressed (gzip.h); in memory shared by reference. */
struct table_packed {
    struct output_share shared;
    struct gzip_sum sum;       /* of its text */
    struct page_pieces pieces; /* of all rows as TABLE_HTML */
    size_t len;
    char bytes[];
};

/* Rows on their way to everybody who gets them. Begun with these two set and all else zero. */
struct table_rows {
    const struct rows *rows;
    struct output_budget *budget; /* the worker's */
    struct table_text *_texts[N_TABLE_FORMS];
    struct table_packed *_packed[N_TABLE_FORMS];
    struct table_packed **_marked; /* by row; NULL: none is needed yet */
};

/* The rows in this form, rendered at the first call; as long as the rows, unless it is linked. */
struct table_text *table_rows_text(struct table_rows *rows, enum table_form form);

/* The same, compressed at the first call. */
struct table_packed *table_rows_packed(struct table_rows *rows, enum table_form form,
                                       struct gzip *gzip);

/* The piece of TABLE_HTML with this row, from 1, marked; likewise. */
struct table_packed *table_rows_marked(struct table_rows *rows, unsigned row, struct gzip *gzip);

void table_rows_fini(struct table_rows *rows);

struct table;
struct table_wait;

/* Runs exactly once unless the wait is cancelled, from the loop, never before table_wait returns. The
 * rows are only good during the callback. */
typedef void (*table_callback)(struct table_wait *wait, struct table_rows *rows);

/* Somebody who waits; lives inside it, zeroed before its first use. */
struct table_wait {
    h2o_linklist_t _link;
    table_callback _callback;
};

/* `client` must outlive it. */
struct table *table_create(struct worker *worker, struct counter_client *client);

/* Nothing is called back any more. Takes NULL. */
void table_destroy(struct table *table);

/* Waits for rows that are read from now on. */
void table_wait(struct table *table, struct table_wait *wait, table_callback callback);

/* Does nothing when it does not wait. */
void table_cancel(struct table_wait *wait);

#endif
