/* What the services say to each other: each message both ways, and what is refused. Cases are written in
 * JSON; each of a message that has two encodings is also tried as MessagePack, into which msgpack-c
 * translates it. */
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
#define BAD_PLACES  "\"overflow\" is not a list of places in the batch."
#define BAD_COLUMNS "\"paths\" and \"counts\" are not two lists of the same length."
#define BAD_ROW     "A row is not a string and an integer."
#define BAD_NEXT    "\"next\" or \"previous\" is neither a cursor nor null."
#define BAD_BOTS    "\"bots\" or \"period\" does not hold numbers of hits."
#define BAD_TOTALS  "\"totals\" does not hold the numbers of paths and hits."

/* Something that is wrong, and the sentence about it. */
struct refusal {
    const char *json, *sentence;
};

static const struct batch_entry asked_entries[] = {{"/a", 2, 2, 0}, {"/b", 2, 1, 0}};
static const struct batch asked = {17, 4, 2, (struct batch_entry *)(uintptr_t)asked_entries};

/* The four decoders alike: what came out is freed or, for counts, forgotten. */
typedef int (*decode_function)(const char *body, size_t len, enum encoding encoding,
                               const char **error);

static int decode_lane(const char *body, size_t len, enum encoding encoding, const char **error)
{
    int64_t lane;

    assert_int_equal(encoding, ENCODING_JSON);
    return lane_decode(body, len, &lane, error);
}

static void assert_freed(const struct message *message)
{
    assert_null(message->_json);
    assert_null(message->_bytes);
    assert_null(message->_values);
}

static int decode_hits(const char *body, size_t len, enum encoding encoding, const char **error)
{
    struct hits hits;
    int result = hits_decode(body, len, encoding, &hits, error);

    if (result == 0)
        hits_free(&hits);
    assert_freed(&hits._message);
    assert_null(hits.batch.entries);
    return result;
}

static int decode_counts(const char *body, size_t len, enum encoding encoding, const char **error)
{
    struct counts counts;
    int result = counts_decode(body, len, encoding, &asked, &counts, error);

    if (result == 0)
        rows_free(&counts.rows);
    assert_freed(&counts.rows._message);
    assert_null(counts.rows.rows);
    return result;
}

static int decode_rows(const char *body, size_t len, enum encoding encoding, const char **error)
{
    struct rows rows;
    int result = rows_decode(body, len, encoding, &rows, error);

    if (result == 0)
        rows_free(&rows);
    assert_freed(&rows._message);
    assert_null(rows.rows);
    return result;
}

/* What is JSON, in the other encoding. */
static struct buffer translated(const char *json, size_t len)
{
    struct buffer bytes = {0};

    assert_true(msgpack_of_json(&bytes, json, len));
    return bytes;
}

/* Decodes a copy that ends where its bytes do. */
static int decode(decode_function decoder, const char *body, size_t len, enum encoding encoding,
                  const char **error)
{
    char *copy = malloc(len);
    int result;

    memcpy(copy, body, len);
    *error = NULL;
    result = decoder(copy, len, encoding, error);
    free(copy);
    return result;
}

/* The same after its translation. */
static int decode_translated(decode_function decoder, const char *json, size_t len,
                             const char **error)
{
    struct buffer bytes = translated(json, len);
    int result = decode(decoder, bytes.bytes, bytes.len, ENCODING_MSGPACK, error);

    buffer_free(&bytes);
    return result;
}

static void assert_taken(decode_function decoder, const char *json)
{
    const char *error;

    if (decode(decoder, json, strlen(json), ENCODING_JSON, &error) != 0)
        fail_msg("%.200s was refused: %s", json, error);
    if (decoder != decode_lane && decode_translated(decoder, json, strlen(json), &error) != 0)
        fail_msg("%.200s as MessagePack was refused: %s", json, error);
}

static void assert_refused_bytes(decode_function decoder, const char *json, size_t len,
                                 const char *sentence)
{
    const char *error;

    if (decode(decoder, json, len, ENCODING_JSON, &error) != -1)
        fail_msg("%.200s was taken", json);
    if (error == NULL || strcmp(error, sentence) != 0)
        fail_msg("%.200s was refused, but so: %s", json, error);
    if (strcmp(sentence, NO_JSON) == 0 || decoder == decode_lane)
        return;
    if (decode_translated(decoder, json, len, &error) != -1)
        fail_msg("%.200s as MessagePack was taken", json);
    if (strcmp(error, strcmp(sentence, NO_OBJECT) == 0 ? NO_MAP : sentence) != 0)
        fail_msg("%.200s as MessagePack was refused, but so: %s", json, error);
}

static void assert_refusals(decode_function decoder, const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_refused_bytes(decoder, refusals[i].json, strlen(refusals[i].json),
                             refusals[i].sentence);
}

static void assert_text(struct buffer *buffer, const char *expected)
{
    assert_int_equal(buffer->len, strlen(expected));
    assert_memory_equal(buffer->bytes, expected, buffer->len);
    buffer_free(buffer);
}

/* --- all of them --- */

static const struct {
    decode_function decoder;
    const char *good;
} messages[] = {
    {decode_lane, "{\"lane\": 17, \"sequence\": 0}"},
    {decode_hits, "{\"lane\": 17, \"sequence\": 4, \"paths\": [\"/a\", \"/b\"], \"hits\": [2, 1]}"},
    {decode_counts, "{\"lane\": 17, \"sequence\": 4, \"repeat\": false, \"counts\": [8, 3]}"},
    {decode_rows, "{\"paths\": [\"/b\", \"/a\"], \"counts\": [9, 8], \"next\": \"8:/a\", "
                  "\"previous\": \"10:/c\", "
                  "\"totals\": {\"paths\": 2, \"hits\": 17}}"},
};

static void the_messages_of_the_contract_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE(messages); i++)
        assert_taken(messages[i].decoder, messages[i].good);
}

