/* The canonical path: under which name a request target is counted, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "proto/path.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* A path, in memory that ends where it may be written to. */
struct canonical {
    enum path_error error;
    size_t len;
    char *path;
};

/* Canonicalises a copy of the target that ends where its bytes do: so reading or writing too far
 * is seen under AddressSanitizer. */
static struct canonical canonical_of(const char *target, size_t len)
{
    struct canonical c = {.path = malloc(len)};
    char *copy = malloc(len);

    memcpy(copy, target, len);
    c.error = path_canonicalize(copy, len, c.path, &c.len);
    free(copy);
    return c;
}

static void assert_path(const char *target, size_t target_len, const char *path, size_t path_len)
{
    struct canonical c = canonical_of(target, target_len);

    if (c.error != PATH_OK)
        fail_msg("%.*s was refused: %s", (int)target_len, target, path_error_text(c.error));
    if (c.len != path_len || memcmp(c.path, path, path_len) != 0)
        fail_msg("%.*s became %.*s, not %.*s", (int)target_len, target, (int)c.len, c.path,
                 (int)path_len, path);
    assert_true(path_is_valid(c.path, c.len));
    free(c.path);
}

static void assert_refused(const char *target, size_t len, enum path_error error)
{
    struct canonical c = canonical_of(target, len);

    if (c.error != error)
        fail_msg("%.*s gave error %d, not %d", (int)len, target, c.error, error);
    free(c.path);
}

struct example {
    const char *target, *path;
};

static void assert_examples(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_path(examples[i].target, strlen(examples[i].target), examples[i].path,
                    strlen(examples[i].path));
}

/* RFC 3986, 5.2.4; the second, which is relative there, with a slash before it. And 5.4.1 and
 * 5.4.2: the references to a path, merged with the base's `/b/c/` as 5.2.3 says. */
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

static void dot_segments_go_wherever_they_stand_and_nothing_else_does(void **state)
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

static void the_query_is_cut_off_whatever_it_holds(void **state)
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

static void what_does_not_begin_with_a_slash_or_has_a_fragment_is_refused(void **state)
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

/* Each as the last of a target, in the middle, raw and escaped. */
static void assert_utf8(const char *bytes, bool is_valid)
{
    enum path_error error = is_valid ? PATH_OK : PATH_NOT_UTF8;
    static const char *const tails[] = {"", "/", "a", "/..", "\xc3\xa9"};

    assert_int_equal(utf8_is_valid(bytes, strlen(bytes)), is_valid);
    for (size_t i = 0; i < SIZE(tails); i++) {
        char raw[64];
        struct buffer escaped = {0};

        snprintf(raw, sizeof(raw), "/%s%s", bytes, tails[i]);
        assert_refused(raw, strlen(raw), error);
        assert_int_equal(path_is_valid(raw, strlen(raw)), is_valid);
        buffer_add_literal(&escaped, "/");
        buffer_add_percent(&escaped, bytes, strlen(bytes));
        buffer_add_string(&escaped, tails[i]);
        assert_refused(escaped.bytes, escaped.len, error);
        buffer_free(&escaped);
    }
}

/* RFC 3629, 3 and 4: the first and the last character of each length and of each row of its
 * grammar. */
static void every_well_formed_character_of_utf8_is_kept(void **state)
{
    static const char *const characters[] = {
        "\x01",
        "\x7f", /* U+0001, U+007F */
        "\xc2\x80",
        "\xdf\xbf", /* U+0080, U+07FF */
        "\xe0\xa0\x80",
        "\xe0\xbf\xbf", /* U+0800, U+0FFF */
        "\xe1\x80\x80",
        "\xec\xbf\xbf", /* U+1000, U+CFFF */
        "\xed\x80\x80",
        "\xed\x9f\xbf", /* U+D000, U+D7FF */
        "\xee\x80\x80",
        "\xef\xbf\xbf", /* U+E000, U+FFFF */
        "\xef\xbb\xbf",
        "\xef\xbf\xbe", /* U+FEFF, U+FFFE */
        "\xf0\x90\x80\x80",
        "\xf0\xbf\xbf\xbf", /* U+10000, U+3FFFF */
        "\xf1\x80\x80\x80",
        "\xf3\xbf\xbf\xbf", /* U+40000, U+FFFFF */
        "\xf4\x80\x80\x80",
        "\xf4\x8f\xbf\xbf", /* U+100000, U+10FFFF */
    };

    (void)state;
    for (size_t i = 0; i < SIZE(characters); i++)
        assert_utf8(characters[i], true);
}

