/* The messages of the internal API: requests and answers, encoded and decoded. counter-api.yml
 * describes them for people and tests. No I/O.
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
#include "proto/batch.h"
#include "proto/message.h"
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

/* A new lane: {"lane": 17, "sequence": 0}. */
void lane_encode(struct buffer *to, int64_t lane);
int lane_decode(const char *json, size_t len, int64_t *lane, const char **error)
    __attribute__((warn_unused_result));

/* A batch: {"lane": 17, "sequence": 4, "paths": ["/a", "/b"], "hits": [2, 1]}; with "bot_hits": [1,
 * 0] if any of the hits came from bots. An earlier version of counter-svc ignores that member and
 * counts the hits. */
void hits_encode(struct buffer *to, enum encoding encoding, const struct batch *batch);

/* A batch as it was received. It owns its paths. */
struct hits {
    struct batch batch;
    struct message _message;
};
int hits_decode(const char *body, size_t len, enum encoding encoding, struct hits *hits,
                const char **error) __attribute__((warn_unused_result));
void hits_free(struct hits *hits);

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

/* Returns the reason phrase of an HTTP status that the services send (RFC 9110, 15): "Not Found" for
 * 404. A constant. */
const char *status_title(int status);

/* A problem (RFC 9457): {"type": "about:blank", "title": "Conflict", "status": 409, "detail": …,
 * "trace": "4bf9…"}. The title is that of the status (4.2.1). `trace` is the trace of the request in
 * the log of the service; NULL: it is not logged. */
void problem_encode(struct buffer *to, int status, const char *detail, const char *trace);

#endif
