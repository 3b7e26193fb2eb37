/* The history for the charts of a page: the last 30 days, and the hours of yesterday and today, of
 * one path or of all. Both are read at the same time. Either may be missing: counter-svc keeps no
 * such history, or does not answer.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_PUBLIC_TREND_H
#define RENDER_PUBLIC_TREND_H

#include "proto/history.h"
#include "render-svc/count/read_request.h"

enum trend_unit { TREND_DAYS, TREND_HOURS, TREND_N_UNITS };

struct trend;
typedef void (*trend_callback)(struct trend *trend);

/* A member of the request that waits for it. Zeroed before its first use. */
struct trend {
    struct history of[TREND_N_UNITS]; /* read only; zone NULL: missing */
    bool is_off[TREND_N_UNITS]; /* read only; of all paths: counter-svc keeps no such history */
    struct trend_part {
        struct trend *_trend;
        struct read_request _read;
    } _parts[TREND_N_UNITS];
    unsigned waiting; /* reads in flight; read only */
    trend_callback _callback;
};

/* Starts both reads; `path` NULL: of all paths. The callback runs once, when both have ended, from
 * the loop, never before this returns. */
void trend_start(struct trend *trend, struct read_queue *reads, const char *path, size_t len,
                 const struct trace *trace, trend_callback callback);

/* Cancels reads in flight, without a callback, and frees the histories. */
void trend_fini(struct trend *trend);

#endif
