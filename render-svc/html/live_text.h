/* The texts of live changes (text/event-stream, HTML standard, 9.2): all rows of a view, or the
 * changed ones.
 *
 *     event: snapshot   {"rows": [{"path": …, "count": …}, …], "totals": {…}}, in the view's order
 *     event: change     the same with the rows that are new or have another count, and
 *                       "gone": [path, …], the paths that have left the view
 *
 * Each event has the id `EPOCH-GENERATION`. The epoch is random for each view that gets its first
 * subscriber; the generation is the number of changes since then, and shows which rows the
 * subscriber has. Any thread.
 */
#ifndef RENDER_HTML_LIVE_TEXT_H
#define RENDER_HTML_LIVE_TEXT_H

#include "proto/api.h"

struct live_id {
    uint64_t epoch;
    uint64_t generation;
};

/* Parses the value of Last-Event-ID. Returns false if it is not such an id. */
bool live_id_read(const char *text, size_t len, struct live_id *id)
    __attribute__((warn_unused_result));

/* Appends a snapshot event. */
void live_add_snapshot(struct buffer *to, const struct live_id *id, const struct rows *rows);

/* Appends a change event with the differences between two states of the view. Returns false, and
 * appends nothing, if there are none. */
bool live_add_change(struct buffer *to, const struct live_id *id, const struct rows *before,
                     const struct rows *after);

#endif
