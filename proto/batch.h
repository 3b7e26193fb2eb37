/* A batch: hits of one worker gathered as path → number, on its way in a lane.
 *
 * Paths are in ascending byte order and each stands once: so batches merge by walking along them,
 * and every statement locks its rows in the same order as every other, wherever it comes from.
 */
#ifndef PROTO_BATCH_H
#define PROTO_BATCH_H

#include "proto/path.h"

#include <stdbool.h>
#include <stdint.h>

/* The most hits, and paths, in one batch; and the most bytes that its paths have together. So a
 * batch as JSON has at most BATCH_MAX_BODY_BYTES: six bytes for each, and the numbers. */
#define BATCH_MAX_PATHS      1024
#define BATCH_MAX_PATH_BYTES ((size_t)128 * 1024)
#define BATCH_MAX_BODY_BYTES ((size_t)1024 * 1024)

/* The most hits that one path may have in a batch: far more than a batch of ours ever holds. */
#define BATCH_MAX_HITS 1000000000

/* The largest lane or sequence: what every JSON reader keeps exact (RFC 8259, 6). */
#define LANE_MAX ((int64_t)1 << 53)

/* A path and how often it was hit. Whoever made the entry owns the path's bytes. */
struct batch_entry {
    const char *path;
    size_t path_len;
    int64_t hits;
};

struct batch {
    int64_t lane;
    int64_t sequence; /* 1, 2, 3… in its lane */
    size_t size;
    struct batch_entry *entries; /* sorted by path_compare, no path twice */
};

/* Sorts `size` entries by path and makes equal paths one entry with the sum of their hits. Returns
 * how many remain. */
size_t batch_sort(struct batch_entry *entries, size_t size);

/* The batch's entry of a path, or NULL. */
struct batch_entry *batch_find(const struct batch *batch, const char *path, size_t path_len);

/* What a hit of a path is answered with: a count of the path's row or, if it has none, of the
 * overflow row. */
struct number {
    int64_t count;
    bool overflow;
};

/* Several batches as one statement sees them. */
struct merge {
    size_t size;
    struct batch_entry *entries; /* sorted, no path twice; paths belong to the batches */
    size_t batches;
    uint32_t **ordinals; /* [batch][entry of that batch] → which of `entries` it is */
};

/* Merges `count` batches, which must outlive the merge. Each must be of another lane. */
void merge_init(struct merge *merge, const struct batch *const *batches, size_t count);

/* Turns the counts after the merged statement into the numbers of its batches: to be called for
 * each batch, from the last that was merged to the first. A batch's number of a path is the path's
 * count right after its own hits, with the batches taken in the order in which they were merged: so
 * no two hits have the same number. A count that is at the end of int64_t is that for everybody.
 *
 * `counts` has one for each of the merge's entries, and is counted back by this batch's hits;
 * `numbers` has room for the batch's size. Only this batch is read: those behind may be gone. */
void merge_take_numbers(const struct merge *merge, const struct batch *batch, size_t index,
                        struct number *counts, struct number *numbers);

/* Frees what the merge owns, not the batches. */
void merge_fini(struct merge *merge);

#endif
