/* A batch: hits of one worker gathered as path → number, on its way in a lane.
 *
 * Paths are in ascending byte order and each stands once: so one is found by bisection.
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

/* A path and how often it was hit, in all and by bots. Whoever made the entry owns the path's bytes. */
struct batch_entry {
    const char *path;
    size_t path_len;
    int64_t hits;
    int64_t bot_hits; /* of the hits */
};

struct batch {
    int64_t lane;
    int64_t sequence; /* 1, 2, 3… in its lane */
    size_t size;
    struct batch_entry *entries; /* sorted by path_compare, no path twice */
};

/* Sorts `size` entries by path and makes equal paths one entry with the sums of their hits. Returns
 * how many remain. */
size_t batch_sort(struct batch_entry *entries, size_t size);

/* The batch's entry of a path, or NULL. */
struct batch_entry *batch_find(const struct batch *batch, const char *path, size_t path_len);

/* What a hit of a path is answered with: a count of the path's row or, if it has none, of the
 * overflow row. */
struct hit_count {
    int64_t count;
    bool overflow;
};

#endif
