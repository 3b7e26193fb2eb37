#include "proto/view.h"

#include "proto/api.h"
#include "proto/parameter.h"

#include <stdlib.h>

static const char *read_order(void *data, const char *value, size_t len)
{
    struct view *view = data;

    if (len == 5 && memcmp(value, "count", 5) == 0)
        view->order = VIEW_BY_COUNT;
    else if (len == 4 && memcmp(value, "path", 4) == 0)
        view->order = VIEW_BY_PATH;
    else
        return "\"order\" is neither count nor path.";
    return NULL;
}

static const char *read_limit(void *data, const char *value, size_t len)
{
    struct view *view = data;
    unsigned limit = 0;

    for (size_t i = 0; i < len && limit <= VIEW_MAX_ROWS; ++i) {
        if (value[i] < '0' || value[i] > '9')
            return "\"limit\" is not a whole number.";
        limit = limit * 10 + (unsigned)(value[i] - '0');
    }
    if (limit < 1 || limit > VIEW_MAX_ROWS)
        return "\"limit\" is not from 1 to 1,000.";
    view->limit = limit;
    return NULL;
}

const char *const view_period_names[VIEW_N_PERIODS] = {
    [VIEW_ALL_TIME] = "all", [VIEW_TODAY] = "today", [VIEW_24_HOURS] = "24h",
    [VIEW_7_DAYS] = "7d",    [VIEW_30_DAYS] = "30d",
};

static bool text_is(const char *value, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(value, text, len) == 0;
}

static const char *read_period(void *data, const char *value, size_t len)
{
    struct view *view = data;

    for (int period = 0; period < VIEW_N_PERIODS; ++period) {
        if (!text_is(value, len, view_period_names[period]))
            continue;
        view->period = (enum view_period)period;
        return NULL;
    }
    return "\"period\" is not all, today, 24h, 7d or 30d.";
}

static const char *read_bots(void *data, const char *value, size_t len)
{
    struct view *view = data;

    view->without_bots = text_is(value, len, "exclude");
    return view->without_bots || text_is(value, len, "include")
               ? NULL
               : "\"bots\" is neither include nor exclude.";
}

static bool is_text(const char *value, size_t len, size_t most)
{
    return len <= most && memchr(value, '\0', len) == NULL && utf8_is_valid(value, len);
}

static const char *read_prefix(void *data, const char *value, size_t len)
{
    struct view *view = data;

    if (!is_text(value, len, PATH_MAX_BYTES))
        return "\"prefix\" is not UTF-8 text of at most 2,048 bytes.";
    memcpy(view->prefix, value, len);
    view->prefix_len = len;
    view->has_prefix = len != 0;
    return NULL;
}

/* Parses a cursor of either form. view_parse compares it with the order, which may come later in
 * the query. */
static const char *read_cursor(void *data, const char *value, size_t len)
{
    struct view *view = data;
    const char *path = value;

    if (view->has_after)
        return "\"after\" and \"before\" do not go together.";
    view->has_after = true;
    view->after_count = -1;
    if (len != 0 && value[0] != '/' && !path_is_overflow(value, len)) {
        const char *colon = memchr(value, ':', len);
        char *end;
        if (colon == NULL || colon - value > 19 || value[0] < '0' || value[0] > '9')
            return "\"after\" or \"before\" is not a cursor.";
        view->after_count = strtoll(value, &end, 10);
        if (end != colon)
            return "\"after\" or \"before\" is not a cursor.";
        path = colon + 1;
    }
    view->after_len = len - (size_t)(path - value);
    if (view->after_len == 0 || (*path != '/' && !path_is_overflow(path, view->after_len)) ||
        !is_text(path, view->after_len, CURSOR_PATH_MAX_BYTES))
        return "\"after\" or \"before\" is not a cursor.";
    memcpy(view->after_path, path, view->after_len);
    return NULL;
}