static void what_is_not_one_json_object_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"", NO_JSON},
        {" ", NO_JSON},
        {"{", NO_JSON},
        {"{}x", NO_JSON},
        {"{}{}", NO_JSON},
        {"{} 1", NO_JSON},
        {"{'lane': 1}", NO_JSON},
        {"{\"lane\": 1,}", NO_JSON},
        {"{\"lane\": 01}", NO_JSON},
        {"{\"lane\": +1}", NO_JSON},
        {"{\"lane\": NaN}", NO_JSON},
        {"{lane: 1}", NO_JSON},
        {"// {}\n{}", NO_JSON},
        {"\xef\xbb\xbf{}", NO_JSON},
        {"[]", NO_OBJECT},
        {"[{}]", NO_OBJECT},
        {"null", NO_JSON}, /* jansson demands a list or an object at the top */
        {"17", NO_JSON},
        {"\"{}\"", NO_JSON},
        {"true", NO_JSON},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(messages); i++)
        assert_refusals(messages[i].decoder, refusals, SIZE(refusals));
}

/* The good messages with more members in front. */
static void assert_with(const char *members, const char *sentence)
{
    for (size_t i = 0; i < SIZE(messages); i++) {
        struct buffer json = {0};

        buffer_add_literal(&json, "{");
        buffer_add_string(&json, members);
        buffer_add_literal(&json, ", ");
        buffer_add_string(&json, messages[i].good + 1);
        if (sentence == NULL) {
            buffer_add(&json, "", 1);
            assert_taken(messages[i].decoder, json.bytes);
        } else {
            assert_refused_bytes(messages[i].decoder, json.bytes, json.len, sentence);
        }
        buffer_free(&json);
    }
}

static void unknown_members_are_ignored(void **state)
{
    (void)state;
    assert_with("\"later\": 1", NULL);
    assert_with("\"Lane\": \"x\", \"\": null, \"lane \": []", NULL);
    assert_with("\"x\": {\"lane\": 5, \"sequence\": -1, \"paths\": 7}", NULL);
    assert_with("\"x\": [1.5, true, {\"y\": [[[]]]}]", NULL);
    assert_with("\"\\u006Cater\": \"\\ud83d\\ude00\"", NULL);
}

static void doubled_members_nul_and_broken_text_are_refused_wherever_they_stand(void **state)
{
    (void)state;
    assert_with("\"x\": 1, \"x\": 1", NO_JSON);
    assert_with("\"x\": {\"y\": 1, \"y\": 2}", NO_JSON);
    assert_with("\"x\": 1, \"\\u0078\": 1", NO_JSON);
    assert_with("\"x\": \"\\u0000\"", NO_JSON);
    assert_with("\"\\u0000\": 1", NO_JSON);
    assert_with("\"x\": \"\xff\"", NO_JSON);
    assert_with("\"x\": \"\xc0\xaf\"", NO_JSON);
    assert_with("\"x\": \"\xed\xa0\x80\"", NO_JSON);
    assert_with("\"x\": \"\xf4\x90\x80\x80\"", NO_JSON);
    assert_with("\"x\": \"\xc3\"", NO_JSON);
    assert_with("\"x\": \"\\ud83d\"", NO_JSON);
    assert_with("\"x\": \"\\ude00\"", NO_JSON);
    assert_with("\"x\": \"\\ude00\\ud83d\"", NO_JSON);
    assert_with("\"x\": \"\\ud83d\\u0041\"", NO_JSON);
    assert_with("\"x\": \"\\x41\"", NO_JSON);
    assert_with("\"x\": \"a\nb\"", NO_JSON);
    assert_with("\"x\": 99999999999999999999", NO_JSON);
    assert_with("\"x\": -99999999999999999999", NO_JSON);
    assert_with("\"x\": 1e999", NO_JSON);
}

static void a_raw_nul_is_refused_inside_and_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE(messages); i++) {
        char json[256];
        size_t len = strlen(messages[i].good);

        memcpy(json, messages[i].good, len + 1);
        assert_refused_bytes(messages[i].decoder, json, len + 1, NO_JSON);
        json[1] = '\0';
        assert_refused_bytes(messages[i].decoder, json, len, NO_JSON);
    }
}

static void a_message_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE(messages); i++)
        for (size_t len = 0; len < strlen(messages[i].good); len++)
            assert_refused_bytes(messages[i].decoder, messages[i].good, len, NO_JSON);
}

static void nesting_beyond_reason_is_refused(void **state)
{
    static const char *const openings[] = {"[", "{\"x\":"};
    static const size_t depths[] = {3000, 1000000};

    (void)state;
    for (size_t i = 0; i < SIZE(openings) * SIZE(depths); i++) {
        struct buffer members = {0};

        buffer_add_literal(&members, "\"x\": ");
        for (size_t depth = depths[i / 2]; depth > 0; depth--)
            buffer_add_string(&members, openings[i % 2]);
        for (size_t depth = depths[i / 2]; depth > 0; depth--)
            buffer_add_string(&members, i % 2 == 0 ? "]" : depth == depths[i / 2] ? "1}" : "}");
        buffer_add(&members, "", 1);
        assert_with(members.bytes, NO_JSON);
        buffer_free(&members);
    }
}

/* --- a new lane --- */

static void a_lane_comes_back(void **state)
{
    static const int64_t lanes[] = {1, 17, LANE_MAX - 1, LANE_MAX};

    (void)state;
    for (size_t i = 0; i < SIZE(lanes); i++) {
        struct buffer json = {0};
        const char *error;
        char expected[64];
        int64_t lane;

        lane_encode(&json, lanes[i]);
        assert_int_equal(lane_decode(json.bytes, json.len, &lane, &error), 0);
        assert_int_equal(lane, lanes[i]);
        snprintf(expected, sizeof(expected), "{\"lane\":%lld,\"sequence\":0}", (long long)lanes[i]);
        assert_text(&json, expected);
    }
}

