/* The data of one path: {"path": "/a", "count": 8, "bots": 2, "rank": 3, "first": "…", "last": "…",
 * "periods": {"today": {"hits": 3, "bots": 0}, "24h": …, "7d": …, "30d": …}}.
 *
 * The rank is the path's place in the ranking (highest count first, equal counts by path), counted
 * up to DETAIL_MAX_RANK, because counting takes longer the lower the path is. Times are UTC in the
 * form of RFC 3339, with milliseconds. Rank and times are null if they are not known. A period is
 * null if no history is kept for it. An answer of an earlier version has no bots and no periods.
 */
#ifndef PROTO_DETAIL_H
#define PROTO_DETAIL_H

#include "base/buffer.h"
#include "proto/view.h"

#define DETAIL_MAX_RANK   10000
#define DETAIL_TIME_BYTES sizeof("2026-11-23T22:15:00.123Z")

/* Hits of a path in a period, and those that came from bots; -1: no history is kept for it. */
struct detail_period {
    int64_t hits;
    int64_t bots;
};

struct path_detail {
    const char *path; /* owned by the caller; after detail_decode by _json */
    size_t path_len;
    int64_t count;
    int64_t rank;                  /* 1 to DETAIL_MAX_RANK; 0: beyond */
    char first[DETAIL_TIME_BYTES]; /* "": not known */
    char last[DETAIL_TIME_BYTES];
    int64_t bots;                                 /* part of the count that came from bots */
    struct detail_period periods[VIEW_N_PERIODS]; /* the one of VIEW_ALL_TIME is not used */
    void *_json;
};

/* Writes a time in milliseconds since 1970. A time before 1970 or after 9999 is written as not
 * known (""). */
void detail_set_time(char time[DETAIL_TIME_BYTES], int64_t unix_ms);

void detail_encode(struct buffer *to, const struct path_detail *detail);

/* Decodes a detail. Returns 0, or -1 with a sentence in `error`. Free it with detail_free. */
int detail_decode(const char *json, size_t len, struct path_detail *detail, const char **error)
    __attribute__((warn_unused_result));
void detail_free(struct path_detail *detail);

#endif
