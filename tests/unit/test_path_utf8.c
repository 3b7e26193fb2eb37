/* UTF-8 in paths: every well-formed character is kept, and everything else is refused. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "tests/unit/path_fixture.h"

/* Checks the bytes at the end of a target and before other text, raw and escaped. */
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

/* The first and the last character of each length and of each row of the grammar (RFC 3629, 3 and
 * 4). */
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
        "\xf0\x9f\x98x", /* the next character begins too early */
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

/* Returns whether a text is UTF-8. Another algorithm: it decodes each character, then checks it. */
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
            memset(within, 'x', sizeof(within)); /* the checker skips ASCII in larger steps */
            memcpy(within + i % 17, text, len);
            if (utf8_is_valid(within, sizeof(within)) != expected)
                fail_msg("%02x %02x %02x %02x, %zu of them at %zu", text[0], text[1], text[2],
                         text[3], len, i % 17);
        }
    }
    assert_true(valid > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_well_formed_character_of_utf8_is_kept),
        cmocka_unit_test(every_kind_of_malformed_utf8_is_refused),
        cmocka_unit_test(up_to_four_bytes_at_the_bounds_are_utf8_exactly_when_their_bits_say_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
