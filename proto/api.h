/* The messages of the internal API: lanes, batches, the answers to batches, problems.
 * counter-api.yml describes them for people and tests. No I/O.
 *
 * A batch, its answer and rows have two encodings with the same members (encoding.h), shown here as
 * JSON. Everything else is JSON.
 *
 * Encoders append to a buffer and cannot fail. Decoders get untrusted input. They accept what the
 * contract allows and ignore unknown members. For anything else they return an error, one sentence,
 * the same in both encodings. The result of a decoder owns its memory, does not need the body, and
 * is freed by a function of its own.
 */
#ifndef PROTO_API_H
#define PROTO_API_H

#include "base/buffer.h"
#include "proto/message.h"
#include "proto/path.h"
#include "proto/rows.h"

#include <stdbool.h>

/* The paths of the API. */
#define API_LANES   "/v1/lanes"
#define API_HITS    "/v1/hits"
#define API_PATHS   "/v1/paths"
#define API_TOTALS  "/v1/totals"
#define API_CHANGES "/v1/changes"
#define API_HISTORY "/v1/history"

/* The maximum length of an answer. It leaves room for a counter-svc of an earlier version, which
 * did not limit the paths of an answer together. */
#define API_MAX_ANSWER_BYTES ((size_t)16 * 1024 * 1024)

/* --- lanes --- */

/* A new lane: {"lane": 17, "sequence": 0}. */
void lane_encode(struct buffer *to, int64_t lane);
int lane_decode(const char *json, size_t len, int64_t *lane, const char **error)
    __attribute__((warn_unused_result));

/* --- batches --- */

/* The maximum of paths in a batch, and of bytes of all its paths. render-svc puts at most as many
 * hits into a batch. Escaped in JSON, a byte takes at most six bytes. With the numbers a batch has
 * at most BATCH_MAX_BODY_BYTES. */
#define BATCH_MAX_PATHS      1024
#define BATCH_MAX_PATH_BYTES ((size_t)128 * 1024)
#define BATCH_MAX_BODY_BYTES ((size_t)1024 * 1024)

/* The maximum of hits that a path may have in a received batch. render-svc never sends so many. */
#define BATCH_MAX_HITS 1000000000

/* The largest lane or sequence: every JSON parser keeps numbers up to this exact (RFC 8259, 6). */
#define LANE_MAX ((int64_t)1 << 53)

/* A path, its hits, and those of them by bots. The caller owns the bytes of the path. */
struct batch_entry {
    const char *path;
    size_t path_len;
    int64_t hits;
    int64_t bot_hits; /* part of `hits` */
};

/* A batch: hits of one worker, collected as path → number of hits, in a lane. The paths are in
 * ascending byte order, and each occurs once, so batch_find can use bisection. */
struct batch {
    int64_t lane;
    int64_t sequence; /* 1, 2, 3… in its lane */
    size_t size;
    struct batch_entry *entries; /* sorted by path_compare, no path twice */
};

/* Sorts `size` entries by path and merges entries with equal paths, adding up their hits. Returns
 * the number of entries that remain. */
size_t batch_sort(struct batch_entry *entries, size_t size);

/* Returns the batch's entry of a path, or NULL. */
struct batch_entry *batch_find(const struct batch *batch, const char *path, size_t path_len);

/* A batch as a message: {"lane": 17, "sequence": 4, "paths": ["/a", "/b"], "hits": [2, 1]}; with
 * "bot_hits": [1, 0] if any of the hits came from bots. An earlier version of counter-svc ignores
 * that member and counts the hits. */
void hits_encode(struct buffer *to, enum encoding encoding, const struct batch *batch);

/* A batch as it was received. It owns its paths. */
struct hits {
    struct batch batch;
    struct message _message;
};
int hits_decode(const char *body, size_t len, enum encoding encoding, struct hits *hits,
                const char **error) __attribute__((warn_unused_result));
void hits_free(struct hits *hits);

/* --- the answer to a batch --- */

/* The count in the answer to a hit: that of the path's row or, if it has none, of the overflow
 * row. */
struct hit_count {
    int64_t count;
    bool overflow;
};

/* The answer to a batch: {"lane": 17, "sequence": 4, "repeat": false, "counts": [8, 3]}: the count
 * of each path right after the batch's hits, in the order of the batch. "overflow": [1] lists the
 * indexes, from 0, of paths without a row: their counts are those of the overflow row. */
void counts_encode(struct buffer *to, enum encoding encoding, const struct batch *batch,
                   bool repeat, const struct hit_count *hit_counts);

/* Adds the member `rows` to an answer, which must be the only content of the buffer: the rows of a
 * view, read after the commit and encoded by rows_encode in the same encoding. The encoded rows are
 * copied, so many answers can share them. */
void counts_add_rows(struct buffer *counts, enum encoding encoding, const struct buffer *rows);

/* A decoded answer to a batch. */
struct counts {
    struct hit_count hit_counts[BATCH_MAX_PATHS]; /* as many as the batch has paths */
    bool repeat;
    struct rows rows; /* the caller frees it */
    bool has_rows;    /* may be false even if rows were requested */
};

/* Decodes the answer to this batch. An answer with another lane or sequence, or another number of
 * counts, is an error. */
int counts_decode(const char *body, size_t len, enum encoding encoding, const struct batch *batch,
                  struct counts *counts, const char **error) __attribute__((warn_unused_result));

/* --- problems --- */

/* Returns the reason phrase of an HTTP status that the services send (RFC 9110, 15): "Not Found"
 * for 404. A constant. */
const char *status_title(int status);

/* A problem (RFC 9457): {"type": "about:blank", "title": "Conflict", "status": 409, "detail": …,
 * "trace": "4bf9…"}. The title is that of the status (4.2.1). `trace` is the trace of the request
 * in the log of the service; NULL: it is not logged. */
void problem_encode(struct buffer *to, int status, const char *detail, const char *trace);

#endif
