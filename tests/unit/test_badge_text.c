/* Text of badges: spaces, capital letters and widths. (tests/page/test_badge.py compares the widths
 * with Chromium.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "render-svc/html/badge_text.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

static const struct badge_font NORMAL = {11, false}, BOLD = {10, true};

static void assert_shown(const char *text, bool capitals, const char *shown)
{
    struct buffer buffer = {0};

    buffer_add_literal(&buffer, "> ");
    badge_text_add(&buffer, text, strlen(text), capitals);
    assert_int_equal(buffer.len, strlen(shown) + 2);
    assert_memory_equal(buffer.bytes + 2, shown, strlen(shown));
    buffer_free(&buffer);
}

static void spaces_are_as_svg_shows_them(void **state)
{
    (void)state;
    assert_shown("", false, "");
    assert_shown(" ", false, "");
    assert_shown("     ", false, "");
    assert_shown("a", false, "a");
    assert_shown("  a   b c  ", false, "a b c");
    /* no-break and ideographic spaces stay */
    assert_shown(" \xc2\xa0  \xe3\x80\x80\xe3\x80\x80 ", false,
                 "\xc2\xa0 \xe3\x80\x80\xe3\x80\x80");
}

static void capitals_are_of_any_alphabet(void **state)
{
    (void)state;
    assert_shown("caf\xc3\xa9 1", true, "CAF\xc3\x89 1");
    assert_shown("\xce\xb1\xcf\x89", true, "\xce\x91\xce\xa9");
    assert_shown("\xd0\xb6\xd1\x97", true, "\xd0\x96\xd0\x87");
    assert_shown("\xc9\x90", true, "\xe2\xb1\xaf"); /* its capital letter has more bytes */
    /* Georgian has capital letters that few fonts have */
    assert_shown("\xe1\x83\x90", true, "\xe1\x83\x90");
    assert_shown("\xe6\x97\xa5", true, "\xe6\x97\xa5");
}

/* Passes a copy of exactly this length, so that AddressSanitizer finds reads beyond it. */
static int width(const char *text, const struct badge_font *font, bool *is_known)
{
    size_t len = strlen(text);
    char *copy = malloc(len);
    int width;

    memcpy(copy, text, len);
    width = badge_text_width(copy, len, font, is_known);
    free(copy);
    return width;
}

static void assert_width(const char *text, int expected, bool expected_known)
{
    bool is_known;

    assert_int_equal(width(text, &NORMAL, &is_known), expected);
    assert_int_equal(is_known, expected_known);
}

static void alphabets_of_verdana_are_known_letter_by_letter(void **state)
{
    (void)state;
    assert_width("", 0, true);
    assert_width("hits", 21, true);
    assert_width("iiiiiiiiii", 31, true);
    assert_width("WWWWWWWWWW", 109, true);
    assert_width("\xc3\xad\xc3\xad\xc3\xad\xc3\xad\xc3\xad", 16, true); /* i with acute */
    assert_width("\xe1\xbb\x87\xe1\xbb\x87", 14, true);                 /* e with two marks */
    assert_width("\xc3\x9f\xc5\x82\xc3\xa6", 21, true);
    assert_width("\xce\xb9\xce\xaf\xcf\x89", 15, true);
    assert_width("\xd1\x96\xd1\x97\xd1\x89", 16, true);
}

