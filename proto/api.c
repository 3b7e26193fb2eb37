#include "proto/api.h"

#include "base/memory.h"
#include "proto/encoding.h"

#include <stdlib.h>

/* --- lanes --- */

void lane_encode(struct buffer *to, int64_t lane)
{
    struct encoder encoder = {.to = to, .encoding = ENCODING_JSON};

    encode_map(&encoder, 2);
    encode_name(&encoder, "lane");
    encode_int(&encoder, lane);
    encode_name(&encoder, "sequence");
    encode_int(&encoder, 0);
    encode_map_end(&encoder);
}

int lane_decode(const char *json, size_t len, int64_t *lane, const char **error)
{
    struct message message;
    int64_t sequence;
    bool good;

    if (message_read(&message, json, len, ENCODING_JSON, error) != 0)
        return -1;
    good = value_is_int(message_member(&message, message.root, "lane"), 1, LANE_MAX, lane) &&
           value_is_int(message_member(&message, message.root, "sequence"), 0, 0, &sequence);
    message_free(&message);
    return good ? 0 : message_fail(error, "The response has no new lane.");
}

/* --- batches --- */

static int compare_entries(const void *a, const void *b)
{
    const struct batch_entry *x = a, *y = b;

    return path_compare(x->path, x->path_len, y->path, y->path_len);
}

size_t batch_sort(struct batch_entry *entries, size_t size)
{
    size_t last = 0;

    if (size == 0)
        return 0;
    qsort(entries, size, sizeof(*entries), compare_entries);
    for (size_t i = 1; i < size; ++i) {
        if (compare_entries(&entries[last], &entries[i]) == 0) {
            entries[last].hits += entries[i].hits;
            entries[last].bot_hits += entries[i].bot_hits;
        } else {
            entries[++last] = entries[i];
        }
    }
    return last + 1;
}

struct batch_entry *batch_find(const struct batch *batch, const char *path, size_t path_len)
{
    struct batch_entry key = {path, path_len, 0, 0};

    return bsearch(&key, batch->entries, batch->size, sizeof(key), compare_entries);
}

static void encode_lane_and_sequence(struct encoder *encoder, const struct batch *batch)
{
    encode_name(encoder, "lane");
    encode_int(encoder, batch->lane);
    encode_name(encoder, "sequence");
    encode_int(encoder, batch->sequence);
}

void hits_encode(struct buffer *to, enum encoding encoding, const struct batch *batch)
{
    struct encoder encoder = {.to = to, .encoding = encoding};
    bool has_bots = false;

    for (size_t i = 0; i < batch->size; ++i)
        has_bots |= batch->entries[i].bot_hits != 0;
    encode_map(&encoder, has_bots ? 5 : 4);
    encode_lane_and_sequence(&encoder, batch);
    encode_name(&encoder, "paths");
    encode_list(&encoder, batch->size);
    for (size_t i = 0; i < batch->size; ++i)
        encode_text(&encoder, batch->entries[i].path, batch->entries[i].path_len);
    encode_list_end(&encoder);
    encode_name(&encoder, "hits");
    encode_list(&encoder, batch->size);
    for (size_t i = 0; i < batch->size; ++i)
        encode_int(&encoder, batch->entries[i].hits);
    encode_list_end(&encoder);
    if (has_bots) {
        encode_name(&encoder, "bot_hits");
        encode_list(&encoder, batch->size);
        for (size_t i = 0; i < batch->size; ++i)
            encode_int(&encoder, batch->entries[i].bot_hits);
        encode_list_end(&encoder);
    }
    encode_map_end(&encoder);
}

