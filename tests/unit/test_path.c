/* The canonical path of a request target, and targets that are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "tests/unit/path_fixture.h"
#include "tests/unit/random.h"

/* The examples of RFC 3986, 5.2.4; the second is relative there and gets a slash. Then the
 * references of 5.4.1 and 5.4.2 that have a path, merged with the base `/b/c/` (5.2.3). */
static void the_examples_of_rfc_3986_hold(void **state)
{
    static const struct example examples[] = {
        {"/a/b/c/./../../g", "/a/g"},
        {"/mid/content=5/../6", "/mid/6"},
        {"/b/c/g", "/b/c/g"},
        {"/b/c/./g", "/b/c/g"},
        {"/b/c/g/", "/b/c/g/"},
        {"/g", "/g"},
        {"/b/c/d;p?y", "/b/c/d;p"},
        {"/b/c/g?y", "/b/c/g"},
        {"/b/c/;x", "/b/c/;x"},
        {"/b/c/g;x", "/b/c/g;x"},
        {"/b/c/g;x?y", "/b/c/g;x"},
        {"/b/c/d;p?q", "/b/c/d;p"},
        {"/b/c/.", "/b/c/"},
        {"/b/c/./", "/b/c/"},
        {"/b/c/..", "/b/"},
        {"/b/c/../", "/b/"},
        {"/b/c/../g", "/b/g"},
        {"/b/c/../..", "/"},
        {"/b/c/../../", "/"},
        {"/b/c/../../g", "/g"},
        {"/b/c/../../../g", "/g"},
        {"/b/c/../../../../g", "/g"},
        {"/./g", "/g"},
        {"/../g", "/g"},
        {"/b/c/g.", "/b/c/g."},
        {"/b/c/.g", "/b/c/.g"},
        {"/b/c/g..", "/b/c/g.."},
        {"/b/c/..g", "/b/c/..g"},
        {"/b/c/./../g", "/b/g"},
        {"/b/c/./g/.", "/b/c/g/"},
        {"/b/c/g/./h", "/b/c/g/h"},
        {"/b/c/g/../h", "/b/c/h"},
        {"/b/c/g;x=1/./y", "/b/c/g;x=1/y"},
        {"/b/c/g;x=1/../y", "/b/c/y"},
        {"/b/c/g?y/./x", "/b/c/g"},
        {"/b/c/g?y/../x", "/b/c/g"},
    };

    (void)state;
    assert_examples(examples, SIZE(examples));
}

static void dot_segments_are_removed_everywhere_and_nothing_else_is(void **state)
{
    static const struct example examples[] = {
        {"/", "/"},
        {"/.", "/"},
        {"/..", "/"},
        {"/./", "/"},
        {"/../", "/"},
        {"/./.", "/"},
        {"/../..", "/"},
        {"/../../../a", "/a"},
        {"/a/.", "/a/"},
        {"/a/..", "/"},
        {"/a/../", "/"},
        {"/a/./b", "/a/b"},
        {"/a/b/../../c", "/c"},
        {"/a/../../b", "/b"},
        {"/a/b/.././../c/", "/c/"},
        {"/...", "/..."},
        {"/.../", "/.../"},
        {"/a/.../b", "/a/.../b"},
        {"/. /a", "/. /a"},
        {"/.;/a", "/.;/a"},
        {"/..;/a", "/..;/a"},
    };

    (void)state;
    assert_examples(examples, SIZE(examples));
}

static void empty_segments_case_and_the_trailing_slash_are_kept(void **state)
{
    static const struct example examples[] = {
        {"//", "//"},          {"///", "///"},      {"//a", "//a"},         {"/a//b", "/a//b"},
        {"/a//", "/a//"},      {"//.", "//"},       {"//..", "/"},          {"/a//..", "/a/"},
        {"/a//../b", "/a/b"},  {"/a/..//b", "//b"}, {"/..//a", "//a"},      {"/.//a", "//a"},
        {"/a//../../b", "/b"}, {"/A/a", "/A/a"},    {"/a", "/a"},           {"/a/", "/a/"},
        {"/%41%61", "/Aa"},    {"/%2F", "//"},      {"/a%2F%2fb", "/a//b"},
    };

    (void)state;
    assert_examples(examples, SIZE(examples));
}

