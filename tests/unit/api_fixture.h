/* Tests of the messages between the services: decoders that try each case in both encodings, and
 * the errors of refused messages. Cases are written in JSON. msgpack-c translates those of messages
 * that have two encodings. */
#ifndef TESTS_UNIT_API_FIXTURE_H
#define TESTS_UNIT_API_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/api.h"
#include "tests/unit/translate.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define NO_JSON     "The body is not JSON."
#define NO_OBJECT   "The body is not a JSON object."
#define NO_MAP      "The body is not a MessagePack map."
#define BAD_ANSWER  "The response has no new lane."
#define BAD_LANE    "\"lane\" is not a whole number from 1 to 2^53."
#define BAD_SEQ     "\"sequence\" is not a whole number from 1 to 2^53."
#define BAD_LISTS   "\"paths\" and \"hits\" are not two lists of the same length from 1."
#define BAD_TYPES   "\"paths\" is not all text or \"hits\" not all whole numbers."
#define MANY_PATHS  "The batch has more than 1,024 paths."
#define BAD_PATH    "A path is not a canonical path."
#define BAD_HITS    "The hits of a path must be between 1 and 1,000,000,000."
#define UNSORTED    "The paths are not unique and in ascending byte order."
#define MANY_BYTES  "The paths have more than 131,072 bytes in total."
#define BAD_ECHO    "The response is for another lane or sequence."
#define BAD_SIZE    "The response does not have one count for each path."
#define NO_BOT_HITS "\"bot_hits\" is not a list of one number for each path."
#define BAD_BOT     "A number in \"bot_hits\" is not from 0 to the path's hits."
#define BAD_COUNT   "A count in the response is not an integer of at least the hits."
#define BAD_PLACES  "\"overflow\" is not a list of indexes in the batch."
#define BAD_COLUMNS "\"paths\" and \"counts\" are not two lists of the same length."
#define BAD_ROW     "A row is not a string and an integer."
#define BAD_NEXT    "\"next\" or \"previous\" is neither a cursor nor null."
#define BAD_BOTS    "\"bots\" or \"period\" does not hold numbers of hits."
#define BAD_TOTALS  "\"totals\" does not hold the numbers of paths and hits."

/* An invalid message, and its error. */
struct refusal {
    const char *json, *sentence;
};

static const struct batch_entry asked_entries[] = {{"/a", 2, 2, 0}, {"/b", 2, 1, 0}};
static const struct batch asked = {17, 4, 2, (struct batch_entry *)(uintptr_t)asked_entries};

/* The four decoders with the same signature. They free the results. */
typedef int (*decode_function)(const char *body, size_t len, enum encoding encoding,
                               const char **error);

static inline int decode_lane(const char *body, size_t len, enum encoding encoding,
                              const char **error)
{
    int64_t lane;

    assert_int_equal(encoding, ENCODING_JSON);
    return lane_decode(body, len, &lane, error);
}

static inline void assert_freed(const struct message *message)
{
    assert_null(message->_json);
    assert_null(message->_bytes);
    assert_null(message->_values);
}

static inline int decode_hits(const char *body, size_t len, enum encoding encoding,
                              const char **error)
{
    struct hits hits;
    int result = hits_decode(body, len, encoding, &hits, error);

    if (result == 0)
        hits_free(&hits);
    assert_freed(&hits._message);
    assert_null(hits.batch.entries);
    return result;
}

static inline int decode_counts(const char *body, size_t len, enum encoding encoding,
                                const char **error)
{
    struct counts counts;
    int result = counts_decode(body, len, encoding, &asked, &counts, error);

    if (result == 0)
        rows_free(&counts.rows);
    assert_freed(&counts.rows._message);
    assert_null(counts.rows.rows);
    return result;
}

static inline int decode_rows(const char *body, size_t len, enum encoding encoding,
                              const char **error)
{
    struct rows rows;
    int result = rows_decode(body, len, encoding, &rows, error);

    if (result == 0)
        rows_free(&rows);
    assert_freed(&rows._message);
    assert_null(rows.rows);
    return result;
}

