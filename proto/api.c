#include "proto/api.h"

#include "proto/json.h"
#include "proto/memory.h"

#include <stdlib.h>

static int fail(const char **error, const char *text)
{
    *error = text;
    return -1;
}

/* Reads a whole number from `least` to `most`. */
static bool get_int(const json_t *object, const char *name, int64_t least, int64_t most,
                    int64_t *number)
{
    const json_t *value = json_object_get(object, name);

    *number = json_integer_value(value);
    return json_is_integer(value) && *number >= least && *number <= most;
}

void lane_encode(struct buffer *to, int64_t lane)
{
    buffer_add_literal(to, "{\"lane\":");
    buffer_add_int(to, lane);
    buffer_add_literal(to, ",\"sequence\":0}");
}

int lane_decode(const char *json, size_t len, int64_t *lane, const char **error)
{
    int64_t sequence;
    json_t *object = json_load_object(json, len, error);
    bool good;

    if (object == NULL)
        return -1;
    good =
        get_int(object, "lane", 1, LANE_MAX, lane) && get_int(object, "sequence", 0, 0, &sequence);
    json_decref(object);
    return good ? 0 : fail(error, "The answer holds no new lane.");
}

static void encode_lane_and_sequence(struct buffer *to, const struct batch *batch)
{
    buffer_add_literal(to, "{\"lane\":");
    buffer_add_int(to, batch->lane);
    buffer_add_literal(to, ",\"sequence\":");
    buffer_add_int(to, batch->sequence);
}

void hits_encode(struct buffer *to, const struct batch *batch)
{
    encode_lane_and_sequence(to, batch);
    buffer_add_literal(to, ",\"paths\":[");
    for (size_t i = 0; i < batch->size; ++i) {
        if (i != 0)
            buffer_add_literal(to, ",");
        buffer_add_json(to, batch->entries[i].path, batch->entries[i].path_len);
    }
    buffer_add_literal(to, "],\"hits\":[");
    for (size_t i = 0; i < batch->size; ++i) {
        if (i != 0)
            buffer_add_literal(to, ",");
        buffer_add_int(to, batch->entries[i].hits);
    }
    buffer_add_literal(to, "]}");
}

/* Fills the batch's entries; paths stay the property of the JSON value. */
static int decode_entries(const json_t *paths, const json_t *numbers, struct batch *batch,
                          const char **error)
{
    size_t bytes = 0;

    batch->size = json_array_size(paths);
    if (batch->size == 0 || batch->size != json_array_size(numbers))
        return fail(error, "\"paths\" and \"hits\" are not two lists of the same length from 1.");
    if (batch->size > BATCH_MAX_PATHS)
        return fail(error, "The batch has more than 1,024 paths.");
    batch->entries = memory_allocate(batch->size, sizeof(*batch->entries));

    for (size_t i = 0; i < batch->size; ++i) {
        struct batch_entry *entry = &batch->entries[i];
        const json_t *path = json_array_get(paths, i), *number = json_array_get(numbers, i);
        if (!json_is_string(path) || !json_is_integer(number))
            return fail(error, "\"paths\" is not all text or \"hits\" not all whole numbers.");
        entry->path = json_string_value(path);
        entry->path_len = json_string_length(path);
        entry->hits = json_integer_value(number);
        bytes += entry->path_len;
        if (!path_is_valid(entry->path, entry->path_len))
            return fail(error, "A path is not a canonical path.");
        if (entry->hits < 1 || entry->hits > BATCH_MAX_HITS)
            return fail(error, "A path has less than 1 or more than 1,000,000,000 hits.");
        if (i != 0 &&
            path_compare(entry[-1].path, entry[-1].path_len, entry->path, entry->path_len) >= 0)
            return fail(error, "The paths are not in ascending byte order, each once.");
    }
    return bytes <= BATCH_MAX_PATH_BYTES
               ? 0
               : fail(error, "The paths have more than 131,072 bytes together.");
}

int hits_decode(const char *json, size_t len, struct hits *hits, const char **error)
{
    json_t *object = json_load_object(json, len, error);

    *hits = (struct hits){._json = object};
    if (object == NULL)
        return -1;
    if (!get_int(object, "lane", 1, LANE_MAX, &hits->batch.lane)) {
        *error = "\"lane\" is not a whole number from 1 to 2^53.";
        goto refuse;
    }
    if (!get_int(object, "sequence", 1, LANE_MAX, &hits->batch.sequence)) {
        *error = "\"sequence\" is not a whole number from 1 to 2^53.";
        goto refuse;
    }
    if (decode_entries(json_object_get(object, "paths"), json_object_get(object, "hits"),
                       &hits->batch, error) != 0)
        goto refuse;
    return 0;

refuse:
    hits_free(hits);
    return -1;
}