static void what_is_not_a_new_lane_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", BAD_ANSWER},
        {"{\"lane\": 17}", BAD_ANSWER},
        {"{\"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 0, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": -1, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 9007199254740993, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 9223372036854775807, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 9223372036854775808, \"sequence\": 0}", NO_JSON},
        {"{\"lane\": 17, \"sequence\": 1}", BAD_ANSWER},
        {"{\"lane\": 17, \"sequence\": -1}", BAD_ANSWER},
        {"{\"lane\": 17, \"sequence\": null}", BAD_ANSWER},
        {"{\"lane\": 17, \"sequence\": false}", BAD_ANSWER},
        {"{\"lane\": 17, \"sequence\": 0.0}", BAD_ANSWER},
        {"{\"lane\": 17.0, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 1e1, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": \"17\", \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": null, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": true, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": [17], \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": {}, \"sequence\": 0}", BAD_ANSWER},
        {"{\"LANE\": 17, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 17, \"lane\": 17, \"sequence\": 0}", NO_JSON},
        {"{\"lane\": 17, \"sequence\": 0, \"sequence\": 0}", NO_JSON},
    };

    (void)state;
    assert_refusals(decode_lane, refusals, SIZE(refusals));
}

/* --- a batch --- */

static void assert_comes_back_in(enum encoding encoding, const struct batch *batch)
{
    struct buffer body = {0};
    struct hits hits;
    const char *error;

    hits_encode(&body, encoding, batch);
    assert_true(body.len <= BATCH_MAX_BODY_BYTES);
    if (hits_decode(body.bytes, body.len, encoding, &hits, &error) != 0)
        fail_msg("%.200s… was refused: %s", body.bytes, error);
    memset(body.bytes, 0, body.len);
    buffer_free(&body); /* the decoded batch has its own */
    assert_int_equal(hits.batch.lane, batch->lane);
    assert_int_equal(hits.batch.sequence, batch->sequence);
    assert_int_equal(hits.batch.size, batch->size);
    for (size_t i = 0; i < batch->size; i++) {
        const struct batch_entry *entry = &hits.batch.entries[i];
        assert_int_equal(entry->path_len, batch->entries[i].path_len);
        assert_memory_equal(entry->path, batch->entries[i].path, entry->path_len);
        assert_int_equal(entry->hits, batch->entries[i].hits);
        assert_int_equal(entry->bot_hits, batch->entries[i].bot_hits);
    }
    hits_free(&hits);
    hits_free(&hits); /* it is empty now */
}

static void assert_comes_back(const struct batch *batch)
{
    for (int encoding = 0; encoding < N_ENCODINGS; encoding++)
        assert_comes_back_in((enum encoding)encoding, batch);
}

static void assert_batch_refused(const struct batch *batch, const char *sentence)
{
    struct buffer json = {0};

    hits_encode(&json, ENCODING_JSON, batch);
    assert_refused_bytes(decode_hits, json.bytes, json.len, sentence);
    buffer_free(&json);
}

static void a_batch_comes_back(void **state)
{
    struct batch_entry entries[] = {
        {"/", 1, 1, 0},
        {"/\x01\n\x1f\"\\", 6, 2, 1},
        {"/%2F?#", 6, 3, 3},
        {"/\x7f", 2, 4, 0},
        {"/\xc3\xa9", 3, BATCH_MAX_HITS, BATCH_MAX_HITS},
        {"/\xef\xbf\xbf", 4, 5, 0},
        {"/\xf4\x8f\xbf\xbf", 5, 6, 0},
    };
    const struct batch batch = {LANE_MAX, LANE_MAX, SIZE(entries), entries};
    const struct batch one = {1, 1, 1, entries};
    struct buffer json = {0};

    (void)state;
    assert_comes_back(&batch);
    assert_comes_back(&one);
    hits_encode(&json, ENCODING_JSON, &asked);
    assert_text(&json, "{\"lane\":17,\"sequence\":4,\"paths\":[\"/a\",\"/b\"],\"hits\":[2,1]}");
}

static void hits_of_bots_are_named_where_there_are_any(void **state)
{
    struct batch_entry entries[] = {{"/a", 2, 2, 0}, {"/b", 2, 1, 1}};
    const struct batch batch = {17, 4, SIZE(entries), entries};
    struct buffer json = {0};

    (void)state;
    hits_encode(&json, ENCODING_JSON, &batch);
    assert_text(&json, "{\"lane\":17,\"sequence\":4,\"paths\":[\"/a\",\"/b\"],\"hits\":[2,1],"
                       "\"bot_hits\":[0,1]}");
}

/* Whether the MessagePack, which is freed, is what msgpack-c makes of the JSON. */
static void assert_is_packed(struct buffer *bytes, const char *json)
{
    struct buffer expected = translated(json, strlen(json));

    assert_int_equal(bytes->len, expected.len);
    assert_memory_equal(bytes->bytes, expected.bytes, bytes->len);
    buffer_free(&expected);
    buffer_free(bytes);
}

static void messagepack_has_the_members_of_json_in_the_same_order(void **state)
{
    static const char rows_json[] =
        "{\"paths\":[\"/a\"],\"counts\":[300],\"bots\":[9],\"next\":null,"
        "\"previous\":\"9:/b\","
        "\"totals\":{\"paths\":1,\"hits\":7,\"bots\":5}}";
    struct number numbers[] = {{70000, true}, {INT64_MAX, false}};
    struct row row = {"/a", 2, 300, 9};
    struct rows rows = {.size = 1, .rows = &row, .totals = {1, 7, 5}};
    struct buffer bytes = {0}, encoded = {0};

    (void)state;
    hits_encode(&bytes, ENCODING_MSGPACK, &asked);
    assert_is_packed(&bytes,
                     "{\"lane\":17,\"sequence\":4,\"paths\":[\"/a\",\"/b\"],\"hits\":[2,1]}");

    rows.previous = "9:/b";
    rows.previous_len = 4;
    rows_encode(&encoded, ENCODING_MSGPACK, &rows);
    counts_encode(&bytes, ENCODING_MSGPACK, &asked, true, numbers);
    counts_add_rows(&bytes, ENCODING_MSGPACK, &encoded);
    assert_is_packed(&encoded, rows_json);
    buffer_add_literal(&encoded, "{\"lane\":17,\"sequence\":4,\"repeat\":true,\"counts\":[70000,"
                                 "9223372036854775807],\"overflow\":[0],\"rows\":");
    buffer_add_string(&encoded, rows_json);
    buffer_add(&encoded, "}", 2);
    assert_is_packed(&bytes, encoded.bytes);
    buffer_free(&encoded);

    numbers[0].overflow = false;
    counts_encode(&bytes, ENCODING_MSGPACK, &asked, false, numbers);
    assert_is_packed(&bytes, "{\"lane\":17,\"sequence\":4,\"repeat\":false,"
                             "\"counts\":[70000,9223372036854775807]}");
}