static void escapes_are_decoded_once_and_before_dot_segments_are_looked_for(void **state)
{
    static const struct example examples[] = {
        {"/%2e", "/"},
        {"/%2E%2e", "/"},
        {"/a/%2e%2E/b", "/b"},
        {"/a/.%2e/b", "/b"},
        {"/a/%2e./b", "/b"},
        {"/a/%2E/b", "/a/b"},
        {"/a/b%2F..%2Fc", "/a/c"},
        {"/a%2f%2e%2e%2Fb", "/b"},
        {"/%2e%2e%2fa", "/a"},
        {"/a%2F", "/a/"},
        {"/a%2F.", "/a/"},
        {"/%252e%252e/a", "/%2e%2e/a"},
        {"/a%252Fb", "/a%2Fb"},
        {"/%25", "/%"},
        {"/a%3Fb", "/a?b"},
        {"/a%23b", "/a#b"},
        {"/a%20b", "/a b"},
        {"/a+b", "/a+b"},
        {"/%7euser", "/~user"},
        {"/a%0A%0d%09", "/a\n\r\t"},
        {"/%01%1f%7F", "/\x01\x1f\x7f"},
        {"/%C3%A9", "/\xc3\xa9"},
        {"/\xc3\xa9", "/\xc3\xa9"},
        {"/%c3\xa9", "/\xc3\xa9"},
    };

    (void)state;
    assert_examples(examples, SIZE(examples));
}

static void any_query_is_cut_off(void **state)
{
    static const struct example examples[] = {
        {"/?", "/"},       {"/a?", "/a"},    {"/a?b?c", "/a"}, {"/a?/../b", "/a"},
        {"/a/..?b", "/"},  {"/a?%zz", "/a"}, {"/a?%", "/a"},   {"/a?%00", "/a"},
        {"/a?\xff", "/a"}, {"/a?b#c", "/a"}, {"/a??", "/a"},   {"/a?%2e%2e", "/a"},
    };

    (void)state;
    assert_examples(examples, SIZE(examples));
    assert_path("/a?\0", 4, "/a", 2);
}

static void targets_without_a_slash_or_with_a_fragment_are_refused(void **state)
{
    static const char *const targets[] = {
        "",
        "*",
        "a",
        "a/b",
        "?/a",
        "#",
        ".",
        "..",
        "%2Fa",
        "/#",
        "/a#",
        "/a#b",
        "/b/c/g#s/./x",
        "/#?",
        "./a",
        " /a",
        "\\a",
        "mid/content=5/../6",
        "http://a/b",
        "a:80",
        "%",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(targets); i++)
        assert_refused(targets[i], strlen(targets[i]), PATH_NOT_ABSOLUTE);
}

static void an_escape_without_two_digits_is_refused_at_every_position(void **state)
{
    static const char *const bad[] = {"%",   "%4",  "%g0", "%0g", "%%41", "%-1", "% 1", "%1 ",
                                      "%/1", "%:0", "%@0", "%G0", "%`0",  "%0/", "%0:", "%+1"};
    static const char path[] = "/ab/c";

    (void)state;
    for (size_t i = 0; i < SIZE(bad); i++) {
        for (size_t at = 1; at < sizeof(path); at++) {
            const char *behind = path + at;
            char target[64];

            snprintf(target, sizeof(target), "%.*s%s%s%s", (int)at, path, bad[i],
                     *behind != '\0' ? "/" : "", behind);
            assert_refused(target, strlen(target), PATH_BAD_ESCAPE);
        }
    }
    assert_refused("/%?41", 5, PATH_BAD_ESCAPE);
    assert_refused("/%4?1", 5, PATH_BAD_ESCAPE);
    assert_refused("/%\0"
                   "0",
                   4, PATH_BAD_ESCAPE);
}

static void a_nul_is_refused_raw_and_escaped(void **state)
{
    (void)state;
    assert_refused("/\0", 2, PATH_HAS_NUL);
    assert_refused("/a\0b", 4, PATH_HAS_NUL);
    assert_refused("/%00", 4, PATH_HAS_NUL);
    assert_refused("/a%00/b", 7, PATH_HAS_NUL);
    assert_refused("/%00/..", 7, PATH_HAS_NUL);
    assert_path("/%2500", 6, "/%00", 4);
}

