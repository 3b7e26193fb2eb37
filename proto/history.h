/* The hits in each hour or day, of one path or of all together: the answer to GET /v1/history
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
    int64_t bots; /* part of the hits */
};

/* A decoded history. It owns its points and its texts, which end with NUL. */
struct history {
    bool by_hour;
    const char *zone;   /* by its name in the IANA database */
    const char *begins; /* the time since which hits are recorded, with the zone's offset */
    size_t size;
    struct history_point *points; /* the oldest first */
    struct message _message;
};

/* Decodes a history. Times must have the form of their unit. Returns 0, or -1 with a sentence in
 * `error`. */
int history_decode(const char *json, size_t len, struct history *history, const char **error)
    __attribute__((warn_unused_result));

/* Frees a history, and zeroes it. Takes a zeroed one. */
void history_free(struct history *history);

/* Returns the hour of the day of a point, from 0. When clocks are set back, two points have the
 * same hour. */
unsigned history_hour(const struct history_point *point);

#endif