/* Decodes the hits that came from bots. If the list is missing, there are none. */
static int decode_bot_hits(const struct message *message, struct batch *batch, const char **error)
{
    struct value bot_hits = message_member(message, message->root, "bot_hits");

    if (bot_hits.type == VALUE_NONE)
        return 0;
    if (bot_hits.type != VALUE_LIST || bot_hits.size != batch->size)
        return message_fail(error, "\"bot_hits\" is not a list of one number for each path.");
    for (size_t i = 0; i < batch->size; ++i)
        if (!value_is_int(message_item(message, bot_hits, i), 0, batch->entries[i].hits,
                          &batch->entries[i].bot_hits))
            return message_fail(error,
                                "A number in \"bot_hits\" is not from 0 to the path's hits.");
    return 0;
}

/* Fills the batch's entries. The message keeps the paths. */
static int decode_entries(const struct message *message, struct batch *batch, const char **error)
{
    struct value paths = message_member(message, message->root, "paths");
    struct value hits = message_member(message, message->root, "hits");
    size_t bytes = 0;

    batch->size = value_items(paths);
    if (batch->size == 0 || batch->size != value_items(hits))
        return message_fail(error,
                            "\"paths\" and \"hits\" are not two lists of the same length from 1.");
    if (batch->size > BATCH_MAX_PATHS)
        return message_fail(error, "The batch has more than 1,024 paths.");
    batch->entries = memory_allocate(batch->size, sizeof(*batch->entries));

    for (size_t i = 0; i < batch->size; ++i) {
        struct batch_entry *entry = &batch->entries[i];
        struct value path = message_item(message, paths, i);
        struct value number = message_item(message, hits, i);
        if (path.type != VALUE_TEXT || number.type != VALUE_INT)
            return message_fail(error,
                                "\"paths\" is not all text or \"hits\" not all whole numbers.");
        *entry = (struct batch_entry){path.text, path.size, number.number, 0};
        bytes += entry->path_len;
        if (!path_is_valid(entry->path, entry->path_len))
            return message_fail(error, "A path is not a canonical path.");
        if (entry->hits < 1 || entry->hits > BATCH_MAX_HITS)
            return message_fail(error, "The hits of a path must be between 1 and 1,000,000,000.");
        if (i != 0 &&
            path_compare(entry[-1].path, entry[-1].path_len, entry->path, entry->path_len) >= 0)
            return message_fail(error, "The paths are not unique and in ascending byte order.");
    }
    if (bytes > BATCH_MAX_PATH_BYTES)
        return message_fail(error, "The paths have more than 131,072 bytes in total.");
    return decode_bot_hits(message, batch, error);
}

static int decode_hits(const struct message *message, struct batch *batch, const char **error)
{
    if (!value_is_int(message_member(message, message->root, "lane"), 1, LANE_MAX, &batch->lane))
        return message_fail(error, "\"lane\" is not a whole number from 1 to 2^53.");
    if (!value_is_int(message_member(message, message->root, "sequence"), 1, LANE_MAX,
                      &batch->sequence))
        return message_fail(error, "\"sequence\" is not a whole number from 1 to 2^53.");
    return decode_entries(message, batch, error);
}

int hits_decode(const char *body, size_t len, enum encoding encoding, struct hits *hits,
                const char **error)
{
    *hits = (struct hits){0};
    if (message_read(&hits->_message, body, len, encoding, error) != 0)
        return -1;
    if (decode_hits(&hits->_message, &hits->batch, error) != 0) {
        hits_free(hits);
        return -1;
    }
    return 0;
}

void hits_free(struct hits *hits)
{
    free(hits->batch.entries);
    message_free(&hits->_message);
    *hits = (struct hits){0};
}

/* --- the answer to a batch --- */

