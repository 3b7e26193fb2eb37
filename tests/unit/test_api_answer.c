/* The answer to a batch: counts, with and without rows. */
#include "tests/unit/api_fixture.h"

/* --- the answer to a batch --- */

static void counts_come_back(void **state)
{
    static const struct hit_count hit_counts[] = {{2, false}, {INT64_MAX, false}};

    (void)state;
    for (int i = 0; i < 2 * N_ENCODINGS; i++) {
        enum encoding encoding = (enum encoding)(i / 2);
        bool repeat = i % 2;
        struct buffer body = {0};
        struct counts answer = {.repeat = !repeat};
        const char *error;

        counts_encode(&body, encoding, &asked, repeat, hit_counts);
        assert_int_equal(counts_decode(body.bytes, body.len, encoding, &asked, &answer, &error), 0);
        assert_int_equal(answer.repeat, repeat);
        assert_false(answer.has_rows);
        rows_free(&answer.rows);
        assert_int_equal(answer.hit_counts[0].count, 2);
        assert_int_equal(answer.hit_counts[1].count, INT64_MAX);
        assert_false(answer.hit_counts[0].overflow || answer.hit_counts[1].overflow);
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

static void the_paths_without_a_row_come_back(void **state)
{
    static const char *const overflow[] = {"", ",\"overflow\":[0]", ",\"overflow\":[1]",
                                           ",\"overflow\":[0,1]"};

    (void)state;
    for (unsigned i = 0; i < SIZE(overflow) * N_ENCODINGS; i++) {
        enum encoding encoding = (enum encoding)(i / SIZE(overflow));
        struct hit_count hit_counts[] = {{70, i & 1}, {71, i & 2}};
        struct buffer body = {0}, expected = {0};
        struct counts answer;
        const char *error;

        counts_encode(&body, encoding, &asked, false, hit_counts);
        buffer_add_string(&expected, "{\"lane\":17,\"sequence\":4,\"repeat\":false,"
                                     "\"counts\":[70,71]");
        buffer_add_string(&expected, overflow[i % SIZE(overflow)]);
        buffer_add_literal(&expected, "}\0");
        assert_int_equal(counts_decode(body.bytes, body.len, encoding, &asked, &answer, &error), 0);
        rows_free(&answer.rows);
        for (size_t path = 0; path < 2; path++) {
            assert_int_equal(answer.hit_counts[path].count, hit_counts[path].count);
            assert_int_equal(answer.hit_counts[path].overflow, hit_counts[path].overflow);
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
    static const struct hit_count hit_counts[] = {{2, false}, {3, false}};
    struct row row = {"/a", 2, 7, 2};
    struct rows rows = {.size = 1, .rows = &row, .totals = {1, 7, 2}};
    struct buffer body, encoded;
    struct counts answer;
    const char *error;

    (void)state;
    for (int i = 0; i < N_ENCODINGS; i++) {
        enum encoding encoding = (enum encoding)i;

        body = encoded = (struct buffer){0};
        counts_encode(&body, encoding, &asked, false, hit_counts);
        rows_encode(&encoded, encoding, &rows);
        counts_add_rows(&body, encoding, &encoded);
        assert_int_equal(counts_decode(body.bytes, body.len, encoding, &asked, &answer, &error), 0);
        memset(body.bytes, 0, body.len);
        assert_int_equal(answer.hit_counts[1].count, 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_come_back),
        cmocka_unit_test(the_paths_without_a_row_come_back),
        cmocka_unit_test(counts_come_back_with_rows),
        cmocka_unit_test(an_answer_that_is_not_to_this_batch_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