static void every_kind_of_malformed_utf8_is_refused(void **state)
{
    static const char *const malformed[] = {
        "\x80",
        "\xbf",
        "a\x80",
        "\xc3\xa9\x80", /* a stray continuation */
        "\xc3",
        "\xe2\x82",
        "\xe2",
        "\xf0\x9f\x98", /* truncated */
        "\xf0\x9f",
        "\xf0",
        "\xc3/",
        "\xe2\x82/", /* … */
        "\xc3\xc3\xa9",
        "\xe2\xc3\xa9",
        "\xf0\x9f\x98x", /* the next begins too soon */
        "\xc0\x80",
        "\xc0\xaf",
        "\xc1\xbf", /* overlong: NUL, a slash, U+7F */
        "\xe0\x80\x80",
        "\xe0\x80\xaf",
        "\xe0\x9f\xbf", /* … U+07FF */
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", /* … U+FFFF */
        "\xed\xa0\x80",
        "\xed\xaf\xbf", /* surrogates */
        "\xed\xb0\x80",
        "\xed\xbf\xbf",             /* … */
        "\xed\xa0\xbd\xed\xb8\x80", /* … as a pair (CESU-8) */
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", /* above U+10FFFF */
        "\xf7\xbf\xbf\xbf",
        "\xf8\x88\x80\x80\x80", /* … and of five bytes */
        "\xfc\x84\x80\x80\x80\x80",
        "\xfe",
        "\xff", /* … six, and never */
    };

    (void)state;
    for (size_t i = 0; i < SIZE(malformed); i++)
        assert_utf8(malformed[i], false);
}

/* The same by what the bits say, and another way: the character is put together first. */
static bool is_utf8_by_the_bits(const unsigned char *text, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    for (size_t at = 0; at < len;) {
        unsigned char lead = text[at];
        size_t size = lead < 0x80             ? 1
                      : (lead & 0xE0) == 0xC0 ? 2
                      : (lead & 0xF0) == 0xE0 ? 3
                      : (lead & 0xF8) == 0xF0 ? 4
                                              : 0;
        uint32_t character = size == 1 ? lead : lead & (0x7FU >> size);

        if (size == 0 || size > len - at)
            return false;
        for (size_t i = 1; i < size; i++) {
            if ((text[at + i] & 0xC0) != 0x80)
                return false;
            character = character << 6 | (text[at + i] & 0x3F);
        }
        if (character < least[size] || character > 0x10FFFF ||
            (character >= 0xD800 && character <= 0xDFFF))
            return false;
        at += size;
    }
    return true;
}

