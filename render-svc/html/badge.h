/* A badge as a README shows it: a label and a number side by side, as SVG. It holds nothing but
 * shapes and text: no script, no style, nothing from elsewhere. Any thread.
 *
 *     label=TEXT         at most 256 bytes (default: hits); empty: the number alone
 *     color=COLOUR       behind the number: a name or 3 or 6 hexadecimal digits (default: blue)
 *     labelColor=COLOUR  behind the label (default: grey)
 *     style=STYLE        flat, flat-square, plastic, for-the-badge (default: flat)
 *     numbers=NUMBERS    full, short: 12,345 or 12.3k (default: full)
 *     period=PERIOD      of a badge that counts nothing: hits of today, 24h, 7d or 30d alone (default: all)
 *     bots=exclude       of a badge that counts nothing: hits by people alone (default: include)
 *     cacheSeconds=NUMBER how long a badge that counts nothing may be kept; see cache_s
 *     format=shields     of a badge that counts nothing: JSON for an endpoint badge of shields.io
 *
 * Other parameters are ignored. Pages and readers add such to images, so that they are not taken from
 * a cache, or to see where a visit comes from; a broken image would count nothing.
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
    bool is_short; /* its number */
    bool for_shields;
    enum view_period period; /* which hits it is of; not for one that counts */
    bool without_bots;       /* the same */
    int cache_s; /* BADGE_CACHE_MIN_S to BADGE_CACHE_MAX_S; a number beyond either is taken for it */
};

/* A minute, which is the default, to a year. */
#define BADGE_CACHE_MIN_S 60
#define BADGE_CACHE_MAX_S 31536000

/* Reads a query; its texts are in the pool. Returns NULL, or a sentence about a value that is wrong. */
const char *badge_read(h2o_mem_pool_t *pool, const char *query, size_t len, struct badge *badge)
    __attribute__((warn_unused_result));

/* Says "counted" in place of a number, which would be that of other paths, too. */
#define BADGE_NO_NUMBER (-1)

/* Appends the badge with this number, from 0, or BADGE_NO_NUMBER. */
void badge_render(struct buffer *to, const struct badge *badge, int64_t number);

/* Appends the same as JSON for shields.io, which draws it (https://shields.io/badges/endpoint-badge). */
void badge_add_shields(struct buffer *to, const struct badge *badge, int64_t number);

#endif
