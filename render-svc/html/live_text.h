/* What watchers are told (text/event-stream, as the HTML standard has it, 9.2): all rows of a view,
 * or which of them have changed.
 *
 *     event: snapshot   {"rows": [{"path": …, "count": …}, …], "totals": {…}}, in the view's order
 *     event: change     the same with the rows that are new or have another count, and
 *                       "gone": [path, …], those that are not in the view any more
 *
 * Each bears the id `EPOCH-GENERATION`: which run of watching it belongs to, and which state of it the
 * watcher has then. Any thread.
 */
#ifndef RENDER_HTML_LIVE_TEXT_H
#define RENDER_HTML_LIVE_TEXT_H

#include "proto/api.h"

struct live_id {
    uint64_t epoch;
    uint64_t generation;
};

/* Reads an id as Last-Event-ID brings it; false when it is something else. */
bool live_id_read(const char *text, size_t len, struct live_id *id)
    __attribute__((warn_unused_result));

void live_add_snapshot(struct buffer *to, const struct live_id *id, const struct rows *rows);

/* Appends what leads from one state of the view to another. Returns false, and appends nothing, when
 * nothing has changed. */
bool live_add_change(struct buffer *to, const struct live_id *id, const struct rows *before,
                     const struct rows *after);

#endif
