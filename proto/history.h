/* The hits of one path, or of all together, in each hour or day: the answer to GET /v1/history
 * (counter-api.yml, History).
 */
#ifndef PROTO_HISTORY_H
#define PROTO_HISTORY_H

#include "proto/message.h"

#include <stdbool.h>

#define HISTORY_MAX_POINTS 10000

/* An hour, as 2026-10-25T02:00:00+02:00, or a day, as 2026-10-25. */
struct history_point {
    const char *time;
    size_t time_len;
    int64_t hits;
    int64_t bots; /* of the hits */
};

/* Its texts end with NUL and belong to it, as do the points. */
struct history {
    bool by_hour;
    const char *zone;   /* by its name in the IANA database */
    const char *begins; /* since when hits are in it; with the zone's offset */
    size_t size;
    struct history_point *points; /* the oldest first */
    struct message _message;
};

/* Reads one; times have the form of their unit. Returns 0, or -1 with a sentence in `error`. */
int history_decode(const char *json, size_t len, struct history *history, const char **error)
    __attribute__((warn_unused_result));

/* Takes one of all zero, and leaves it so. */
void history_free(struct history *history);

/* Which hour of its day the point of an hour is, from 0; where clocks go back, two points have the same. */
unsigned history_hour(const struct history_point *point);

#endif
