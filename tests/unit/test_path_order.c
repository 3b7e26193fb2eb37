/* The order of paths, valid paths, and the texts of errors. */
#include <string.h>

#include "tests/unit/path_fixture.h"

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void paths_are_ordered_by_their_bytes_and_a_prefix_goes_first(void **state)
{
    /* in ascending order */
    static const char *const paths[] = {
        "",
        "/",
        "/\x01",
        "/ ",
        "/-",
        "//",
        "/0",
        "/A",
        "/AA",
        "/B",
        "/Z",
        "/a",
        "/a\x01",
        "/a/",
        "/a/b",
        "/aa",
        "/ab",
        "/b",
        "/z",
        "/~",
        "/\x7f",
        "/\xc2\x80",
        "/\xdf\xbf",
        "/\xe0\xa0\x80",
        "/\xed\x9f\xbf",
        "/\xee\x80\x80",
        "/\xef\xbf\xbf",
        "/\xf0\x90\x80\x80",
        "/\xf4\x8f\xbf\xbf",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(paths); i++)
        for (size_t j = 0; j < SIZE(paths); j++) {
            int order = path_compare(paths[i], strlen(paths[i]), paths[j], strlen(paths[j]));
            if (sign(order) != (i > j) - (i < j))
                fail_msg("%s and %s", paths[i], paths[j]);
        }
}

static void only_the_given_bytes_are_compared(void **state)
{
    (void)state;
    assert_int_equal(path_compare("/ab", 2, "/ac", 2), 0);
    assert_true(path_compare("/ab", 2, "/ab", 3) < 0);
    assert_true(path_compare("/ab", 3, "/ab", 2) > 0);
    assert_int_equal(path_compare("x", 0, "y", 0), 0);
    assert_true(path_compare("/a\0a", 4, "/a\0b", 4) < 0);
}

static void a_canonical_path_is_absolute_and_not_empty(void **state)
{
    (void)state;
    assert_true(path_is_valid("/", 1));
    assert_true(path_is_valid("/a/../b", 7)); /* dot segments are not checked */
    assert_true(path_is_valid("/%zz?#", 6));
    assert_false(path_is_valid("", 0));
    assert_false(path_is_valid("/", 0));
    assert_false(path_is_valid("a", 1));
    assert_false(path_is_valid("/\0", 2));
}

static void each_error_has_a_sentence_of_its_own(void **state)
{
    (void)state;
    for (enum path_error error = PATH_NOT_ABSOLUTE; error <= PATH_TOO_LONG; error++) {
        const char *text = path_error_text(error);
        assert_true(strlen(text) > 10);
        assert_int_equal(text[strlen(text) - 1], '.');
        for (enum path_error other = PATH_NOT_ABSOLUTE; other < error; other++)
            assert_string_not_equal(text, path_error_text(other));
    }
    assert_string_equal(path_error_text(PATH_OK), "");
}

static void percent_decode_takes_a_component_as_it_is(void **state)
{
    static const char text[] = "a%2Fb+%00%25?#&=%fF";
    char out[sizeof(text)];
    size_t len = 99;

    (void)state;
    assert_true(percent_decode(text, strlen(text), out, &len));
    assert_int_equal(len, 11);
    assert_memory_equal(out, "a/b+\0%?#&=\xff", 11);
    assert_true(percent_decode("", 0, out, &len));
    assert_int_equal(len, 0);
    assert_false(percent_decode("%41", 2, out, &len));
    assert_false(percent_decode("%41", 1, out, &len));
}

static void the_overflow_row_is_no_path_and_sorts_before_all(void **state)
{
    static const char *const others[] = {"", "/", "/(other paths)", "(other paths",
                                         "(other paths) "};
    const char *key = PATH_OVERFLOW;
    char path[32];
    size_t len;

    (void)state;
    assert_true(path_is_overflow(key, strlen(key)));
    assert_false(path_is_valid(key, strlen(key)));
    assert_int_equal(path_canonicalize(key, strlen(key), path, &len), PATH_NOT_ABSOLUTE);
    assert_true(path_compare(key, strlen(key), "/", 1) < 0);
    for (size_t i = 0; i < SIZE(others); i++)
        assert_false(path_is_overflow(others[i], strlen(others[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_ordered_by_their_bytes_and_a_prefix_goes_first),
        cmocka_unit_test(only_the_given_bytes_are_compared),
        cmocka_unit_test(a_canonical_path_is_absolute_and_not_empty),
        cmocka_unit_test(each_error_has_a_sentence_of_its_own),
        cmocka_unit_test(percent_decode_takes_a_component_as_it_is),
        cmocka_unit_test(the_overflow_row_is_no_path_and_sorts_before_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
