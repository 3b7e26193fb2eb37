/* A view: a selection of rows, an order and a cursor; the query of GET /v1/paths:
 *
 *     order=count|path   count: highest first, equal counts by path; path: by path (default: count)
 *     prefix=TEXT        only paths that begin with TEXT
 *     period=PERIOD      only hits of a period: today, 24h, 7d or 30d (default: all)
 *     bots=exclude       only hits by people (default: include)
 *     limit=N            1 to 1,000 rows (default: 100)
 *     after=CURSOR       only rows after the cursor: `next` of the previous rows
 *     before=CURSOR      the last rows before the cursor: `previous` of the following rows
 *
 * A cursor is `COUNT:PATH` in an order by count, and `PATH` in an order by path. It names a place,
 * not a row: it stays valid if the row moves, or never existed. In the cursor of the overflow row
 * PATH is PATH_OVERFLOW.
 */
#ifndef PROTO_VIEW_H
#define PROTO_VIEW_H

#include "base/buffer.h"
#include "proto/path.h"

#include <stdbool.h>
#include <stdint.h>

enum view_order { VIEW_BY_COUNT, VIEW_BY_PATH };

enum view_period {
    VIEW_ALL_TIME,
    VIEW_TODAY,
    VIEW_24_HOURS,
    VIEW_7_DAYS,
    VIEW_30_DAYS,
    VIEW_N_PERIODS
};

/* The names of the periods in a query. */
extern const char *const view_period_names[VIEW_N_PERIODS];

/* The maximum length of a path in a cursor. An older version may have left rows with longer paths
 * than PATH_MAX_BYTES. */
#define CURSOR_PATH_MAX_BYTES 8192

#define VIEW_DEFAULT_ROWS 100

struct view {
    enum view_order order;
    enum view_period period;
    bool without_bots;
    unsigned limit;
    bool has_prefix;
    bool has_after;      /* there is a cursor, in the members after_… */
    bool backwards;      /* the cursor was given as before=: the rows before it are wanted */
    int64_t after_count; /* order by count only */
    size_t prefix_len;
    size_t after_len;
    char prefix[PATH_MAX_BYTES];
    char after_path[CURSOR_PATH_MAX_BYTES];
};

/* Parses the query of a request, without its question mark ("" for none). Unknown and doubled
 * parameters are errors: a misspelt one must not select other rows. Returns 0, or -1 with a
 * sentence in `error`. */
int view_parse(const char *query, size_t len, struct view *view, const char **error)
    __attribute__((warn_unused_result));

/* Returns whether two views select the same rows. */
bool view_equals(const struct view *a, const struct view *b);

/* Appends the cursor of this row, for the rows after it (after=) or before it (before=). */
void cursor_encode(struct buffer *to, enum view_order order, const char *path, size_t path_len,
                   int64_t count);

/* Finds the lowest text above every text with this prefix, in byte order. Prefix and bound are
 * valid UTF-8. `above` has room for `len` + 1 bytes. Returns false if there is none (an empty
 * prefix, or only U+10FFFF). */
bool prefix_upper_bound(const char *prefix, size_t len, char *above, size_t *above_len);

#endif
