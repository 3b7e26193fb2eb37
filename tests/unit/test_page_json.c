/* The page as JSON. */
#include <string.h>

#include <jansson.h>

#include "tests/unit/page_fixture.h"

static json_t *json_of(const char *path, int64_t number, const struct rows *rows)
{
    struct buffer text = {0};
    json_t *json;

    json_add_visit(&text, path, strlen(path), (struct hit_count){number, false});
    json_add_rows(&text, rows);
    assert_int_equal(text.bytes[text.len - 1], '\n');
    json = json_loadb(text.bytes, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    buffer_free(&text);
    return json;
}

static void json_has_the_path_its_count_the_totals_and_the_rows(void **state)
{
    struct row some[] = {row_of(HOSTILE, INT64_MAX), row_of("/\\u0041\\", 0)};
    const struct rows rows = {.size = 2, .rows = some, .totals = {2, INT64_MAX, 3}};
    json_t *json = json_of(HOSTILE, INT64_MAX, &rows);
    const char *path, *first, *second;
    json_int_t count, paths, hits, bots, first_count, second_count, first_bots, second_bots;

    (void)state;
    assert_int_equal(
        json_unpack_ex(
            json, NULL, JSON_STRICT,
            "{s:s, s:I, s:{s:I, s:I, s:I !}, s:[{s:s, s:I, s:I !}, {s:s, s:I, s:I !}] !}", "path",
            &path, "count", &count, "totals", "paths", &paths, "hits", &hits, "bots", &bots, "rows",
            "path", &first, "count", &first_count, "bots", &first_bots, "path", &second, "count",
            &second_count, "bots", &second_bots),
        0);
    assert_string_equal(path, HOSTILE);
    assert_int_equal(count, INT64_MAX);
    assert_int_equal(paths, 2);
    assert_int_equal(hits, INT64_MAX);
    assert_int_equal(bots, 3);
    assert_int_equal(first_bots, 0);
    assert_int_equal(second_bots, 0);
    assert_string_equal(first, HOSTILE);
    assert_int_equal(first_count, INT64_MAX);
    assert_string_equal(second, "/\\u0041\\");
    assert_int_equal(second_count, 0);
    json_decref(json);
}

static void json_without_rows_has_null_and_with_none_an_empty_list(void **state)
{
    const struct rows none = {0};
    json_t *json = json_of("/", 1, NULL);

    (void)state;
    assert_int_equal(json_object_size(json), 4);
    assert_true(json_is_null(json_object_get(json, "totals")));
    assert_true(json_is_null(json_object_get(json, "rows")));
    json_decref(json);
    json = json_of("/", 1, &none);
    assert_true(json_is_array(json_object_get(json, "rows")));
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 0);
    assert_int_equal(json_object_size(json_object_get(json, "totals")), 3);
    json_decref(json);
}

static void the_json_of_a_visit_lacks_only_its_closing_brace(void **state)
{
    struct buffer text = {0};

    (void)state;
    json_add_visit(&text, "/\"a", 3, (struct hit_count){8, false});
    assert_string_equal(text_of(&text), "{\"path\":\"/\\\"a\",\"count\":8");
    text.len = 0;
    json_add_visit(&text, "/a", 2, (struct hit_count){8, true});
    assert_string_equal(text_of(&text), "{\"path\":\"/a\",\"count\":8,\"overflow\":true");
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_path_its_count_the_totals_and_the_rows),
        cmocka_unit_test(json_without_rows_has_null_and_with_none_an_empty_list),
        cmocka_unit_test(the_json_of_a_visit_lacks_only_its_closing_brace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
