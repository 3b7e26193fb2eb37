/* A batch: hits of one worker, collected as path → number of hits, in a lane.
 *
 * The paths are in ascending byte order, and each occurs once, so batch_find can use bisection.
 */
#ifndef PROTO_BATCH_H
#define PROTO_BATCH_H

#include "proto/path.h"

#include <stdbool.h>
#include <stdint.h>

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

/* The count in the answer to a hit: that of the path's row or, if it has none, of the overflow
 * row. */
struct hit_count {
    int64_t count;
    bool overflow;
};

#endif
