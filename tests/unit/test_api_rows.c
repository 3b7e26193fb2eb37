/* Rows of a view: encoded, decoded, and refused. */
#include "tests/unit/api_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(a_view_of_1000_of_the_longest_rows_fits_its_limit),
        cmocka_unit_test(rows_that_the_contract_does_not_allow_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