/* Returns JSON translated to MessagePack. */
static inline struct buffer translated(const char *json, size_t len)
{
    struct buffer bytes = {0};

    assert_true(msgpack_of_json(&bytes, json, len));
    return bytes;
}

/* Decodes a copy of exactly `len` bytes, so that AddressSanitizer finds reads beyond them. */
static inline int decode(decode_function decoder, const char *body, size_t len,
                         enum encoding encoding, const char **error)
{
    char *copy = malloc(len);
    int result;

    memcpy(copy, body, len);
    *error = NULL;
    result = decoder(copy, len, encoding, error);
    free(copy);
    return result;
}

/* The same, translated to MessagePack. */
static inline int decode_translated(decode_function decoder, const char *json, size_t len,
                                    const char **error)
{
    struct buffer bytes = translated(json, len);
    int result = decode(decoder, bytes.bytes, bytes.len, ENCODING_MSGPACK, error);

    buffer_free(&bytes);
    return result;
}

static inline void assert_taken(decode_function decoder, const char *json)
{
    const char *error;

    if (decode(decoder, json, strlen(json), ENCODING_JSON, &error) != 0)
        fail_msg("%.200s was refused: %s", json, error);
    if (decoder != decode_lane && decode_translated(decoder, json, strlen(json), &error) != 0)
        fail_msg("%.200s as MessagePack was refused: %s", json, error);
}

static inline void assert_refused_bytes(decode_function decoder, const char *json, size_t len,
                                        const char *sentence)
{
    const char *error;

    if (decode(decoder, json, len, ENCODING_JSON, &error) != -1)
        fail_msg("%.200s was taken", json);
    assert_non_null(error);
    if (strcmp(error, sentence) != 0)
        fail_msg("%.200s was refused with the error: %s", json, error);
    if (strcmp(sentence, NO_JSON) == 0 || decoder == decode_lane)
        return;
    if (decode_translated(decoder, json, len, &error) != -1)
        fail_msg("%.200s as MessagePack was taken", json);
    assert_non_null(error);
    if (strcmp(error, strcmp(sentence, NO_OBJECT) == 0 ? NO_MAP : sentence) != 0)
        fail_msg("%.200s as MessagePack was refused with the error: %s", json, error);
}

static inline void assert_refusals(decode_function decoder, const struct refusal *refusals,
                                   size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_refused_bytes(decoder, refusals[i].json, strlen(refusals[i].json),
                             refusals[i].sentence);
}

static inline void assert_text(struct buffer *buffer, const char *expected)
{
    assert_int_equal(buffer->len, strlen(expected));
    assert_memory_equal(buffer->bytes, expected, buffer->len);
    buffer_free(buffer);
}

/* Compares the MessagePack with what msgpack-c makes of the JSON, and frees it. */
static inline void assert_is_packed(struct buffer *bytes, const char *json)
{
    struct buffer expected = translated(json, strlen(json));

    assert_int_equal(bytes->len, expected.len);
    assert_memory_equal(bytes->bytes, expected.bytes, bytes->len);
    buffer_free(&expected);
    buffer_free(bytes);
}

/* Returns `count` different paths of `len` bytes each, in ascending order, full of control
 * characters, which take the most bytes in JSON. Free it with free_batch. */
static inline struct batch long_batch(size_t count, size_t len)
{
    struct batch batch = {LANE_MAX, LANE_MAX, count, calloc(count, sizeof(*batch.entries))};
    char *paths = malloc(count * len);

    memset(paths, 1, count * len);
    for (size_t i = 0; i < count; i++) {
        char *path = paths + i * len;
        path[0] = '/';
        path[1] = (char)(1 + i / 31);
        path[2] = (char)(1 + i % 31);
        batch.entries[i] = (struct batch_entry){path, len, BATCH_MAX_HITS, BATCH_MAX_HITS};
    }
    return batch;
}

static inline void free_batch(struct batch *batch)
{
    free((void *)(uintptr_t)batch->entries[0].path);
    free(batch->entries);
}

#endif