/* Pairs of texts: the second has more characters and the same width. */
static void invisible_characters_take_no_room(void **state)
{
    static const char *const pairs[][2] = {
        {"ab", "a\xe2\x80\x8b\xe2\x80\x8d\xe2\x80\x8c\xef\xbb\xbf\xe2\x81\xa0\xc2\xad"
               "b"},
        {"abc", "\xe2\x80\xae"
                "abc\xe2\x80\xac"},
        {"e", "e\xcc\x81\xcc\xa3\xcc\x88"},
        {"\xd7\xa6\xd7\xa4", "\xd7\xa6\xd6\xb0\xd7\xa4\xd6\xb4\xd6\xbc"},
        {"\xe0\xb8\x81", "\xe0\xb8\x81\xe0\xb9\x87\xe0\xb9\x89"},
        {"\xe0\xa4\x95", "\xe0\xa4\x95\xe0\xa5\x81\xe0\xa4\x82"},
        {"\xec\x98\xb7", "\xe1\x84\x8b\xe1\x85\xa9\xe1\x86\xba"}, /* a syllable of three jamo */
    };
    bool known;

    (void)state;
    for (size_t i = 0; i < SIZE(pairs); i++) {
        int expected = width(pairs[i][0], &NORMAL, &known);

        assert_int_equal(width(pairs[i][1], &NORMAL, &known), expected);
        assert_false(known);
    }
}

static void an_emoji_of_many_parts_is_one(void **state)
{
    static const char *const emoji[] = {
        "\xf0\x9f\x91\x8d",
        "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbf",             /* with a skin colour */
        "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",             /* a flag of two letters */
        "\xe2\x9d\xa4\xef\xb8\x8f",                     /* a symbol as an emoji */
        "1\xef\xb8\x8f\xe2\x83\xa3",                    /* a keycap */
        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", /* joined by U+200D */
        /* a family of three */
        "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
    };
    char twice[128];

    (void)state;
    for (size_t i = 0; i < SIZE(emoji); i++) {
        assert_width(emoji[i], 14, false);
        strcpy(twice, emoji[i]);
        strcat(twice, emoji[i]);
        assert_width(twice, 28, false);
    }
}

static void characters_are_measured_and_not_bytes(void **state)
{
    (void)state;
    assert_width("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 33, false);
    assert_width("\xed\x95\x9c\xea\xb5\xad", 22, false);
    assert_width("\xf0\xa0\x80\x80", 11, false); /* four bytes */
    assert_width("\xd7\x90\xd7\x91\xd7\x92", 18, false);
    assert_int_equal(badge_text_count("a\xc3\xa9\xe6\x97\xa5", 6), 3);
}

static void letters_that_join_are_narrower_than_alone(void **state)
{
    bool known;

    (void)state;
    /* beh three times, joined, and with non-joiners in between */
    assert_true(width("\xd8\xa8\xd8\xa8\xd8\xa8", &NORMAL, &known) <
                width("\xd8\xa8 \xd8\xa8 \xd8\xa8", &NORMAL, &known) - 8);
    /* ka and ssa, joined by a virama, and without; ra after a virama is a mark */
    assert_true(width("\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7", &NORMAL, &known) <
                width("\xe0\xa4\x95\xe0\xa4\xb7", &NORMAL, &known));
    assert_true(width("\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb0", &NORMAL, &known) <
                width("\xe0\xa4\x95\xe0\xa4\xb0", &NORMAL, &known) - 5);
    /* several viramas do not reduce the width of the text around them */
    assert_true(width("ab\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa5\x8d\xe0\xa5\x8d\xe0\xa5\x8d\xe0\xa4\x95",
                      &NORMAL, &known) >= width("ab", &NORMAL, &known));
}

static void bold_letters_are_wider_and_ideographs_are_not(void **state)
{
    bool known;

    (void)state;
    assert_int_equal(width("HITS", &BOLD, &known), 29);
    assert_true(known);
    assert_int_equal(width("\xe6\x97\xa5\xe6\x9c\xac", &BOLD, &known), 20);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(spaces_are_as_svg_shows_them),
        cmocka_unit_test(capitals_are_of_any_alphabet),
        cmocka_unit_test(alphabets_of_verdana_are_known_letter_by_letter),
        cmocka_unit_test(invisible_characters_take_no_room),
        cmocka_unit_test(an_emoji_of_many_parts_is_one),
        cmocka_unit_test(characters_are_measured_and_not_bytes),
        cmocka_unit_test(letters_that_join_are_narrower_than_alone),
        cmocka_unit_test(bold_letters_are_wider_and_ideographs_are_not),
    };

    return cmocka_run_group_tests_name("badge_text", tests, NULL, NULL);
}
