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
#include "proto/rows.h"

#include <stdbool.h>

/* Where things are. */
#define API_LANES   "/v1/lanes"
#define API_HITS    "/v1/hits"
#define API_PATHS   "/v1/paths"
#define API_TOTALS  "/v1/totals"
#define API_CHANGES "/v1/changes"
#define API_HISTORY "/v1/history"

/* The maximum length of an answer. It leaves room for a counter-svc of an earlier version, which did not
 * limit the paths of an answer together. */
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