static void escapes_in_a_path_are_the_characters_they_stand_for(void **state)
{
    static const char json[] = "{\"lane\": 1, \"sequence\": 1, \"hits\": [1], \"paths\": "
                               "[\"\\u002f\\u00e9\\/\\ud83d\\ude00\\t\"]}";
    struct hits hits;
    const char *error;

    (void)state;
    assert_int_equal(hits_decode(json, strlen(json), ENCODING_JSON, &hits, &error), 0);
    assert_string_equal(hits.batch.entries[0].path, "/\xc3\xa9/\xf0\x9f\x98\x80\t");
    assert_int_equal(hits.batch.entries[0].path_len, 9);
    hits_free(&hits);
}

#define HITS(rest)    "{\"lane\": 17, \"sequence\": 4, " rest "}"
#define PATHS(list)   HITS("\"hits\": [1], \"paths\": " list)
#define BOTS(list)    HITS("\"paths\": [\"/a\"], \"hits\": [2], \"bot_hits\": " list)
#define NUMBERS(list) HITS("\"paths\": [\"/a\"], \"hits\": " list)
#define FIRST(lane, sequence)                                                                      \
    "{\"lane\": " lane ", \"sequence\": " sequence ", \"paths\": [\"/a\"], \"hits\": [1]}"

static void a_batch_has_a_lane_and_a_sequence(void **state)
{
    static const char *const bad[] = {"0",
                                      "-1",
                                      "9007199254740993",
                                      "9223372036854775807",
                                      "1.0",
                                      "1e0",
                                      "\"1\"",
                                      "null",
                                      "[1]",
                                      "{}",
                                      "true",
                                      "-9223372036854775808"};

    (void)state;
    for (size_t i = 0; i < SIZE(bad); i++) {
        char json[256];

        snprintf(json, sizeof(json), FIRST("%s", "1"), bad[i]);
        assert_refused_bytes(decode_hits, json, strlen(json), BAD_LANE);
        snprintf(json, sizeof(json), FIRST("1", "%s"), bad[i]);
        assert_refused_bytes(decode_hits, json, strlen(json), BAD_SEQ);
    }
    assert_taken(decode_hits, FIRST("9007199254740992", "9007199254740992"));
    assert_taken(decode_hits, FIRST("1", "1"));
}

static void a_batch_that_the_contract_does_not_allow_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", BAD_LANE},
        {"{\"sequence\": 1, \"paths\": [\"/a\"], \"hits\": [1]}", BAD_LANE},
        {"{\"lane\": 1, \"paths\": [\"/a\"], \"hits\": [1]}", BAD_SEQ},
        {"{\"lane\": 1, \"lane\": 1, \"sequence\": 1, \"paths\": [\"/a\"], \"hits\": [1]}",
         NO_JSON},
        {HITS("\"paths\": [\"/a\"], \"paths\": [\"/a\"], \"hits\": [1]"), NO_JSON},
        {HITS("\"hits\": [1]"), BAD_LISTS},
        {HITS("\"paths\": [\"/a\"]"), BAD_LISTS},
        {HITS("\"paths\": [], \"hits\": []"), BAD_LISTS},
        {HITS("\"paths\": [\"/a\", \"/b\"], \"hits\": [1]"), BAD_LISTS},
        {HITS("\"paths\": [\"/a\"], \"hits\": [1, 1]"), BAD_LISTS},
        {HITS("\"paths\": {\"/a\": 1}, \"hits\": [1]"), BAD_LISTS},
        {HITS("\"paths\": {\"/a\": 1}, \"hits\": {\"/a\": 1}"), BAD_LISTS},
        {PATHS("\"/a\""), BAD_LISTS},
        {PATHS("null"), BAD_LISTS},
        {NUMBERS("1"), BAD_LISTS},
        {NUMBERS("null"), BAD_LISTS},
        {PATHS("[1]"), BAD_TYPES},
        {PATHS("[null]"), BAD_TYPES},
        {PATHS("[[\"/a\"]]"), BAD_TYPES},
        {NUMBERS("[\"1\"]"), BAD_TYPES},
        {NUMBERS("[1.0]"), BAD_TYPES},
        {NUMBERS("[1e3]"), BAD_TYPES},
        {NUMBERS("[true]"), BAD_TYPES},
        {NUMBERS("[null]"), BAD_TYPES},
        {NUMBERS("[0]"), BAD_HITS},
        {NUMBERS("[-1]"), BAD_HITS},
        {NUMBERS("[1000000001]"), BAD_HITS},
        {NUMBERS("[9223372036854775807]"), BAD_HITS},
        {NUMBERS("[-9223372036854775808]"), BAD_HITS},
        {NUMBERS("[9223372036854775808]"), NO_JSON},
        {PATHS("[\"\"]"), BAD_PATH},
        {PATHS("[\"a\"]"), BAD_PATH},
        {PATHS("[\"%2Fa\"]"), BAD_PATH},
        {PATHS("[\" /a\"]"), BAD_PATH},
        {PATHS("[\"/\\u0000\"]"), NO_JSON},
        {PATHS("[\"/\\ud800\"]"), NO_JSON},
        {PATHS("[\"/\xff\"]"), NO_JSON},
        {PATHS("[\"/\xed\xa0\x80\"]"), NO_JSON},
        {HITS("\"paths\": [\"/b\", \"/a\"], \"hits\": [1, 1]"), UNSORTED},
        {HITS("\"paths\": [\"/a\", \"/a\"], \"hits\": [1, 1]"), UNSORTED},
        {HITS("\"paths\": [\"/a\", \"/\\u0061\"], \"hits\": [1, 1]"), UNSORTED},
        {HITS("\"paths\": [\"/a\", \"/A\"], \"hits\": [1, 1]"), UNSORTED},
        {HITS("\"paths\": [\"/a/\", \"/a\"], \"hits\": [1, 1]"), UNSORTED},
        {HITS("\"paths\": [\"/\xef\xbf\xbf\", \"/\xc3\xa9\"], \"hits\": [1, 1]"), UNSORTED},
        {HITS("\"paths\": [\"/a\", \"/c\", \"/b\"], \"hits\": [1, 1, 1]"), UNSORTED},
        {HITS("\"paths\": [\"/a\", \"/b\", \"x\"], \"hits\": [1, 1, 1]"), BAD_PATH},
        {HITS("\"paths\": [\"/a\", \"/b\"], \"hits\": [1, 0]"), BAD_HITS},
        {BOTS("null"), NO_BOT_HITS},
        {BOTS("1"), NO_BOT_HITS},
        {BOTS("[]"), NO_BOT_HITS},
        {BOTS("[1, 1]"), NO_BOT_HITS},
        {BOTS("{\"/a\": 1}"), NO_BOT_HITS},
        {BOTS("[-1]"), BAD_BOT},
        {BOTS("[3]"), BAD_BOT},
        {BOTS("[1.0]"), BAD_BOT},
        {BOTS("[\"1\"]"), BAD_BOT},
        {BOTS("[true]"), BAD_BOT},
    };

    (void)state;
    assert_refusals(decode_hits, refusals, SIZE(refusals));
    assert_taken(decode_hits, NUMBERS("[1000000000]"));
    assert_taken(decode_hits, BOTS("[0]"));
    assert_taken(decode_hits, BOTS("[2]"));
}

