/* Batches for counter-svc: a decoded batch equals the encoded one, or is refused with an error. */
#include "tests/unit/api_fixture.h"

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
    buffer_free(&body); /* the decoded batch has its own copy */
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
    hits_free(&hits); /* now it is empty, so this does nothing */
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

static void messagepack_has_the_members_of_json_in_the_same_order(void **state)
{
    static const char rows_json[] =
        "{\"paths\":[\"/a\"],\"counts\":[300],\"bots\":[9],\"next\":null,"
        "\"previous\":\"9:/b\","
        "\"totals\":{\"paths\":1,\"hits\":7,\"bots\":5}}";
    struct hit_count hit_counts[] = {{70000, true}, {INT64_MAX, false}};
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
    counts_encode(&bytes, ENCODING_MSGPACK, &asked, true, hit_counts);
    counts_add_rows(&bytes, ENCODING_MSGPACK, &encoded);
    assert_is_packed(&encoded, rows_json);
    buffer_add_literal(&encoded, "{\"lane\":17,\"sequence\":4,\"repeat\":true,\"counts\":[70000,"
                                 "9223372036854775807],\"overflow\":[0],\"rows\":");
    buffer_add_string(&encoded, rows_json);
    buffer_add(&encoded, "}", 2);
    assert_is_packed(&bytes, encoded.bytes);
    buffer_free(&encoded);

    hit_counts[0].overflow = false;
    counts_encode(&bytes, ENCODING_MSGPACK, &asked, false, hit_counts);
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
    batch.size = FULL + 1; /* one byte more, by a path of one byte */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
