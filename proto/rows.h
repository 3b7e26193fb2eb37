/* Rows of a view as the services exchange them: paths with their counts, totals, and cursors to the
 * rows before and after them. api.h has the rules of encoders and decoders.
 */
#ifndef PROTO_ROWS_H
#define PROTO_ROWS_H

#include "base/buffer.h"
#include "proto/message.h"

#include <stdint.h>

/* The maximum of rows of one view, and the maximum length of their paths together: a view with
 * longer paths has fewer rows than its limit. A single row may be longer. */
#define VIEW_MAX_ROWS       1000
#define VIEW_MAX_PATH_BYTES ((size_t)256 * 1024)

/* The number of all paths and hits, and of the hits that came from bots. */
struct totals {
    int64_t paths;
    int64_t hits;
    int64_t bots;
};
void totals_encode(struct buffer *to, const struct totals *totals);

/* A path, its count, and the hits that came from bots (part of the count, unless bots=exclude). */
struct row {
    const char *path;
    size_t path_len;
    int64_t count;
    int64_t bots;
};

/* One row alone: {"path": "/a", "count": 8, "bots": 2}; the overflow row also has "overflow":
 * true. */
void row_encode(struct buffer *to, const struct row *row);

/* The rows of a view:
 * {"paths": ["/b", "/a"], "counts": [9, 8], "bots": [0, 2], "next": "8:/a", "previous": null,
 *  "totals": {"paths": 2, "hits": 17, "bots": 2}}.
 * `next` is the cursor for the rows after these (after=), `previous` for those before (before=),
 * null if there are none. Rows of a period also have all hits in it, and its begin:
 * "period": {"hits": 17, "bots": 2, "begins": "2026-01-31T00:00:00+01:00"}. An answer of an earlier
 * version has no bots and no period. */
struct period_hits {
    int64_t hits;
    int64_t bots;
    const char *begins; /* NULL: there is no period */
    size_t begins_len;
};

struct rows {
    size_t size;
    struct row *rows;
    const char *next; /* NULL: none */
    size_t next_len;
    const char *previous; /* NULL: none */
    size_t previous_len;
    struct totals totals;
    struct period_hits period;
    struct message _message; /* of decoded rows, owns the paths and the cursors */
};
void rows_encode(struct buffer *to, enum encoding encoding, const struct rows *rows);
int rows_decode(const char *body, size_t len, enum encoding encoding, struct rows *rows,
                const char **error) __attribute__((warn_unused_result));
void rows_free(struct rows *rows);

/* Decodes rows that are a member of a message. Paths and cursors point into the message. The caller
 * frees `rows->rows`, also after -1. */
int rows_decode_value(const struct message *message, struct value map, struct rows *rows,
                      const char **error) __attribute__((warn_unused_result));

#endif