/* `count` paths of `len` bytes each, all different, in ascending order, full of control characters:
 * the longest in JSON. Owned by the caller with its first path. */
static struct batch long_batch(size_t count, size_t len)
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

static void free_batch(struct batch *batch)
{
    free((void *)(uintptr_t)batch->entries[0].path);
    free(batch->entries);
}

static void a_batch_has_at_most_1024_paths(void **state)
{
    struct batch batch = long_batch(BATCH_MAX_PATHS + 1, 3);

    (void)state;
    batch.entries[BATCH_MAX_PATHS].path = "/~";
    batch.entries[BATCH_MAX_PATHS].path_len = 2;
    assert_batch_refused(&batch, MANY_PATHS);
    --batch.size;
    assert_comes_back(&batch);
    free_batch(&batch);
}

static void the_largest_batch_of_the_longest_json_fits_its_limit(void **state)
{
    struct batch batch = long_batch(BATCH_MAX_PATHS, BATCH_MAX_PATH_BYTES / BATCH_MAX_PATHS);

    (void)state;
    assert_comes_back(&batch);
    free_batch(&batch);
}

static void the_paths_of_a_batch_have_at_most_131072_bytes(void **state)
{
    enum { FULL = BATCH_MAX_PATH_BYTES / PATH_MAX_BYTES };
    struct batch batch = long_batch(FULL + 1, PATH_MAX_BYTES);

    (void)state;
    batch.size = FULL;
    assert_comes_back(&batch);
    batch.size = FULL + 1; /* one byte more: a path of one byte goes first */
    memmove(batch.entries + 1, batch.entries, FULL * sizeof(*batch.entries));
    batch.entries[0].path_len = 1;
    assert_batch_refused(&batch, MANY_BYTES);
    free_batch(&batch);
}

static void a_path_has_at_most_2048_bytes(void **state)
{
    struct batch batch = long_batch(1, PATH_MAX_BYTES + 1);

    (void)state;
    assert_batch_refused(&batch, BAD_PATH);
    batch.entries[0].path_len = PATH_MAX_BYTES;
    assert_comes_back(&batch);
    free_batch(&batch);
}

/* --- its answer --- */

static void counts_come_back(void **state)
{
    static const struct number numbers[] = {{2, false}, {INT64_MAX, false}};

    (void)state;
    for (int i = 0; i < 2 * N_ENCODINGS; i++) {
        enum encoding encoding = (enum encoding)(i / 2);
        bool repeat = i % 2;
        struct buffer body = {0};
        struct counts answer = {.repeat = !repeat};
        const char *error;

        counts_encode(&body, encoding, &asked, repeat, numbers);
        assert_int_equal(counts_decode(body.bytes, body.len, encoding, &asked, &answer, &error), 0);
        assert_int_equal(answer.repeat, repeat);
        assert_false(answer.has_rows);
        rows_free(&answer.rows);
        assert_int_equal(answer.numbers[0].count, 2);
        assert_int_equal(answer.numbers[1].count, INT64_MAX);
        assert_false(answer.numbers[0].overflow || answer.numbers[1].overflow);
        if (encoding == ENCODING_MSGPACK) {
            buffer_free(&body);
            continue;
        }
        assert_text(&body, repeat ? "{\"lane\":17,\"sequence\":4,\"repeat\":true,"
                                    "\"counts\":[2,9223372036854775807]}"
                                  : "{\"lane\":17,\"sequence\":4,\"repeat\":false,"
                                    "\"counts\":[2,9223372036854775807]}");
    }
}

static void it_comes_back_which_paths_have_no_row(void **state)
{
    static const char *const overflow[] = {"", ",\"overflow\":[0]", ",\"overflow\":[1]",
                                           ",\"overflow\":[0,1]"};

    (void)state;
    for (unsigned i = 0; i < SIZE(overflow) * N_ENCODINGS; i++) {
        enum encoding encoding = (enum encoding)(i / SIZE(overflow));
        struct number numbers[] = {{70, i & 1}, {71, i & 2}};
        struct buffer body = {0}, expected = {0};
        struct counts answer;
        const char *error;

        counts_encode(&body, encoding, &asked, false, numbers);
        buffer_add_string(&expected, "{\"lane\":17,\"sequence\":4,\"repeat\":false,"
                                     "\"counts\":[70,71]");
        buffer_add_string(&expected, overflow[i % SIZE(overflow)]);
        buffer_add_literal(&expected, "}\0");
        assert_int_equal(counts_decode(body.bytes, body.len, encoding, &asked, &answer, &error), 0);
        rows_free(&answer.rows);
        for (size_t path = 0; path < 2; path++) {
            assert_int_equal(answer.numbers[path].count, numbers[path].count);
            assert_int_equal(answer.numbers[path].overflow, numbers[path].overflow);
        }
        if (encoding == ENCODING_JSON)
            assert_text(&body, expected.bytes);
        else
            assert_is_packed(&body, expected.bytes);
        buffer_free(&expected);
    }
}

