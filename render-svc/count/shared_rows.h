/* The first rows of the ranking, shared by all callbacks of one batch or one read.
 *
 * render-svc/count/ owns the object and frees it after the last callback. The pages are rendered
 * from it once for all callbacks: render-svc/html/rendered_rows.h keeps the rendered forms in the
 * slot below.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_COUNT_SHARED_ROWS_H
#define RENDER_COUNT_SHARED_ROWS_H

#include <stddef.h>

/* The query for these rows. */
#define RANKING_QUERY "?order=count&limit=100"

struct rows; /* proto/api.h */

/* Valid during the callback that receives it. */
struct shared_rows {
    const struct rows *rows;
    /* The slot of the rendered forms. Both are NULL until a callback needs a form. */
    void *rendered;
    void (*free_rendered)(void *rendered);
};

/* Frees the rendered forms. The caller still owns `rows`. */
static inline void shared_rows_fini(struct shared_rows *shared)
{
    if (shared->free_rendered != NULL)
        shared->free_rendered(shared->rendered);
}

#endif