void hits_free(struct hits *hits)
{
    free(hits->batch.entries);
    json_decref(hits->_json);
    *hits = (struct hits){0};
}

/* Appends the places of the paths that have no row, if there are any. */
static void encode_overflow(struct buffer *to, const struct number *numbers, size_t size)
{
    bool any = false;

    for (size_t i = 0; i < size; ++i) {
        if (!numbers[i].overflow)
            continue;
        buffer_add_string(to, any ? "," : ",\"overflow\":[");
        buffer_add_int(to, (int64_t)i);
        any = true;
    }
    if (any)
        buffer_add_literal(to, "]");
}

void counts_encode(struct buffer *to, const struct batch *batch, bool repeat,
                   const struct number *numbers)
{
    encode_lane_and_sequence(to, batch);
    if (repeat)
        buffer_add_literal(to, ",\"repeat\":true,\"counts\":[");
    else
        buffer_add_literal(to, ",\"repeat\":false,\"counts\":[");
    for (size_t i = 0; i < batch->size; ++i) {
        if (i != 0)
            buffer_add_literal(to, ",");
        buffer_add_int(to, numbers[i].count);
    }
    buffer_add_literal(to, "]");
    encode_overflow(to, numbers, batch->size);
    buffer_add_literal(to, "}");
}

void counts_add_rows(struct buffer *counts, const struct buffer *rows)
{
    --counts->len; /* the closing brace */
    buffer_add_literal(counts, ",\"rows\":");
    buffer_add(counts, rows->bytes, rows->len);
    buffer_add_literal(counts, "}");
}

void totals_encode(struct buffer *to, const struct totals *totals)
{
    buffer_add_literal(to, "{\"paths\":");
    buffer_add_int(to, totals->paths);
    buffer_add_literal(to, ",\"hits\":");
    buffer_add_int(to, totals->hits);
    buffer_add_literal(to, "}");
}

void row_encode(struct buffer *to, const struct row *row)
{
    buffer_add_literal(to, "{\"path\":");
    buffer_add_json(to, row->path, row->path_len);
    buffer_add_literal(to, ",\"count\":");
    buffer_add_int(to, row->count);
    if (path_is_overflow(row->path, row->path_len))
        buffer_add_literal(to, ",\"overflow\":true");
    buffer_add_literal(to, "}");
}

static void encode_cursor(struct buffer *to, const char *cursor, size_t len)
{
    if (cursor != NULL)
        buffer_add_json(to, cursor, len);
    else
        buffer_add_literal(to, "null");
}

void rows_encode(struct buffer *to, const struct rows *rows)
{
    buffer_add_literal(to, "{\"paths\":[");
    for (size_t i = 0; i < rows->size; ++i) {
        if (i != 0)
            buffer_add_literal(to, ",");
        buffer_add_json(to, rows->rows[i].path, rows->rows[i].path_len);
    }
    buffer_add_literal(to, "],\"counts\":[");
    for (size_t i = 0; i < rows->size; ++i) {
        if (i != 0)
            buffer_add_literal(to, ",");
        buffer_add_int(to, rows->rows[i].count);
    }
    buffer_add_literal(to, "],\"next\":");
    encode_cursor(to, rows->next, rows->next_len);
    buffer_add_literal(to, ",\"previous\":");
    encode_cursor(to, rows->previous, rows->previous_len);
    buffer_add_literal(to, ",\"totals\":");
    totals_encode(to, &rows->totals);
    buffer_add_literal(to, "}");
}

/* Reads a cursor; false when it is something else. One that is missing is none. */
static bool decode_cursor(const json_t *value, const char **cursor, size_t *len)
{
    *cursor = json_string_value(value);
    *len = json_string_length(value);
    return value == NULL || json_is_string(value) || json_is_null(value);
}