static void counts_come_back_with_rows(void **state)
{
    static const struct number numbers[] = {{2, false}, {3, false}};
    struct row row = {"/a", 2, 7, 2};
    struct rows rows = {.size = 1, .rows = &row, .totals = {1, 7, 2}};
    struct buffer body, encoded;
    struct counts answer;
    const char *error;

    (void)state;
    for (int i = 0; i < N_ENCODINGS; i++) {
        enum encoding encoding = (enum encoding)i;

        body = encoded = (struct buffer){0};
        counts_encode(&body, encoding, &asked, false, numbers);
        rows_encode(&encoded, encoding, &rows);
        counts_add_rows(&body, encoding, &encoded);
        assert_int_equal(counts_decode(body.bytes, body.len, encoding, &asked, &answer, &error), 0);
        memset(body.bytes, 0, body.len);
        assert_int_equal(answer.numbers[1].count, 3);
        assert_true(answer.has_rows);
        assert_int_equal(answer.rows.size, 1);
        assert_memory_equal(answer.rows.rows[0].path, "/a", 2);
        assert_int_equal(answer.rows.rows[0].count, 7);
        assert_int_equal(answer.rows.totals.hits, 7);
        rows_free(&answer.rows);
        buffer_free(&body);
        buffer_free(&encoded);
    }
}

#define COUNTS(lane, sequence, rest) "{\"lane\": " lane ", \"sequence\": " sequence ", " rest "}"

#define RIGHT "\"repeat\": false, \"counts\": [8, 3]"

static void an_answer_that_is_not_to_this_batch_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", BAD_ECHO},
        {"{\"repeat\": false, \"counts\": [8, 3]}", BAD_ECHO},
        {"{\"lane\": 17, \"repeat\": false, \"counts\": [8, 3]}", BAD_ECHO},
        {COUNTS("16", "4", "\"repeat\": false, \"counts\": [8, 3]"), BAD_ECHO},
        {COUNTS("18", "4", "\"repeat\": false, \"counts\": [8, 3]"), BAD_ECHO},
        {COUNTS("17", "3", "\"repeat\": false, \"counts\": [8, 3]"), BAD_ECHO},
        {COUNTS("17", "5", "\"repeat\": false, \"counts\": [8, 3]"), BAD_ECHO},
        {COUNTS("4", "17", "\"repeat\": false, \"counts\": [8, 3]"), BAD_ECHO},
        {COUNTS("\"17\"", "4", "\"repeat\": false, \"counts\": [8, 3]"), BAD_ECHO},
        {COUNTS("17.0", "4", "\"repeat\": false, \"counts\": [8, 3]"), BAD_ECHO},
        {COUNTS("17", "null", "\"repeat\": false, \"counts\": [8, 3]"), BAD_ECHO},
        {COUNTS("17", "4", "\"repeat\": false"), BAD_SIZE},
        {COUNTS("17", "4", "\"counts\": [8, 3]"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": null, \"counts\": [8, 3]"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": 0, \"counts\": [8, 3]"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": \"false\", \"counts\": [8, 3]"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": []"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8]"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8, 3, 1]"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": null"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": 8"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": {\"/a\": 8, \"/b\": 3}"), BAD_SIZE},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8, -1]"), BAD_COUNT},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [1, 3]"), BAD_COUNT},
        {COUNTS("17", "4", "\"repeat\": true, \"counts\": [8, -1]"), BAD_COUNT},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8, 3.0]"), BAD_COUNT},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [\"8\", 3]"), BAD_COUNT},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8, null]"), BAD_COUNT},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8, true]"), BAD_COUNT},
        {COUNTS("17", "4", RIGHT ", \"overflow\": null"), BAD_PLACES},
        {COUNTS("17", "4", RIGHT ", \"overflow\": true"), BAD_PLACES},
        {COUNTS("17", "4", RIGHT ", \"overflow\": {}"), BAD_PLACES},
        {COUNTS("17", "4", RIGHT ", \"overflow\": [-1]"), BAD_PLACES},
        {COUNTS("17", "4", RIGHT ", \"overflow\": [2]"), BAD_PLACES},
        {COUNTS("17", "4", RIGHT ", \"overflow\": [1, 0]"), BAD_PLACES},
        {COUNTS("17", "4", RIGHT ", \"overflow\": [0, 0]"), BAD_PLACES},
        {COUNTS("17", "4", RIGHT ", \"overflow\": [1.0]"), BAD_PLACES},
        {COUNTS("17", "4", RIGHT ", \"overflow\": [\"/a\"]"), BAD_PLACES},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8, 3], \"rows\": null"), BAD_COLUMNS},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8, 3], \"rows\": []"), BAD_COLUMNS},
        {COUNTS("17", "4", "\"repeat\": false, \"counts\": [8, 9223372036854775808]"), NO_JSON},
        {COUNTS("17", "4", "\"repeat\": true, \"repeat\": false, \"counts\": [8, 3]"), NO_JSON},
    };

    (void)state;
    assert_refusals(decode_counts, refusals, SIZE(refusals));
}

/* --- rows --- */

static void assert_same_cursor(const char *found, size_t found_len, const char *cursor, size_t len)
{
    if (cursor == NULL) {
        assert_null(found);
        return;
    }
    assert_int_equal(found_len, len);
    assert_memory_equal(found, cursor, len);
}

