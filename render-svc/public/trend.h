/* What the charts of a page show: the last 30 days, and the hours of yesterday and today, of one path or of all
 * together. Both are read at once. Either may be missing: counter-svc keeps no hours or no days, or does not answer.
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

/* Lives inside what waits for it, zeroed before its first use. */
struct trend {
    struct history of[TREND_N_UNITS]; /* read only; zone NULL: missing */
    bool is_off[TREND_N_UNITS]; /* read only; of all paths: counter-svc keeps no such history */
    struct trend_part {
        struct trend *_trend;
        struct read_request _read;
    } _parts[TREND_N_UNITS];
    unsigned waiting; /* reads that are under way; read only */
    trend_callback _callback;
};

/* Begins to read; `path` NULL: of all paths. The callback runs once, when nothing is under way any more, from the
 * loop, never before this returns. */
void trend_start(struct trend *trend, struct read_queue *reads, const char *path, size_t len,
                 const struct trace *trace, trend_callback callback);

/* Ends what is under way, without a callback, and frees what was read. */
void trend_fini(struct trend *trend);

#endif
