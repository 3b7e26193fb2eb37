#include "proto/rows.h"

#include "base/memory.h"
#include "proto/encoding.h"
#include "proto/path.h"

#include <stdlib.h>

static void encode_totals(struct encoder *encoder, const struct totals *totals)
{
    encode_map(encoder, 3);
    encode_name(encoder, "paths");
    encode_int(encoder, totals->paths);
    encode_name(encoder, "hits");
    encode_int(encoder, totals->hits);
    encode_name(encoder, "bots");
    encode_int(encoder, totals->bots);
    encode_map_end(encoder);
}

void totals_encode(struct buffer *to, const struct totals *totals)
{
    encode_totals(&(struct encoder){.to = to, .encoding = ENCODING_JSON}, totals);
}

void row_encode(struct buffer *to, const struct row *row)
{
    struct encoder encoder = {.to = to, .encoding = ENCODING_JSON};
    bool is_overflow = path_is_overflow(row->path, row->path_len);

    encode_map(&encoder, is_overflow ? 4 : 3);
    encode_name(&encoder, "path");
    encode_text(&encoder, row->path, row->path_len);
    encode_name(&encoder, "count");
    encode_int(&encoder, row->count);
    encode_name(&encoder, "bots");
    encode_int(&encoder, row->bots);
    if (is_overflow) {
        encode_name(&encoder, "overflow");
        encode_bool(&encoder, true);
    }
    encode_map_end(&encoder);
}

static void encode_period(struct encoder *encoder, const struct period_hits *period)
{
    encode_name(encoder, "period");
    encode_map(encoder, 3);
    encode_name(encoder, "hits");
    encode_int(encoder, period->hits);
    encode_name(encoder, "bots");
    encode_int(encoder, period->bots);
    encode_name(encoder, "begins");
    encode_text(encoder, period->begins, period->begins_len);
    encode_map_end(encoder);
}

void rows_encode(struct buffer *to, enum encoding encoding, const struct rows *rows)
{
    struct encoder encoder = {.to = to, .encoding = encoding};

    encode_map(&encoder, rows->period.begins != NULL ? 7 : 6);
    encode_name(&encoder, "paths");
    encode_list(&encoder, rows->size);
    for (size_t i = 0; i < rows->size; ++i)
        encode_text(&encoder, rows->rows[i].path, rows->rows[i].path_len);
    encode_list_end(&encoder);
    encode_name(&encoder, "counts");
    encode_list(&encoder, rows->size);
    for (size_t i = 0; i < rows->size; ++i)
        encode_int(&encoder, rows->rows[i].count);
    encode_list_end(&encoder);
    encode_name(&encoder, "bots");
    encode_list(&encoder, rows->size);
    for (size_t i = 0; i < rows->size; ++i)
        encode_int(&encoder, rows->rows[i].bots);
    encode_list_end(&encoder);
    if (rows->period.begins != NULL)
        encode_period(&encoder, &rows->period);
    encode_name(&encoder, "next");
    encode_text(&encoder, rows->next, rows->next_len);
    encode_name(&encoder, "previous");
    encode_text(&encoder, rows->previous, rows->previous_len);
    encode_name(&encoder, "totals");
    encode_totals(&encoder, &rows->totals);
    encode_map_end(&encoder);
}

/* Decodes a cursor, which may be missing. Returns false if the value is anything else. */
static bool decode_cursor(struct value value, const char **cursor, size_t *len)
{
    *cursor = value.type == VALUE_TEXT ? value.text : NULL;
    *len = value.type == VALUE_TEXT ? value.size : 0;
    return value.type == VALUE_TEXT || value.type == VALUE_NULL || value.type == VALUE_NONE;
}

/* Fills the hits of each row that came from bots. An earlier version does not send them. */
static bool decode_bots(const struct message *message, struct value bots, struct rows *rows)
{
    if (bots.type == VALUE_NONE)
        return true;
    if (bots.type != VALUE_LIST || bots.size != rows->size)
        return false;
    for (size_t i = 0; i < rows->size; ++i)
        if (!value_is_int(message_item(message, bots, i), 0, INT64_MAX, &rows->rows[i].bots))
            return false;
    return true;
}

static bool decode_period(const struct message *message, struct value map,
                          struct period_hits *period)
{
    struct value begins = message_member(message, map, "begins");

    if (map.type == VALUE_NONE)
        return true;
    period->begins = begins.text;
    period->begins_len = begins.size;
    return begins.type == VALUE_TEXT &&
           value_is_int(message_member(message, map, "hits"), 0, INT64_MAX, &period->hits) &&
           value_is_int(message_member(message, map, "bots"), 0, INT64_MAX, &period->bots);
}

static bool decode_totals(const struct message *message, struct value map, struct totals *totals)
{
    struct value bots = message_member(message, map, "bots");

    return value_is_int(message_member(message, map, "paths"), 0, INT64_MAX, &totals->paths) &&
           value_is_int(message_member(message, map, "hits"), 0, INT64_MAX, &totals->hits) &&
           (bots.type == VALUE_NONE || value_is_int(bots, 0, INT64_MAX, &totals->bots));
}

int rows_decode_value(const struct message *message, struct value map, struct rows *rows,
                      const char **error)
{
    struct value paths = message_member(message, map, "paths");
    struct value counts = message_member(message, map, "counts");
    struct value next = message_member(message, map, "next");

    rows->size = value_items(paths);
    if (paths.type != VALUE_LIST || counts.type != VALUE_LIST || counts.size != rows->size ||
        rows->size > VIEW_MAX_ROWS)
        return message_fail(error,
                            "\"paths\" and \"counts\" are not two lists of the same length.");
    rows->rows = memory_allocate(rows->size, sizeof(*rows->rows));
    for (size_t i = 0; i < rows->size; ++i) {
        struct value path = message_item(message, paths, i);
        struct value count = message_item(message, counts, i);
        if (path.type != VALUE_TEXT || count.type != VALUE_INT)
            return message_fail(error, "A row is not a string and an integer.");
        rows->rows[i] = (struct row){path.text, path.size, count.number, 0};
        if (count.number < 0)
            return message_fail(error, "The count of a row is not a non-negative integer.");
    }
    if (next.type == VALUE_NONE || !decode_cursor(next, &rows->next, &rows->next_len) ||
        !decode_cursor(message_member(message, map, "previous"), &rows->previous,
                       &rows->previous_len))
        return message_fail(error, "\"next\" or \"previous\" is neither a cursor nor null.");
    if (!decode_totals(message, message_member(message, map, "totals"), &rows->totals))
        return message_fail(error, "\"totals\" does not hold the numbers of paths and hits.");
    if (!decode_bots(message, message_member(message, map, "bots"), rows) ||
        !decode_period(message, message_member(message, map, "period"), &rows->period))
        return message_fail(error, "\"bots\" or \"period\" does not hold numbers of hits.");
    return 0;
}

int rows_decode(const char *body, size_t len, enum encoding encoding, struct rows *rows,
                const char **error)
{
    *rows = (struct rows){0};
    if (message_read(&rows->_message, body, len, encoding, error) != 0)
        return -1;
    if (rows_decode_value(&rows->_message, rows->_message.root, rows, error) != 0) {
        rows_free(rows);
        return -1;
    }
    return 0;
}

void rows_free(struct rows *rows)
{
    free(rows->rows);
    message_free(&rows->_message);
    *rows = (struct rows){0};
}
