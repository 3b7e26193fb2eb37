#include "render-svc/html/badge.h"

#include "proto/path.h"
#include "render-svc/html/badge_text.h"
#include "render-svc/html/html.h"
#include "render-svc/html/query.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LABEL_MAX_BYTES 256

#define DEFAULT_COLOR       0x007ec6
#define DEFAULT_LABEL_COLOR 0x555555

/* --- parameters --- */

/* The colours that have a name on badges of shields.io. */
static const struct {
    const char *name;
    uint32_t color;
} COLORS[] = {
    {"brightgreen", 0x44cc11}, {"green", 0x97ca00},     {"yellowgreen", 0xa4a61d},
    {"yellow", 0xdfb317},      {"orange", 0xfe7d37},    {"red", 0xe05d44},
    {"blue", 0x007ec6},        {"grey", 0x555555},      {"gray", 0x555555},
    {"lightgrey", 0x9f9f9f},   {"lightgray", 0x9f9f9f}, {"success", 0x44cc11},
    {"important", 0xfe7d37},   {"critical", 0xe05d44},  {"informational", 0x007ec6},
    {"inactive", 0x9f9f9f},    {"black", 0x000000},     {"white", 0xffffff},
    {"purple", 0x6f42c1},      {"pink", 0xdb4a9e},      {"blueviolet", 0x8a2be2},
};

static const char *const STYLES[] = {
    [BADGE_FLAT] = "flat",
    [BADGE_FLAT_SQUARE] = "flat-square",
    [BADGE_PLASTIC] = "plastic",
    [BADGE_FOR_THE_BADGE] = "for-the-badge",
};

static bool is(h2o_iovec_t value, const char *text)
{
    return value.len == strlen(text) && strncasecmp(value.base, text, value.len) == 0;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, c | 0x20);

    return (c >= '0' && c <= '9') || (at != NULL && c >= 'A') ? (int)(at - digits) : -1;
}

/* Reads RGB or RRGGBB, with or without a # before it. */
static bool read_hex(h2o_iovec_t value, uint32_t *color)
{
    size_t skip = value.len != 0 && value.base[0] == '#', digits = value.len - skip;

    if (digits != 3 && digits != 6)
        return false;
    *color = 0;
    for (size_t i = skip; i < value.len; ++i) {
        int digit = hex_digit(value.base[i]);
        if (digit < 0)
            return false;
        *color = *color << 4 | (uint32_t)digit;
        if (digits == 3)
            *color = *color << 4 | (uint32_t)digit;
    }
    return true;
}

static bool read_color(h2o_iovec_t value, uint32_t *color)
{
    if (value.base == NULL)
        return true;
    for (size_t i = 0; i < sizeof(COLORS) / sizeof(COLORS[0]); ++i) {
        if (is(value, COLORS[i].name)) {
            *color = COLORS[i].color;
            return true;
        }
    }
    return read_hex(value, color);
}

static bool read_numbers(h2o_iovec_t value, bool *is_short)
{
    *is_short = value.base != NULL && is(value, "short");
    return value.base == NULL || *is_short || is(value, "full");
}

static bool read_period(h2o_iovec_t value, enum view_period *period)
{
    for (int i = 0; i < VIEW_N_PERIODS; ++i) {
        if (value.base == NULL || is(value, view_period_names[i])) {
            *period = (enum view_period)i;
            return true;
        }
    }
    return false;
}

static bool read_style(h2o_iovec_t value, enum badge_style *style)
{
    for (size_t i = 0; i < sizeof(STYLES) / sizeof(STYLES[0]); ++i) {
        if (value.base == NULL || is(value, STYLES[i])) {
            *style = (enum badge_style)i;
            return true;
        }
    }
    return false;
}

/* Reads seconds, with any number of digits, into BADGE_CACHE_MIN_S to BADGE_CACHE_MAX_S. */
static bool read_seconds(h2o_iovec_t value, int *seconds)
{
    int number = 0;

    if (value.base == NULL)
        return true;
    for (size_t i = 0; i < value.len; ++i) {
        if (value.base[i] < '0' || value.base[i] > '9')
            return false;
        if (number < BADGE_CACHE_MAX_S)
            number = number * 10 + (value.base[i] - '0');
    }
    if (number > BADGE_CACHE_MAX_S)
        number = BADGE_CACHE_MAX_S;
    if (number > *seconds)
        *seconds = number;
    return value.len != 0;
}

/* Returns whether XML can contain the text (XML 1.0, 2.2) and a badge can show it in one line. */
static bool is_label(h2o_iovec_t value)
{
    if (value.len > LABEL_MAX_BYTES || !utf8_is_valid(value.base, value.len))
        return false;
    for (size_t i = 0; i < value.len; ++i) {
        unsigned char c = (unsigned char)value.base[i];
        if (c < 0x20 || c == 0x7F ||
            (c == 0xEF && (memcmp(value.base + i, "\xEF\xBF\xBE", 3) == 0 ||
                           memcmp(value.base + i, "\xEF\xBF\xBF", 3) == 0)))
            return false;
    }
    return true;
}

