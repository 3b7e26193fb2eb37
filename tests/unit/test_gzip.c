/* gzip from pieces: a reader of joined pieces gets their texts, one after the other. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "render-svc/html/gzip.h"
#include "tests/unit/inflate.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Text that compresses well, not at all, or a little. */
enum kind { SAME, NOISE, WORDS };

static struct buffer text_of(enum kind kind, size_t len)
{
    static const char WORD[] = "<tr><th class=b17><a href=\"/-/paths/";
    struct buffer text = {0};
    uint32_t state = 12345;

    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        char c = WORD[i % 64 % (sizeof(WORD) - 1)];
        if (kind == SAME)
            c = 'x';
        else if (kind == NOISE || i % 64 > 40)
            c = (char)(state >> 24);
        buffer_add(&text, &c, 1);
    }
    return text;
}

static void assert_member_is(const struct buffer *member, const struct buffer *text)
{
    struct buffer found = {0};

    assert_int_equal(inflate_member(&found, member->bytes, member->len), member->len);
    assert_int_equal(found.len, text->len);
    if (text->len != 0)
        assert_memory_equal(found.bytes, text->bytes, text->len);
    buffer_free(&found);
}

static void one_piece_of_any_size(void **state)
{
    static const size_t sizes[] = {0, 1, 1023, 4096, 65535, 65536, 300000};
    struct gzip *gzip = gzip_create(1);

    (void)state;
    for (size_t i = 0; i < SIZE(sizes); i++) {
        for (enum kind kind = SAME; kind <= WORDS; kind++) {
            struct buffer text = text_of(kind, sizes[i]), member = {0};
            gzip_add(gzip, &member, text.bytes, text.len);
            assert_member_is(&member, &text);
            if (kind == SAME && sizes[i] == 65536)
                assert_true(member.len < 500);
            buffer_free(&text);
            buffer_free(&member);
        }
    }
    gzip_destroy(gzip);
}

/* Joins the pieces of three texts in every order, with uncompressed text after each. */
static void pieces_go_in_any_order(void **state)
{
    struct gzip *gzip = gzip_create(1);
    struct buffer texts[3], pieces[3] = {{0}};
    struct gzip_sum sums[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        texts[i] = text_of((enum kind)i, 1000 * (i + 1));
        sums[i] = gzip_add_piece(gzip, &pieces[i], texts[i].bytes, texts[i].len);
    }
    for (size_t order = 0; order < 27; order++) {
        struct buffer member = {0}, text = {0};
        struct gzip_sum sum = {0};
        buffer_add_literal(&member, GZIP_HEAD);
        for (size_t i = 0, rest = order; i < 3; i++, rest /= 3) {
            buffer_add(&text, texts[rest % 3].bytes, texts[rest % 3].len);
            buffer_add(&member, pieces[rest % 3].bytes, pieces[rest % 3].len);
            sum = gzip_join(sum, sums[rest % 3]);
            buffer_add_literal(&text, "own");
            sum = gzip_join(sum, gzip_add_plain(&member, "own", 3));
        }
        gzip_add_end(&member, sum);
        assert_member_is(&member, &text);
        buffer_free(&member);
        buffer_free(&text);
    }
    for (size_t i = 0; i < 3; i++) {
        buffer_free(&texts[i]);
        buffer_free(&pieces[i]);
    }
    gzip_destroy(gzip);
}

static void plain_text_of_any_size(void **state)
{
    static const size_t sizes[] = {0, 1, 65534, 65535, 65536, 131070, 131071};

    (void)state;
    for (size_t i = 0; i < SIZE(sizes); i++) {
        struct buffer text = text_of(NOISE, sizes[i]), member = {0};
        buffer_add_literal(&member, GZIP_HEAD);
        gzip_add_end(&member, gzip_add_plain(&member, text.bytes, text.len));
        assert_member_is(&member, &text);
        buffer_free(&text);
        buffer_free(&member);
    }
}

static void a_wrong_sum_is_found_by_readers(void **state)
{
    struct buffer member = {0}, found = {0};
    struct gzip_sum sum;

    (void)state;
    buffer_add_literal(&member, GZIP_HEAD);
    sum = gzip_add_plain(&member, "text", 4);
    sum.crc ^= 1;
    gzip_add_end(&member, sum);
    assert_int_equal(inflate_member(&found, member.bytes, member.len), 0);
    buffer_free(&member);
    buffer_free(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_piece_of_any_size),
        cmocka_unit_test(pieces_go_in_any_order),
        cmocka_unit_test(plain_text_of_any_size),
        cmocka_unit_test(a_wrong_sum_is_found_by_readers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
