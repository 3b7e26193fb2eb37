/* Cursors of views: read, written, and refused. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/view_fixture.h"

static void a_cursor_by_count_has_a_count_and_a_path(void **state)
{
    static const struct {
        const char *query;
        int64_t count;
        const char *path;
    } cases[] = {
        {"after=8:/a", 8, "/a"},
        {"after=0:/", 0, "/"},
        {"after=9223372036854775807:/a", INT64_MAX, "/a"},
        {"after=8%3A%2Fa", 8, "/a"},
        {"after=8:/9:/b", 8, "/9:/b"},
        {"after=8:/%C3%A9&order=count", 8, "/\xc3\xa9"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct view view = view_of(cases[i].query);

        assert_true(view.has_after);
        assert_int_equal(view.after_count, cases[i].count);
        assert_int_equal(view.after_len, strlen(cases[i].path));
        assert_memory_equal(view.after_path, cases[i].path, strlen(cases[i].path));
    }
}

static void an_invalid_cursor_is_refused_in_both_orders(void **state)
{
    static const char *const cursors[] = {
        "",
        "a",
        ":",
        ":/a",
        "8",
        "8:",
        "8:a",
        "-1:/a",
        "+1:/a",
        " 1:/a",
        "1 :/a",
        "1.0:/a",
        "0x1:/a",
        "1e1:/a",
        "8;/a",
        "8::/a",
        "x:/a",
        "8:/\xff",
        "/\xff",
        "/%00",
        "8:/%00",
        "8:/a%00b",
        "8:%20/a",
        "12345678901234567890:/a",
        "00000000000000000001:/a",
        "(other%20paths",
        "(other%20paths)/",
        "(Other%20paths)",
        "8:(other%20paths)a",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cursors); i++) {
        char query[64];

        snprintf(query, sizeof(query), "order=count&after=%s", cursors[i]);
        assert_refused(query, BAD_CURSOR);
        snprintf(query, sizeof(query), "after=%s&order=path", cursors[i]);
        assert_refused(query, BAD_CURSOR);
    }
}

static void a_cursor_of_the_other_order_is_refused_in_any_position(void **state)
{
    (void)state;
    assert_refused("after=/a", OTHER_ORDER);
    assert_refused("after=/a&order=count", OTHER_ORDER);
    assert_refused("order=count&after=/8:/a", OTHER_ORDER);
    assert_refused("order=path&after=8:/a", OTHER_ORDER);
    assert_refused("after=0:/a&order=path", OTHER_ORDER);
}

static void a_cursors_path_has_at_most_8192_bytes(void **state)
{
    static char query[64 + CURSOR_PATH_MAX_BYTES];

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        for (int by_path = 0; by_path < 2; by_path++) {
            int len =
                snprintf(query, sizeof(query), "%s", by_path ? "order=path&after=/" : "after=8:/");
            memset(query + len, 'a', CURSOR_PATH_MAX_BYTES - 1 + more);
            query[(size_t)len + CURSOR_PATH_MAX_BYTES - 1 + more] = '\0';
            if (more == 0)
                assert_int_equal(view_of(query).after_len, CURSOR_PATH_MAX_BYTES);
            else
                assert_refused(query, BAD_CURSOR);
        }
    }
}

static void a_cursor_leads_back_to_its_place(void **state)
{
    static const char *const paths[] = {
        "/",  "/a",      "/8:/a",          "/a b&c=d%?#+", "/\xc3\xa9\x01\x7f",
        "//", "/a/../b", "/(other paths)", PATH_OVERFLOW,  "/\xf4\x8f\xbf\xbf"};
    static const int64_t counts[] = {0, 1, 99, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < SIZE(paths); i++) {
        for (size_t j = 0; j < 2 * SIZE(counts); j++) {
            enum view_order order = j % 2 ? VIEW_BY_PATH : VIEW_BY_COUNT;
            struct buffer cursor = {0}, query = {0};
            struct view view;

            cursor_encode(&cursor, order, paths[i], strlen(paths[i]), counts[j / 2]);
            buffer_add_string(&query, order == VIEW_BY_PATH ? "order=path&after=" : "after=");
            buffer_add_percent(&query, cursor.bytes, cursor.len);
            buffer_add(&query, "", 1);
            view = view_of(query.bytes);
            assert_int_equal(view.after_len, strlen(paths[i]));
            assert_memory_equal(view.after_path, paths[i], view.after_len);
            if (order == VIEW_BY_COUNT)
                assert_int_equal(view.after_count, counts[j / 2]);
            buffer_free(&cursor);
            buffer_free(&query);
        }
    }
}

static void a_cursor_can_be_gone_back_from(void **state)
{
    static const char before[] = "order=path&before=/a", both[] = "after=1:/a&before=1:/a",
                      after[] = "order=path&after=/a";
    struct view view, other;
    const char *error;

    (void)state;
    assert_int_equal(view_parse(before, sizeof(before) - 1, &view, &error), 0);
    assert_true(view.has_after && view.backwards);
    assert_int_equal(view.after_len, 2);
    assert_memory_equal(view.after_path, "/a", 2);
    assert_int_equal(view_parse(after, sizeof(after) - 1, &other, &error), 0);
    assert_false(other.backwards);
    assert_false(view_equals(&view, &other));
    assert_int_equal(view_parse(both, sizeof(both) - 1, &view, &error), -1);
    assert_string_equal(error, "\"after\" and \"before\" do not go together.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_by_count_has_a_count_and_a_path),
        cmocka_unit_test(an_invalid_cursor_is_refused_in_both_orders),
        cmocka_unit_test(a_cursor_of_the_other_order_is_refused_in_any_position),
        cmocka_unit_test(a_cursors_path_has_at_most_8192_bytes),
        cmocka_unit_test(a_cursor_leads_back_to_its_place),
        cmocka_unit_test(a_cursor_can_be_gone_back_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