const char *badge_read(h2o_mem_pool_t *pool, const char *query, size_t len, struct badge *badge)
{
    static const char *const NAMES[] = {"label",   "color",  "labelColor", "style", "cacheSeconds",
                                        "numbers", "format", "period",     "bots"};
    h2o_iovec_t values[9], rest;
    const char *error = query_take(pool, query, len, NAMES, 9, values, &rest);

    *badge = (struct badge){.label = "hits",
                            .label_len = 4,
                            .color = DEFAULT_COLOR,
                            .label_color = DEFAULT_LABEL_COLOR,
                            .cache_s = BADGE_CACHE_MIN_S};
    if (error != NULL)
        return error;
    if (values[0].base != NULL) {
        if (!is_label(values[0]))
            return "\"label\" is not text of at most 256 bytes without control characters.";
        badge->label = values[0].base;
        badge->label_len = values[0].len;
    }
    if (!read_color(values[1], &badge->color) || !read_color(values[2], &badge->label_color))
        return "A color is neither a known name nor 3 or 6 hexadecimal digits.";
    if (!read_style(values[3], &badge->style))
        return "\"style\" is not flat, flat-square, plastic or for-the-badge.";
    if (!read_seconds(values[4], &badge->cache_s))
        return "\"cacheSeconds\" is not a whole number.";
    if (!read_numbers(values[5], &badge->is_short))
        return "\"numbers\" is not full or short.";
    if (!read_period(values[7], &badge->period))
        return "\"period\" is not all, today, 24h, 7d or 30d.";
    badge->without_bots = values[8].base != NULL && is(values[8], "exclude");
    if (values[8].base != NULL && !badge->without_bots && !is(values[8], "include"))
        return "\"bots\" is neither include nor exclude.";
    badge->for_shields = values[6].base != NULL && is(values[6], "shields");
    return NULL;
}

/* --- the text --- */

/* Appends a count with its unit, at most three digits, rounded down: 999, 1k, 12.3k, 123k, 1.2M. */
static void add_short(struct buffer *to, int64_t count)
{
    static const char UNITS[] = "kMGTPE";
    int64_t unit = 1, tenths;
    size_t power = 0; /* of a thousand */

    for (; count / unit >= 1000; unit *= 1000)
        ++power;
    buffer_add_int(to, count / unit);
    if (power == 0)
        return;
    tenths = count % unit / (unit / 10);
    if (count / unit < 100 && tenths != 0) {
        buffer_add_literal(to, ".");
        buffer_add_int(to, tenths);
    }
    buffer_add(to, &UNITS[power - 1], 1);
}

static void add_message(struct buffer *to, int64_t count, bool is_short)
{
    if (count == BADGE_NO_COUNT)
        buffer_add_literal(to, "counted");
    else if (is_short)
        add_short(to, count);
    else
        html_add_number(to, count);
}

void badge_add_shields(struct buffer *to, const struct badge *badge, int64_t count)
{
    struct buffer message = {0};
    char rest[128];

    add_message(&message, count, badge->is_short);
    buffer_add_literal(to, "{\"schemaVersion\":1,\"label\":");
    buffer_add_json(to, badge->label, badge->label_len);
    buffer_add_literal(to, ",\"message\":");
    buffer_add_json(to, message.bytes, message.len);
    buffer_free(&message);
    snprintf(rest, sizeof(rest),
             ",\"color\":\"%06x\",\"labelColor\":\"%06x\",\"style\":\"%s\",\"cacheSeconds\":%d}\n",
             badge->color & 0xFFFFFF, badge->label_color & 0xFFFFFF, STYLES[badge->style],
             badge->cache_s);
    buffer_add_string(to, rest);
}

/* --- drawing --- */

/* How each style looks; lengths in pixels. */
static const struct look {
    int height, radius, padding, baseline;
    bool gradient, shadow, is_capital;
    struct badge_font font;
} LOOKS[] = {
    [BADGE_FLAT] = {20, 3, 5, 14, true, true, false, {11, false}},
    [BADGE_FLAT_SQUARE] = {20, 0, 5, 14, false, false, false, {11, false}},
    [BADGE_PLASTIC] = {18, 4, 5, 13, true, true, false, {11, false}},
    [BADGE_FOR_THE_BADGE] = {28, 0, 11, 18, false, false, true, {10, true}},
};

/* The space between capital letters, in hundredths of a pixel. */
#define CAPITAL_SPACING 125

/* One of the two halves: label or count. Lengths in pixels. */
struct half {
    struct buffer text;
    uint32_t color;
    int x, width, text_width; /* width 0: the half is not drawn */
    bool is_known;            /* text_width */
};

