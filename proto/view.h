/* A view: which rows, in which order, from which cursor; as the query of GET /v1/paths carries it.
 *
 *     order=count|path   count: highest first, equal counts by path; path: by path (default: count)
 *     prefix=TEXT        only paths that begin so
 *     period=PERIOD      only hits of a period: today, 24h, 7d or 30d (default: all)
 *     bots=exclude       only hits by people (default: include)
 *     limit=N            1 to 1,000 rows (default: 100)
 *     after=CURSOR       only rows behind the cursor: the `next` of the rows before
 *     before=CURSOR      the last rows in front of the cursor: the `previous` of the rows behind
 *
 * A cursor is `COUNT:PATH` in an order by count and `PATH` in an order by path. It names a place,
 * not a row: it stays good when the row moves or was never there. The overflow row's has
 * PATH_OVERFLOW as its path.
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

/* The periods' names, as a query has them. */
extern const char *const view_period_names[VIEW_N_PERIODS];

/* The longest path in a cursor: an older server may have left rows with longer paths than are
 * counted now. */
#define CURSOR_PATH_MAX_BYTES 8192

#define VIEW_DEFAULT_ROWS 100

struct view {
    enum view_order order;
    enum view_period period;
    bool without_bots;
    unsigned limit;
    bool has_prefix;
    bool has_after;      /* there is a cursor, which is in the members after_… */
    bool backwards;      /* it was given as before=: the rows in front of it are wanted */
    int64_t after_count; /* order by count only */
    size_t prefix_len;
    size_t after_len;
    char prefix[PATH_MAX_BYTES];
    char after_path[CURSOR_PATH_MAX_BYTES];
};

/* Reads the query of a request, without its question mark ("" for none). Unknown or doubled
 * parameters are errors: a misspelt one must not give rows that were not asked for. Returns 0, or
 * -1 with a sentence in `error`. */
int view_parse(const char *query, size_t len, struct view *view, const char **error)
    __attribute__((warn_unused_result));

/* Whether two views have the same rows. */
bool view_equals(const struct view *a, const struct view *b);

/* Appends this row's cursor: what continues behind it (after=) or in front of it (before=). */
void cursor_encode(struct buffer *to, enum view_order order, const char *path, size_t path_len,
                   int64_t count);

/* Finds the lowest text that is above every text with this prefix, in byte order. The prefix is
 * valid UTF-8 and so is the bound; `above` has room for `len` + 1 bytes. Returns false when there
 * is none (an empty prefix, or nothing but U+10FFFF). */
bool prefix_upper_bound(const char *prefix, size_t len, char *above, size_t *above_len);

#endif