static void up_to_four_bytes_at_the_bounds_are_utf8_exactly_when_their_bits_say_so(void **state)
{
    static const unsigned char bounds[] = {0x00, 0x2F, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                           0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                           0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    size_t valid = 0, count = 1;

    (void)state;
    for (size_t len = 0; len <= 4; len++, count *= SIZE(bounds)) {
        for (size_t i = 0; i < count; i++) {
            unsigned char text[4] = {0};
            char within[20];
            size_t rest = i;
            bool expected;

            for (size_t at = 0; at < len; at++, rest /= SIZE(bounds))
                text[at] = bounds[rest % SIZE(bounds)];
            expected = is_utf8_by_the_bits(text, len);
            valid += expected;
            if (utf8_is_valid((const char *)text, len) != expected)
                fail_msg("%02x %02x %02x %02x, %zu of them", text[0], text[1], text[2], text[3],
                         len);
            memset(within, 'x', sizeof(within)); /* ASCII is skipped in larger steps */
            memcpy(within + i % 17, text, len);
            if (utf8_is_valid(within, sizeof(within)) != expected)
                fail_msg("%02x %02x %02x %02x, %zu of them at %zu", text[0], text[1], text[2],
                         text[3], len, i % 17);
        }
    }
    assert_true(valid > 100);
}

static void two_thousand_and_forty_eight_bytes_are_the_most_after_decoding_and_dots(void **state)
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

    /* what counts is the decoded length */
    target[len++] = '/';
    for (size_t i = 1; i < PATH_MAX_BYTES; i++, len += 3)
        memcpy(target + len, "%78", 3);
    assert_path(target, len, path, PATH_MAX_BYTES);
    target[len] = 'x';
    assert_refused(target, len + 1, PATH_TOO_LONG);
    target[len] = '?';
    assert_path(target, len + 1, path, PATH_MAX_BYTES);

    /* and what dot segments leave of it */
    snprintf(target, sizeof(target), "/a/..%.*s", PATH_MAX_BYTES, path);
    assert_path(target, strlen(target), path, PATH_MAX_BYTES);
    snprintf(target, sizeof(target), "/a/..%.*s", PATH_MAX_BYTES + 1, path);
    assert_refused(target, strlen(target), PATH_TOO_LONG);
    snprintf(target, sizeof(target), "%.*s/..", PATH_MAX_BYTES + 1, path);
    assert_path(target, strlen(target), "/", 1);
    /* a last `..` leaves its slash: 2,048 with it, then one more */
    snprintf(target, sizeof(target), "%.*s/a/..", PATH_MAX_BYTES - 1, path);
    assert_path(target, strlen(target), target, PATH_MAX_BYTES);
    snprintf(target, sizeof(target), "%.*s/a/..", PATH_MAX_BYTES, path);
    assert_refused(target, strlen(target), PATH_TOO_LONG);
}

/* xorshift64: the same numbers in each run. */
static uint64_t random_below(uint64_t *seed, uint64_t limit)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % limit;
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

        /* everything but the first slash, and everything but slashes */
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

static void what_can_be_a_canonical_path_is_absolute_and_not_empty(void **state)
{
    (void)state;
    assert_true(path_is_valid("/", 1));
    assert_true(path_is_valid("/a/../b", 7)); /* it does not look for dot segments */
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

static void the_overflow_row_is_nobodys_path_and_before_all(void **state)
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
        cmocka_unit_test(the_examples_of_rfc_3986_hold),
        cmocka_unit_test(dot_segments_go_wherever_they_stand_and_nothing_else_does),
        cmocka_unit_test(empty_segments_case_and_the_trailing_slash_are_kept),
        cmocka_unit_test(escapes_are_decoded_once_and_before_dot_segments_are_looked_for),
        cmocka_unit_test(the_query_is_cut_off_whatever_it_holds),
        cmocka_unit_test(what_does_not_begin_with_a_slash_or_has_a_fragment_is_refused),
        cmocka_unit_test(an_escape_without_two_digits_is_refused_at_every_position),
        cmocka_unit_test(a_nul_is_refused_raw_and_escaped),
        cmocka_unit_test(every_well_formed_character_of_utf8_is_kept),
        cmocka_unit_test(every_kind_of_malformed_utf8_is_refused),
        cmocka_unit_test(up_to_four_bytes_at_the_bounds_are_utf8_exactly_when_their_bits_say_so),
        cmocka_unit_test(two_thousand_and_forty_eight_bytes_are_the_most_after_decoding_and_dots),
        cmocka_unit_test(a_canonical_path_that_is_encoded_again_is_itself),
        cmocka_unit_test(paths_are_ordered_by_their_bytes_and_a_prefix_goes_first),
        cmocka_unit_test(only_the_given_bytes_are_compared),
        cmocka_unit_test(what_can_be_a_canonical_path_is_absolute_and_not_empty),
        cmocka_unit_test(each_error_has_a_sentence_of_its_own),
        cmocka_unit_test(percent_decode_takes_a_component_as_it_is),
        cmocka_unit_test(the_overflow_row_is_nobodys_path_and_before_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