/* Sets the text of a half and its place, from `x` on. */
static void init_half(struct half *half, const char *text, size_t len, int x,
                      const struct look *look)
{
    struct buffer *shown = &half->text;

    badge_text_add(shown, text, len, look->is_capital);
    half->x = x;
    if (shown->len == 0)
        return;
    half->text_width = badge_text_width(shown->bytes, shown->len, &look->font, &half->is_known);
    if (look->is_capital && half->is_known)
        half->text_width += CAPITAL_SPACING * (int)badge_text_count(shown->bytes, shown->len) / 100;
    half->width = half->text_width + 2 * look->padding;
}

static bool is_light(uint32_t color)
{
    return (color >> 16 & 0xFF) * 299 + (color >> 8 & 0xFF) * 587 + (color & 0xFF) * 114 >
           175 * 1000;
}

/* Draws the text of a half. It gets a fixed width (textLength) only if the width is known: to fit a
 * wrong width, a browser would move apart letters that should join. */
static void draw_line(struct buffer *to, const struct half *half, int y, const char *attributes)
{
    html_add(to, "<text x=\"%d\" y=\"%d\"", half->x + half->width / 2, y);
    if (half->is_known)
        html_add(to, " textLength=\"%d\"", half->text_width);
    buffer_add_string(to, attributes);
    html_add(to, ">%.*s</text>", (int)half->text.len, half->text.bytes);
}

static void draw_text(struct buffer *to, const struct half *half, const struct look *look)
{
    bool light = is_light(half->color);

    if (look->shadow)
        draw_line(to, half, look->baseline + 1,
                  light ? " aria-hidden=\"true\" fill=\"#ccc\" fill-opacity=\".3\""
                        : " aria-hidden=\"true\" fill=\"#010101\" fill-opacity=\".3\"");
    draw_line(to, half, look->baseline, light ? " fill=\"#333\"" : " fill=\"#fff\"");
    buffer_add_literal(to, "\n");
}

static void draw_ground(struct buffer *to, const struct half *half, const struct look *look)
{
    html_add(to, "<rect x=\"%d\" width=\"%d\" height=\"%d\" fill=\"#%06x\"/>", half->x, half->width,
             look->height, half->color & 0xFFFFFF);
}

/* Begins the SVG with its name for screen readers, which has the whole count even when the badge
 * shows it short. */
static void draw_head(struct buffer *to, const struct badge *badge, const struct buffer *count,
                      int width, const struct look *look)
{
    struct buffer name = {0};

    badge_text_add(&name, badge->label, badge->label_len, false);
    if (name.len != 0)
        buffer_add_literal(&name, ": ");
    buffer_add(&name, count->bytes, count->len);
    html_add(to,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" role=\"img\" "
             "aria-label=\"%.*s\">\n<title>%.*s</title>\n",
             width, look->height, (int)name.len, name.bytes, (int)name.len, name.bytes);
    buffer_free(&name);
}

static void draw_grounds(struct buffer *to, const struct half *halves, int width,
                         const struct look *look)
{
    if (look->gradient)
        buffer_add_literal(to, "<linearGradient id=\"s\" x2=\"0\" y2=\"100%\">"
                               "<stop offset=\"0\" stop-color=\"#bbb\" stop-opacity=\".1\"/>"
                               "<stop offset=\"1\" stop-opacity=\".1\"/></linearGradient>\n");
    html_add(to,
             "<clipPath id=\"r\"><rect width=\"%d\" height=\"%d\" rx=\"%d\"/></clipPath>\n"
             "<g clip-path=\"url(#r)\">",
             width, look->height, look->radius);
    for (int i = 0; i < 2; ++i)
        if (halves[i].width != 0)
            draw_ground(to, &halves[i], look);
    if (look->gradient)
        html_add(to, "<rect width=\"%d\" height=\"%d\" fill=\"url(#s)\"/>", width, look->height);
    buffer_add_literal(to, "</g>\n");
}

void badge_render(struct buffer *to, const struct badge *badge, int64_t count)
{
    const struct look *look = &LOOKS[badge->style];
    struct half halves[2] = {{.color = badge->label_color}, {.color = badge->color}};
    struct buffer text = {0}, whole = {0};
    int width;

    add_message(&text, count, badge->is_short);
    add_message(&whole, count, false);
    init_half(&halves[0], badge->label, badge->label_len, 0, look);
    init_half(&halves[1], text.bytes, text.len, halves[0].width, look);
    width = halves[0].width + halves[1].width;
    draw_head(to, badge, &whole, width, look);
    draw_grounds(to, halves, width, look);
    html_add(to,
             "<g text-anchor=\"middle\" font-family=\"Verdana,Geneva,DejaVu Sans,sans-serif\" "
             "font-size=\"%d\" font-weight=\"%s\">\n",
             look->font.size, look->font.is_bold ? "bold" : "normal");
    for (int i = 0; i < 2; ++i)
        if (halves[i].width != 0)
            draw_text(to, &halves[i], look);
    buffer_add_literal(to, "</g>\n</svg>\n");
    for (int i = 0; i < 2; ++i)
        buffer_free(&halves[i].text);
    buffer_free(&text);
    buffer_free(&whole);
}
