/* A badge for a README: a label and a count side by side, as SVG. It consists of shapes and text:
 * no script, no style sheet, nothing from other hosts. Any thread. The parameters of its query:
 *
 *     label=TEXT           at most 256 bytes (default: hits); empty: the count alone
 *     color=COLOUR         behind the count: a name, or 3 or 6 hexadecimal digits (default: blue)
 *     labelColor=COLOUR    behind the label (default: grey)
 *     style=STYLE          flat, flat-square, plastic, for-the-badge (default: flat)
 *     numbers=NUMBERS      full or short: 12,345 or 12.3k (default: full)
 *
 * For a badge that counts nothing also:
 *
 *     period=PERIOD        the hits of today, 24h, 7d or 30d alone (default: all)
 *     bots=exclude         the hits by people alone (default: include)
 *     cacheSeconds=SECONDS how long it may be kept; see cache_s
 *     format=shields       JSON for an endpoint badge of shields.io
 *
 * Other parameters are ignored. Pages add such to images to keep them out of caches, or to see
 * where a visit comes from. An error in their place would lose the hit.
 */
#ifndef RENDER_HTML_BADGE_H
#define RENDER_HTML_BADGE_H

#include "base/buffer.h"
#include "proto/view.h"

#include <h2o.h>
#include <stdbool.h>

enum badge_style { BADGE_FLAT, BADGE_FLAT_SQUARE, BADGE_PLASTIC, BADGE_FOR_THE_BADGE };

struct badge {
    const char *label;
    size_t label_len;
    uint32_t color, label_color; /* 0xRRGGBB */
    enum badge_style style;
    bool is_short; /* the count as 12.3k */
    bool for_shields;
    enum view_period period; /* which hits it shows; all, if it counts */
    bool without_bots;       /* only hits by people; false, if it counts */
    int cache_s; /* BADGE_CACHE_MIN_S to BADGE_CACHE_MAX_S, to which others are clamped */
};

/* A minute, which is also the default, and a year. */
#define BADGE_CACHE_MIN_S 60
#define BADGE_CACHE_MAX_S 31536000

/* Reads a query; the texts of the badge are in the pool. Returns NULL, or a sentence that says
 * which value is wrong. */
const char *badge_read(h2o_mem_pool_t *pool, const char *query, size_t len, struct badge *badge)
    __attribute__((warn_unused_result));

/* In place of a count: the badge says "counted". For the overflow row, whose count belongs to many
 * paths. */
#define BADGE_NO_COUNT (-1)

/* Appends the badge with this count, from 0, or BADGE_NO_COUNT. */
void badge_render(struct buffer *to, const struct badge *badge, int64_t count);

/* Appends the same as JSON for shields.io, which draws the badge
 * (https://shields.io/badges/endpoint-badge). */
void badge_add_shields(struct buffer *to, const struct badge *badge, int64_t count);

#endif