static int decode_rows(const json_t *object, struct rows *rows, const char **error)
{
    const json_t *paths = json_object_get(object, "paths");
    const json_t *counts = json_object_get(object, "counts");
    const json_t *totals = json_object_get(object, "totals");

    rows->size = json_array_size(paths);
    if (!json_is_array(paths) || !json_is_array(counts) || json_array_size(counts) != rows->size ||
        rows->size > VIEW_MAX_ROWS)
        return fail(error, "\"paths\" and \"counts\" are not two lists of the same length.");
    rows->rows = memory_allocate(rows->size, sizeof(*rows->rows));
    for (size_t i = 0; i < rows->size; ++i) {
        const json_t *path = json_array_get(paths, i), *count = json_array_get(counts, i);
        struct row *row = &rows->rows[i];
        if (!json_is_string(path) || !json_is_integer(count))
            return fail(error, "A row is not a text and a whole number.");
        row->path = json_string_value(path);
        row->path_len = json_string_length(path);
        row->count = json_integer_value(count);
        if (row->count < 0)
            return fail(error, "A count of a row is not a whole number from 0.");
    }
    if (json_object_get(object, "next") == NULL ||
        !decode_cursor(json_object_get(object, "next"), &rows->next, &rows->next_len) ||
        !decode_cursor(json_object_get(object, "previous"), &rows->previous, &rows->previous_len))
        return fail(error, "\"next\" or \"previous\" is neither a cursor nor null.");
    if (!get_int(totals, "paths", 0, INT64_MAX, &rows->totals.paths) ||
        !get_int(totals, "hits", 0, INT64_MAX, &rows->totals.hits))
        return fail(error, "\"totals\" does not hold the numbers of paths and hits.");
    return 0;
}

int rows_decode(const char *json, size_t len, struct rows *rows, const char **error)
{
    json_t *object = json_load_object(json, len, error);

    *rows = (struct rows){._json = object};
    if (object == NULL)
        return -1;
    if (decode_rows(object, rows, error) != 0) {
        rows_free(rows);
        return -1;
    }
    return 0;
}

void rows_free(struct rows *rows)
{
    free(rows->rows);
    json_decref(rows->_json);
    *rows = (struct rows){0};
}

/* Reads which paths have no row: their places, in ascending order. A missing list has none. */
static bool decode_overflow(const json_t *places, size_t size, struct number *numbers)
{
    int64_t least = 0;

    for (size_t i = 0; i < json_array_size(places); ++i) {
        const json_t *place = json_array_get(places, i);
        int64_t at = json_integer_value(place);
        if (!json_is_integer(place) || at < least || at >= (int64_t)size)
            return false;
        numbers[at].overflow = true;
        least = at + 1;
    }
    return places == NULL || json_is_array(places);
}

/* Reads everything but the rows. */
static int decode_counts(const json_t *object, const struct batch *batch, struct counts *counts,
                         const char **error)
{
    const json_t *numbers = json_object_get(object, "counts");
    const json_t *repeat = json_object_get(object, "repeat");
    int64_t echo;

    if (!get_int(object, "lane", batch->lane, batch->lane, &echo) ||
        !get_int(object, "sequence", batch->sequence, batch->sequence, &echo))
        return fail(error, "The answer is to another lane or sequence.");
    if (json_array_size(numbers) != batch->size || !json_is_boolean(repeat))
        return fail(error, "The answer has not one count for each path.");
    counts->repeat = json_is_true(repeat);
    for (size_t i = 0; i < batch->size; ++i) {
        const json_t *number = json_array_get(numbers, i);
        int64_t count = json_integer_value(number);
        if (!json_is_integer(number) || count < 0 ||
            (!counts->repeat && count < batch->entries[i].hits))
            return fail(error, "A count in the answer is not a whole number from the hits on.");
        counts->numbers[i] = (struct number){count, false};
    }
    if (!decode_overflow(json_object_get(object, "overflow"), batch->size, counts->numbers))
        return fail(error, "\"overflow\" is not a list of places in the batch.");
    return 0;
}

int counts_decode(const char *json, size_t len, const struct batch *batch, struct counts *counts,
                  const char **error)
{
    json_t *object = json_load_object(json, len, error);
    const json_t *rows = json_object_get(object, "rows");

    counts->rows = (struct rows){._json = object};
    counts->has_rows = rows != NULL;
    if (object == NULL)
        return -1;
    if (decode_counts(object, batch, counts, error) != 0 ||
        (rows != NULL && decode_rows(rows, &counts->rows, error) != 0)) {
        rows_free(&counts->rows);
        return -1;
    }
    return 0;
}

void problem_encode(struct buffer *to, int status, const char *title, const char *detail,
                    const char *trace)
{
    buffer_add_literal(to, "{\"type\":\"about:blank\",\"title\":");
    buffer_add_json(to, title, strlen(title));
    buffer_add_literal(to, ",\"status\":");
    buffer_add_int(to, status);
    buffer_add_literal(to, ",\"detail\":");
    buffer_add_json(to, detail, strlen(detail));
    if (trace != NULL) {
        buffer_add_literal(to, ",\"trace\":");
        buffer_add_json(to, trace, strlen(trace));
    }
    buffer_add_literal(to, "}");
}
