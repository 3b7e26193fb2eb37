/* The upper bound of texts with a prefix. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/view.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The characters before and after each change of their length in UTF-8, and a few others. */
static const char *const characters[] = {
    "\x01",
    "/",
    "\x7e",
    "\x7f",
    "\xc2\x80",
    "\xdf\xbe",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xed\x9f\xbe",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
    "\xef\xbf\xbe",
    "\xef\xbf\xbf",
    "\xf0\x90\x80\x80",
    "\xf4\x8f\xbf\xbe",
    "\xf4\x8f\xbf\xbf",
};
#define N_CHARACTERS SIZE(characters)
#define N_TEXTS      (1 + N_CHARACTERS + N_CHARACTERS * N_CHARACTERS)

struct text {
    char bytes[16];
    size_t len;
};

/* Makes every text of up to two of these characters. */
static void fill_texts(struct text texts[N_TEXTS])
{
    size_t count = 0;

    texts[count++] = (struct text){.len = 0};
    for (size_t i = 0; i < N_CHARACTERS; i++) {
        struct text *text = &texts[count++];
        text->len = (size_t)snprintf(text->bytes, sizeof(text->bytes), "%s", characters[i]);
        for (size_t j = 0; j < N_CHARACTERS; j++) {
            text = &texts[count++];
            text->len = (size_t)snprintf(text->bytes, sizeof(text->bytes), "%s%s", characters[i],
                                         characters[j]);
        }
    }
    assert_int_equal(count, N_TEXTS);
}

static bool has_prefix(const struct text *text, const struct text *prefix)
{
    return text->len >= prefix->len && memcmp(text->bytes, prefix->bytes, prefix->len) == 0;
}

/* Gets the bound, in memory of exactly its maximum length. Returns whether there is one. */
static bool bound_above(const struct text *prefix, struct text *above)
{
    char *room = malloc(prefix->len + 1);
    bool is_there = prefix_upper_bound(prefix->bytes, prefix->len, room, &above->len);

    if (is_there) {
        assert_in_range(above->len, 1, prefix->len + 1);
        memcpy(above->bytes, room, above->len);
        assert_true(utf8_is_valid(above->bytes, above->len));
    }
    free(room);
    return is_there;
}

static int compare(const struct text *a, const struct text *b)
{
    return path_compare(a->bytes, a->len, b->bytes, b->len);
}

static void the_bound_separates_the_prefix_from_all_texts_above(void **state)
{
    static struct text texts[N_TEXTS];

    (void)state;
    fill_texts(texts);
    for (size_t i = 0; i < N_TEXTS; i++) {
        const struct text *prefix = &texts[i];
        struct text above;
        bool is_there = bound_above(prefix, &above);

        for (size_t j = 0; j < N_TEXTS; j++) {
            const struct text *text = &texts[j];
            bool is_below = !is_there || compare(text, &above) < 0;

            if (is_below != (has_prefix(text, prefix) || compare(text, prefix) < 0))
                fail_msg("prefix %zu (%s), text %zu (%s)", i, prefix->bytes, j, text->bytes);
        }
    }
}

static void the_bound_is_the_prefix_with_its_last_character_raised(void **state)
{
    static const struct {
        const char *prefix, *above;
    } cases[] = {
        {"/", "0"},
        {"/a", "/b"},
        {"/a\x7f", "/a\xc2\x80"},
        {"/\xdf\xbf", "/\xe0\xa0\x80"},
        {"/\xed\x9f\xbf", "/\xee\x80\x80"},
        {"/\xef\xbf\xbf", "/\xf0\x90\x80\x80"},
        {"/\xf4\x8f\xbf\xbf", "0"},
        {"/a\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf", "/b"},
        {"/\xc3\xbf", "/\xc4\x80"},
        {"/\xe2\xbf\xbf", "/\xe3\x80\x80"},
        {"/\xf0\xbf\xbf\xbf", "/\xf1\x80\x80\x80"},
        {"\xf4\x8f\xbf\xbf", NULL},
        {"\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct text prefix = {.len = strlen(cases[i].prefix)}, above;

        memcpy(prefix.bytes, cases[i].prefix, prefix.len);
        assert_int_equal(bound_above(&prefix, &above), cases[i].above != NULL);
        if (cases[i].above != NULL) {
            assert_int_equal(above.len, strlen(cases[i].above));
            assert_memory_equal(above.bytes, cases[i].above, above.len);
        }
    }
}

/* Writes a character as UTF-8 (RFC 3629, 3). */
static size_t put(uint32_t character, char *to)
{
    size_t size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;

    for (size_t i = size; i-- > 1; character >>= 6)
        to[i] = (char)(0x80 | (character & 0x3F));
    to[0] = (char)(size == 1 ? character : (0xF00U >> size & 0xFF) | character);
    return size;
}

static void each_character_is_raised_to_the_next_valid_one(void **state)
{
    (void)state;
    for (uint32_t character = 1; character < 0x10FFFF; character++) {
        struct text prefix, above, next;

        if (character == 0xD800)
            character = 0xE000;
        prefix.len = put(character, prefix.bytes);
        next.len = put(character == 0xD7FF ? 0xE000 : character + 1, next.bytes);
        if (!prefix_upper_bound(prefix.bytes, prefix.len, above.bytes, &above.len) ||
            compare(&above, &next) != 0)
            fail_msg("U+%04X", character);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_separates_the_prefix_from_all_texts_above),
        cmocka_unit_test(the_bound_is_the_prefix_with_its_last_character_raised),
        cmocka_unit_test(each_character_is_raised_to_the_next_valid_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