static const char *read_before(void *data, const char *value, size_t len)
{
    struct view *view = data;

    view->backwards = true;
    return read_cursor(view, value, len);
}

static const struct parameter PARAMETERS[] = {
    {"order", read_order},   {"prefix", read_prefix}, {"limit", read_limit}, {"after", read_cursor},
    {"before", read_before}, {"period", read_period}, {"bots", read_bots},
};
#define N_PARAMETERS (sizeof(PARAMETERS) / sizeof(PARAMETERS[0]))

int view_parse(const char *query, size_t len, struct view *view, const char **error)
{
    memset(view, 0, sizeof(*view));
    view->limit = VIEW_DEFAULT_ROWS;
    *error = parameters_read(
        query, len, PARAMETERS, N_PARAMETERS, (size_t)2 * CURSOR_PATH_MAX_BYTES,
        "Unknown query parameter; use order, prefix, period, bots, limit, after or before.", view);
    if (*error != NULL)
        return -1;
    if (view->has_after && (view->order == VIEW_BY_COUNT) != (view->after_count >= 0)) {
        *error = "The cursor belongs to the other order.";
        return -1;
    }
    return 0;
}

bool view_equals(const struct view *a, const struct view *b)
{
    return a->order == b->order && a->period == b->period && a->without_bots == b->without_bots &&
           a->limit == b->limit && a->has_after == b->has_after && a->backwards == b->backwards &&
           a->after_count == b->after_count && a->prefix_len == b->prefix_len &&
           a->after_len == b->after_len && memcmp(a->prefix, b->prefix, a->prefix_len) == 0 &&
           memcmp(a->after_path, b->after_path, a->after_len) == 0;
}

void cursor_encode(struct buffer *to, enum view_order order, const char *path, size_t path_len,
                   int64_t count)
{
    if (order == VIEW_BY_COUNT) {
        buffer_add_int(to, count);
        buffer_add_literal(to, ":");
    }
    buffer_add(to, path, path_len);
}

/* Cuts off the last character of valid UTF-8 text, and returns it. */
static uint32_t take_last_character(const char *text, size_t *len)
{
    uint32_t character = 0;
    unsigned shift = 0;

    while (((unsigned char)text[*len - 1] & 0xC0) == 0x80) {
        character |= ((unsigned char)text[--*len] & 0x3FU) << shift;
        shift += 6;
    }
    unsigned char lead = (unsigned char)text[--*len];
    return character | (lead & (shift == 0 ? 0x7FU : 0x3FU >> shift / 6)) << shift;
}

static void add_character(char *text, size_t *len, uint32_t character)
{
    char *to = text + *len;

    if (character < 0x80) {
        *to++ = (char)character;
    } else if (character < 0x800) {
        *to++ = (char)(0xC0 | character >> 6);
    } else if (character < 0x10000) {
        *to++ = (char)(0xE0 | character >> 12);
        *to++ = (char)(0x80 | (character >> 6 & 0x3F));
    } else {
        *to++ = (char)(0xF0 | character >> 18);
        *to++ = (char)(0x80 | (character >> 12 & 0x3F));
        *to++ = (char)(0x80 | (character >> 6 & 0x3F));
    }
    if (character >= 0x80)
        *to++ = (char)(0x80 | (character & 0x3F));
    *len = (size_t)(to - text);
}

/* UTF-8 has the order of its characters. So the bound is the prefix with its last character raised
 * by one. The highest character cannot be raised, so it is dropped and the one before it is
 * raised. */
bool prefix_upper_bound(const char *prefix, size_t len, char *above, size_t *above_len)
{
    memcpy(above, prefix, len);
    while (len > 0) {
        uint32_t character = take_last_character(above, &len);
        if (character == 0x10FFFF)
            continue;
        add_character(above, &len, character == 0xD7FF ? 0xE000 : character + 1);
        *above_len = len;
        return true;
    }
    return false;
}