static void assert_rows_come_back_in(enum encoding encoding, const struct rows *rows)
{
    struct buffer body = {0};
    struct rows decoded;
    const char *error;

    rows_encode(&body, encoding, rows);
    assert_true(body.len <= API_MAX_ANSWER_BYTES);
    if (rows_decode(body.bytes, body.len, encoding, &decoded, &error) != 0)
        fail_msg("%.200s… was refused: %s", body.bytes, error);
    memset(body.bytes, 0, body.len);
    buffer_free(&body);
    assert_int_equal(decoded.size, rows->size);
    for (size_t i = 0; i < rows->size; i++) {
        assert_int_equal(decoded.rows[i].path_len, rows->rows[i].path_len);
        assert_memory_equal(decoded.rows[i].path, rows->rows[i].path, rows->rows[i].path_len);
        assert_int_equal(decoded.rows[i].count, rows->rows[i].count);
        assert_int_equal(decoded.rows[i].bots, rows->rows[i].bots);
    }
    assert_same_cursor(decoded.next, decoded.next_len, rows->next, rows->next_len);
    assert_same_cursor(decoded.previous, decoded.previous_len, rows->previous, rows->previous_len);
    assert_int_equal(decoded.totals.paths, rows->totals.paths);
    assert_int_equal(decoded.totals.hits, rows->totals.hits);
    assert_int_equal(decoded.totals.bots, rows->totals.bots);
    assert_same_cursor(decoded.period.begins, decoded.period.begins_len, rows->period.begins,
                       rows->period.begins_len);
    assert_int_equal(decoded.period.hits, rows->period.hits);
    assert_int_equal(decoded.period.bots, rows->period.bots);
    rows_free(&decoded);
    rows_free(&decoded);
}

static void assert_rows_come_back(const struct rows *rows)
{
    for (int encoding = 0; encoding < N_ENCODINGS; encoding++)
        assert_rows_come_back_in((enum encoding)encoding, rows);
}

static void rows_come_back(void **state)
{
    struct row some[] = {
        {"/b\"\\\x01\x1f", 6, INT64_MAX, 3}, {"/\xf4\x8f\xbf\xbf", 5, 8, 0}, {"/", 1, 0, 0}};
    const struct rows none = {0};
    const struct rows last = {.size = 1, .rows = some, .totals = {1, INT64_MAX, 1}};
    const struct rows full = {.size = 3,
                              .rows = some,
                              .next = "0:/\"\n",
                              .next_len = 5,
                              .previous = "9:/b",
                              .previous_len = 4,
                              .totals = {INT64_MAX, 0, 0},
                              .period = {9, 4, "2026-01-31T00:00:00Z", 20}};
    struct buffer json = {0};

    (void)state;
    assert_rows_come_back(&none);
    assert_rows_come_back(&last);
    assert_rows_come_back(&full);
    rows_encode(&json, ENCODING_JSON, &none);
    buffer_add_literal(&json, "\n");
    rows_encode(&json, ENCODING_JSON, &full);
    assert_text(&json, "{\"paths\":[],\"counts\":[],\"bots\":[],\"next\":null,\"previous\":null,"
                       "\"totals\":{\"paths\":0,\"hits\":0,\"bots\":0}}\n"
                       "{\"paths\":[\"/b\\\"\\\\\\u0001\\u001F\",\"/\xf4\x8f\xbf\xbf\",\"/\"],"
                       "\"counts\":[9223372036854775807,8,0],\"bots\":[3,0,0],"
                       "\"period\":{\"hits\":9,\"bots\":4,\"begins\":\"2026-01-31T00:00:00Z\"},"
                       "\"next\":\"0:/\\\"\\u000A\",\"previous\":\"9:/b\","
                       "\"totals\":{\"paths\":9223372036854775807,\"hits\":0,\"bots\":0}}");
}

static void a_view_of_1000_of_the_longest_rows_fits_its_limit(void **state)
{
    struct batch batch = long_batch(VIEW_MAX_ROWS + 1, PATH_MAX_BYTES);
    struct row *all = calloc(VIEW_MAX_ROWS + 1, sizeof(*all));
    struct rows rows = {
        .size = VIEW_MAX_ROWS, .rows = all, .totals = {INT64_MAX, INT64_MAX, INT64_MAX}};
    struct buffer json = {0}, cursor = {0};

    (void)state;
    for (size_t i = 0; i <= VIEW_MAX_ROWS; i++)
        all[i] = (struct row){batch.entries[i].path, PATH_MAX_BYTES, INT64_MAX, 0};
    buffer_add_int(&cursor, INT64_MAX);
    buffer_add_literal(&cursor, ":");
    buffer_add(&cursor, all[0].path, PATH_MAX_BYTES);
    rows.next = cursor.bytes;
    rows.next_len = cursor.len;
    assert_rows_come_back(&rows);

    ++rows.size;
    rows_encode(&json, ENCODING_JSON, &rows);
    assert_refused_bytes(decode_rows, json.bytes, json.len, BAD_COLUMNS);
    buffer_free(&json);
    buffer_free(&cursor);
    free(all);
    free_batch(&batch);
}

#define ROWS(paths, counts, next, totals)                                                          \
    "{\"paths\": " paths ", \"counts\": " counts ", \"next\": " next ", \"totals\": " totals "}"
#define T "{\"paths\": 1, \"hits\": 1}"

