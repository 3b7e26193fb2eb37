/* What the two services say to each other: requests and answers of the internal API, both ways.
 * counter-api.yml describes the same for people and tests; nothing here does any I/O.
 *
 * A batch, its answer and rows have two encodings with the same members (encoding.h), shown here as
 * JSON; everything else is JSON.
 *
 * Encoders append to a buffer and cannot fail. Decoders take what a stranger may have sent: they
 * accept what the contract allows, ignore members that they do not know, and say in one sentence
 * what else is wrong, the same one in both encodings. What a decoder returned owns its memory, so that the
 * body may be gone, and is freed by its own function.
 */
#ifndef PROTO_API_H
#define PROTO_API_H

#include "base/buffer.h"
#include "proto/batch.h"
#include "proto/message.h"

#include <stdbool.h>

/* Where things are. */
#define API_LANES   "/v1/lanes"
#define API_HITS    "/v1/hits"
#define API_PATHS   "/v1/paths"
#define API_TOTALS  "/v1/totals"
#define API_CHANGES "/v1/changes"
#define API_HISTORY "/v1/history"

/* The most rows of one view, and the most bytes that their paths have together, unless it is one row
 * alone: with longer ones it has fewer rows than its limit. The most bytes of an answer, which leaves
 * room for a counter-svc of an earlier version, where paths had no limit together. */
#define VIEW_MAX_ROWS        1000
#define VIEW_MAX_PATH_BYTES  ((size_t)256 * 1024)
#define API_MAX_ANSWER_BYTES ((size_t)16 * 1024 * 1024)

/* A new lane: {"lane": 17, "sequence": 0}. */
void lane_encode(struct buffer *to, int64_t lane);
int lane_decode(const char *json, size_t len, int64_t *lane, const char **error)
    __attribute__((warn_unused_result));

/* A batch: {"lane": 17, "sequence": 4, "paths": ["/a", "/b"], "hits": [2, 1]}; with "bot_hits": [1, 0] when any of
 * the hits are of bots. A counter-svc of an earlier version ignores that member and counts the hits. */
void hits_encode(struct buffer *to, enum encoding encoding, const struct batch *batch);

/* A batch as it was received. It owns its paths. */
struct hits {
    struct batch batch;
    struct message _message;
};
int hits_decode(const char *body, size_t len, enum encoding encoding, struct hits *hits,
                const char **error) __attribute__((warn_unused_result));
void hits_free(struct hits *hits);

/* How many paths and hits there are in all, and how many of the hits came from bots. */
struct totals {
    int64_t paths;
    int64_t hits;
    int64_t bots;
};
void totals_encode(struct buffer *to, const struct totals *totals);

/* A path, its count, and how many hits came from bots (in the count, unless bots=exclude). */
struct row {
    const char *path;
    size_t path_len;
    int64_t count;
    int64_t bots;
};

/* One row alone: {"path": "/a", "count": 8, "bots": 2}; the overflow row also has "overflow": true. */
void row_encode(struct buffer *to, const struct row *row);

/* The rows of a view:
 * {"paths": ["/b", "/a"], "counts": [9, 8], "bots": [0, 2], "next": "8:/a", "previous": null,
 *  "totals": {"paths": 2, "hits": 17, "bots": 2}}.
 * `next` is the cursor for the rows behind these (after=), `previous` for those in front (before=),
 * null when there are none. Rows of a period also have all hits in it, and when it began:
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

/* The answer to a batch: {"lane": 17, "sequence": 4, "repeat": false, "counts": [8, 3]}: each
 * path's count right after the batch's hits, in the order of the batch. With "overflow": [1] the
 * path of that place, counted from 0, has no row, and its count is the overflow row's. */
void counts_encode(struct buffer *to, enum encoding encoding, const struct batch *batch,
                   bool repeat, const struct hit_count *numbers);

/* Adds the member `rows` to such an answer, which the buffer holds alone: the rows of a view, read after
 * the commit and encoded by rows_encode in the same encoding. They are copied as they are, so many answers
 * can share them. */
void counts_add_rows(struct buffer *counts, enum encoding encoding, const struct buffer *rows);

/* What an answer to a batch holds. */
struct counts {
    struct hit_count numbers[BATCH_MAX_PATHS]; /* as many as the batch has paths */
    bool repeat;
    struct rows rows; /* to be freed */
    bool has_rows;    /* it may go without, also when rows were asked for */
};

/* Reads an answer to this very batch: anything that does not echo its lane and sequence, or has
 * another number of counts, is an error. */
int counts_decode(const char *body, size_t len, enum encoding encoding, const struct batch *batch,
                  struct counts *counts, const char **error) __attribute__((warn_unused_result));

/* A problem (RFC 9457): {"type": "about:blank", "title": "Conflict", "status": 409, "detail": …,
 * "trace": "4bf9…"}. `trace`: under which the log of the service knows the request; NULL: the log does
 * not know it. */
void problem_encode(struct buffer *to, int status, const char *title, const char *detail,
                    const char *trace);

#endif