void counts_encode(struct buffer *to, enum encoding encoding, const struct batch *batch,
                   bool repeat, const struct hit_count *hit_counts)
{
    struct encoder encoder = {.to = to, .encoding = encoding};
    size_t n_overflow = 0;

    for (size_t i = 0; i < batch->size; ++i)
        n_overflow += hit_counts[i].overflow;
    encode_map(&encoder, n_overflow != 0 ? 5 : 4);
    encode_lane_and_sequence(&encoder, batch);
    encode_name(&encoder, "repeat");
    encode_bool(&encoder, repeat);
    encode_name(&encoder, "counts");
    encode_list(&encoder, batch->size);
    for (size_t i = 0; i < batch->size; ++i)
        encode_int(&encoder, hit_counts[i].count);
    encode_list_end(&encoder);
    if (n_overflow != 0) {
        encode_name(&encoder, "overflow");
        encode_list(&encoder, n_overflow);
        for (size_t i = 0; i < batch->size; ++i)
            if (hit_counts[i].overflow)
                encode_int(&encoder, (int64_t)i);
        encode_list_end(&encoder);
    }
    encode_map_end(&encoder);
}

void counts_add_rows(struct buffer *counts, enum encoding encoding, const struct buffer *rows)
{
    struct encoder encoder = {.to = counts, .encoding = encoding};

    encode_map_reopen(&encoder);
    encode_name(&encoder, "rows");
    encode_copy(&encoder, rows);
    encode_map_end(&encoder);
}

/* Decodes the indexes of the paths without a row, in ascending order. If the list is missing, there
 * are none. */
static bool decode_overflow(const struct message *message, size_t size,
                            struct hit_count *hit_counts)
{
    struct value indexes = message_member(message, message->root, "overflow");
    int64_t least = 0, index;

    for (size_t i = 0; i < value_items(indexes); ++i) {
        if (!value_is_int(message_item(message, indexes, i), least, (int64_t)size - 1, &index))
            return false;
        hit_counts[index].overflow = true;
        least = index + 1;
    }
    return indexes.type == VALUE_NONE || indexes.type == VALUE_LIST;
}

/* Decodes everything except the rows. */
static int decode_counts(const struct message *message, const struct batch *batch,
                         struct counts *counts, const char **error)
{
    struct value hit_counts = message_member(message, message->root, "counts");
    struct value repeat = message_member(message, message->root, "repeat");
    int64_t echo, count;

    if (!value_is_int(message_member(message, message->root, "lane"), batch->lane, batch->lane,
                      &echo) ||
        !value_is_int(message_member(message, message->root, "sequence"), batch->sequence,
                      batch->sequence, &echo))
        return message_fail(error, "The response is for another lane or sequence.");
    if (value_items(hit_counts) != batch->size || repeat.type != VALUE_BOOL)
        return message_fail(error, "The response does not have one count for each path.");
    counts->repeat = repeat.number != 0;
    for (size_t i = 0; i < batch->size; ++i) {
        int64_t least = counts->repeat ? 0 : batch->entries[i].hits;
        if (!value_is_int(message_item(message, hit_counts, i), least, INT64_MAX, &count))
            return message_fail(error,
                                "A count in the response is not an integer of at least the hits.");
        counts->hit_counts[i] = (struct hit_count){count, false};
    }
    if (!decode_overflow(message, batch->size, counts->hit_counts))
        return message_fail(error, "\"overflow\" is not a list of indexes in the batch.");
    return 0;
}

int counts_decode(const char *body, size_t len, enum encoding encoding, const struct batch *batch,
                  struct counts *counts, const char **error)
{
    struct message *message = &counts->rows._message;
    struct value rows;

    counts->rows = (struct rows){0};
    if (message_read(message, body, len, encoding, error) != 0)
        return -1;
    rows = message_member(message, message->root, "rows");
    counts->has_rows = rows.type != VALUE_NONE;
    if (decode_counts(message, batch, counts, error) != 0 ||
        (counts->has_rows && rows_decode_value(message, rows, &counts->rows, error) != 0)) {
        rows_free(&counts->rows);
        return -1;
    }
    return 0;
}

/* --- problems --- */

const char *status_title(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 204:
        return "No Content";
    case 303:
        return "See Other";
    case 308:
        return "Permanent Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 414:
        return "URI Too Long";
    case 422:
        return "Unprocessable Content";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

void problem_encode(struct buffer *to, int status, const char *detail, const char *trace)
{
    const char *title = status_title(status);

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