static void rows_that_the_contract_does_not_allow_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", BAD_COLUMNS},
        {"{\"paths\": [], \"next\": null, \"totals\": " T "}", BAD_COLUMNS},
        {"{\"counts\": [], \"next\": null, \"totals\": " T "}", BAD_COLUMNS},
        {"{\"paths\": [], \"counts\": [], \"totals\": " T "}", BAD_NEXT},
        {"{\"paths\": [], \"counts\": [], \"next\": null}", BAD_TOTALS},
        {ROWS("[\"/a\"]", "[]", "null", T), BAD_COLUMNS},
        {ROWS("[]", "[1]", "null", T), BAD_COLUMNS},
        {ROWS("[\"/a\"]", "[1, 2]", "null", T), BAD_COLUMNS},
        {ROWS("null", "[]", "null", T), BAD_COLUMNS},
        {ROWS("[]", "null", "null", T), BAD_COLUMNS},
        {ROWS("{}", "{}", "null", T), BAD_COLUMNS},
        {ROWS("\"\"", "\"\"", "null", T), BAD_COLUMNS},
        {ROWS("[1]", "[1]", "null", T), BAD_ROW},
        {ROWS("[null]", "[1]", "null", T), BAD_ROW},
        {ROWS("[\"/a\"]", "[\"1\"]", "null", T), BAD_ROW},
        {ROWS("[\"/a\"]", "[1.0]", "null", T), BAD_ROW},
        {ROWS("[\"/a\"]", "[null]", "null", T), BAD_ROW},
        {ROWS("[\"/a\", 7]", "[1, 1]", "null", T), BAD_ROW},
        {ROWS("[\"/a\"]", "[9223372036854775808]", "null", T), NO_JSON},
        {ROWS("[\"/\\u0000\"]", "[1]", "null", T), NO_JSON},
        {ROWS("[\"/\xff\"]", "[1]", "null", T), NO_JSON},
        {ROWS("[]", "[]", "8", T), BAD_NEXT},
        {ROWS("[]", "[]", "false", T), BAD_NEXT},
        {ROWS("[]", "[]", "[]", T), BAD_NEXT},
        {ROWS("[]", "[]", "{}", T), BAD_NEXT},
        {ROWS("[]", "[]", "null, \"previous\": 8", T), BAD_NEXT},
        {ROWS("[]", "[]", "null", "null"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "[]"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "{}"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "{\"paths\": 1}"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "{\"hits\": 1}"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "{\"paths\": -1, \"hits\": 1}"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "{\"paths\": 1, \"hits\": -1}"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "{\"paths\": 1.0, \"hits\": 1}"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "{\"paths\": 1, \"hits\": \"1\"}"), BAD_TOTALS},
        {ROWS("[]", "[]", "null", "{\"paths\": 1, \"paths\": 1, \"hits\": 1}"), NO_JSON},
        {ROWS("[]", "[]", "null", "{\"paths\": 1, \"hits\": 1, \"bots\": -1}"), BAD_TOTALS},
        {ROWS("[\"/a\"]", "[1]", "null, \"bots\": []", T), BAD_BOTS},
        {ROWS("[\"/a\"]", "[1]", "null, \"bots\": [-1]", T), BAD_BOTS},
        {ROWS("[\"/a\"]", "[1]", "null, \"bots\": 1", T), BAD_BOTS},
        {ROWS("[]", "[]", "null, \"period\": null", T), BAD_BOTS},
        {ROWS("[]", "[]", "null, \"period\": {\"hits\": 1, \"bots\": 0}", T), BAD_BOTS},
        {ROWS("[]", "[]", "null, \"period\": {\"hits\": -1, \"bots\": 0, \"begins\": \"\"}", T),
         BAD_BOTS},
    };

    (void)state;
    assert_refusals(decode_rows, refusals, SIZE(refusals));
    assert_taken(decode_rows, ROWS("[]", "[]", "null", "{\"paths\": 0, \"hits\": 0, \"x\": 1}"));
    assert_taken(decode_rows, ROWS("[\"/a\"]", "[1]", "\"\"", T));
}

/* --- what only goes one way --- */

static void a_row_totals_and_a_problem_are_written_as_the_contract_says(void **state)
{
    const struct row row = {"/\"\\\x1f\xc3\xa9", 6, INT64_MAX, 2};
    const struct row overflow = {PATH_OVERFLOW, strlen(PATH_OVERFLOW), 8, 0};
    const struct totals totals = {2, 17, 4};
    struct buffer json = {0};

    (void)state;
    row_encode(&json, &row);
    assert_text(&json,
                "{\"path\":\"/\\\"\\\\\\u001F\xc3\xa9\",\"count\":9223372036854775807,\"bots\":2}");
    row_encode(&json, &overflow);
    assert_text(&json, "{\"path\":\"(other paths)\",\"count\":8,\"bots\":0,\"overflow\":true}");
    totals_encode(&json, &totals);
    assert_text(&json, "{\"paths\":2,\"hits\":17,\"bots\":4}");
    problem_encode(&json, 400, "Bad Request", "Why.", NULL);
    assert_text(&json, "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                       "\"detail\":\"Why.\"}");
    problem_encode(&json, 409, "Conflict", "Lane \"17\" is\nunknown.", "4bf92f");
    assert_text(&json, "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,"
                       "\"detail\":\"Lane \\\"17\\\" is\\u000Aunknown.\",\"trace\":\"4bf92f\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_of_the_contract_are_understood),
        cmocka_unit_test(what_is_not_one_json_object_is_refused),
        cmocka_unit_test(unknown_members_are_ignored),
        cmocka_unit_test(doubled_members_nul_and_broken_text_are_refused_wherever_they_stand),
        cmocka_unit_test(a_raw_nul_is_refused_inside_and_behind),
        cmocka_unit_test(a_message_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(nesting_beyond_reason_is_refused),
        cmocka_unit_test(a_lane_comes_back),
        cmocka_unit_test(what_is_not_a_new_lane_is_refused),
        cmocka_unit_test(a_batch_comes_back),
        cmocka_unit_test(hits_of_bots_are_named_where_there_are_any),
        cmocka_unit_test(messagepack_has_the_members_of_json_in_the_same_order),
        cmocka_unit_test(escapes_in_a_path_are_the_characters_they_stand_for),
        cmocka_unit_test(a_batch_has_a_lane_and_a_sequence),
        cmocka_unit_test(a_batch_that_the_contract_does_not_allow_is_refused),
        cmocka_unit_test(a_batch_has_at_most_1024_paths),
        cmocka_unit_test(the_largest_batch_of_the_longest_json_fits_its_limit),
        cmocka_unit_test(the_paths_of_a_batch_have_at_most_131072_bytes),
        cmocka_unit_test(a_path_has_at_most_2048_bytes),
        cmocka_unit_test(counts_come_back),
        cmocka_unit_test(it_comes_back_which_paths_have_no_row),
        cmocka_unit_test(counts_come_back_with_rows),
        cmocka_unit_test(an_answer_that_is_not_to_this_batch_is_refused),
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(a_view_of_1000_of_the_longest_rows_fits_its_limit),
        cmocka_unit_test(rows_that_the_contract_does_not_allow_are_refused),
        cmocka_unit_test(a_row_totals_and_a_problem_are_written_as_the_contract_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