static void a_path_has_at_most_2048_bytes_after_decoding_and_dot_segments(void **state)
{
    static char target[8 + 3 * PATH_MAX_BYTES];
    static char path[PATH_MAX_BYTES + 1];
    size_t len = 0;

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    assert_path(path, PATH_MAX_BYTES, path, PATH_MAX_BYTES);
    assert_refused(path, PATH_MAX_BYTES + 1, PATH_TOO_LONG);
    assert_true(path_is_valid(path, PATH_MAX_BYTES));
    assert_false(path_is_valid(path, PATH_MAX_BYTES + 1));

    /* the limit applies to the decoded length */
    target[len++] = '/';
    for (size_t i = 1; i < PATH_MAX_BYTES; i++, len += 3)
        memcpy(target + len, "%78", 3);
    assert_path(target, len, path, PATH_MAX_BYTES);
    target[len] = 'x';
    assert_refused(target, len + 1, PATH_TOO_LONG);
    target[len] = '?';
    assert_path(target, len + 1, path, PATH_MAX_BYTES);

    /* and to the path without dot segments */
    snprintf(target, sizeof(target), "/a/..%.*s", PATH_MAX_BYTES, path);
    assert_path(target, strlen(target), path, PATH_MAX_BYTES);
    snprintf(target, sizeof(target), "/a/..%.*s", PATH_MAX_BYTES + 1, path);
    assert_refused(target, strlen(target), PATH_TOO_LONG);
    snprintf(target, sizeof(target), "%.*s/..", PATH_MAX_BYTES + 1, path);
    assert_path(target, strlen(target), "/", 1);
    /* a `..` at the end leaves a slash: 2,048 bytes with it, then one more */
    snprintf(target, sizeof(target), "%.*s/a/..", PATH_MAX_BYTES - 1, path);
    assert_path(target, strlen(target), target, PATH_MAX_BYTES);
    snprintf(target, sizeof(target), "%.*s/a/..", PATH_MAX_BYTES, path);
    assert_refused(target, strlen(target), PATH_TOO_LONG);
}

static void a_canonical_path_that_is_encoded_again_is_itself(void **state)
{
    static const char *const parts[] = {
        "/",     "/",   ".",   "..",  "/../",     "/./",          "a",   "%2e", "%2F",
        "%25",   "%3f", "%23", "%41", "\xc3\xa9", "%F0%9F%98%80", "%01", "%7F", "b c",
        "%252e", "+",   "&",   "%5c", "\"",       "%22",          "...",
    };
    uint64_t seed = 20161122;
    size_t counted = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char target[256] = "/";
        struct canonical c;
        struct buffer all = {0}, segments = {0};

        for (size_t n = random_below(&seed, 16); n > 0; n--)
            strcat(target, parts[random_below(&seed, SIZE(parts))]);
        c = canonical_of(target, strlen(target));
        assert_int_equal(c.error, PATH_OK);
        assert_in_range(c.len, 1, strlen(target));

        /* encode all bytes after the first slash, then all bytes except slashes */
        buffer_add_literal(&all, "/");
        buffer_add_percent(&all, c.path + 1, c.len - 1);
        assert_path(all.bytes, all.len, c.path, c.len);
        for (size_t i = 0; i < c.len; i++) {
            if (c.path[i] == '/')
                buffer_add(&segments, "/", 1);
            else
                buffer_add_percent(&segments, &c.path[i], 1);
        }
        assert_path(segments.bytes, segments.len, c.path, c.len);
        counted += c.len > 1;
        buffer_free(&all);
        buffer_free(&segments);
        free(c.path);
    }
    assert_true(counted > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_3986_hold),
        cmocka_unit_test(dot_segments_are_removed_everywhere_and_nothing_else_is),
        cmocka_unit_test(empty_segments_case_and_the_trailing_slash_are_kept),
        cmocka_unit_test(escapes_are_decoded_once_and_before_dot_segments_are_looked_for),
        cmocka_unit_test(any_query_is_cut_off),
        cmocka_unit_test(targets_without_a_slash_or_with_a_fragment_are_refused),
        cmocka_unit_test(an_escape_without_two_digits_is_refused_at_every_position),
        cmocka_unit_test(a_nul_is_refused_raw_and_escaped),
        cmocka_unit_test(a_path_has_at_most_2048_bytes_after_decoding_and_dot_segments),
        cmocka_unit_test(a_canonical_path_that_is_encoded_again_is_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
