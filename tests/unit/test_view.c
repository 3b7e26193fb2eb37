/* Views as queries, cursors, and the bound above a prefix. */
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

#define BAD_ORDER   "\"order\" is neither count nor path."
#define BAD_PERIOD  "\"period\" is not all, today, 24h, 7d or 30d."
#define BAD_BOTS    "\"bots\" is neither include nor exclude."
#define BAD_LIMIT   "\"limit\" is not from 1 to 1,000."
#define NO_NUMBER   "\"limit\" is not a whole number."
#define BAD_PREFIX  "\"prefix\" is not UTF-8 text of at most 2,048 bytes."
#define BAD_CURSOR  "\"after\" or \"before\" is not a cursor."
#define OTHER_ORDER "The cursor belongs to the other order."
#define TWICE       "A query parameter occurs more than once."
#define NO_VALUE    "A query parameter has no valid value."
#define UNKNOWN     "Unknown query parameter; use order, prefix, period, bots, limit, after or before."

/* Parses a copy that ends where its bytes do. */
static int parse(const char *query, size_t len, struct view *view, const char **error)
{
    char *copy = malloc(len);
    int result;

    memcpy(copy, query, len);
    *error = NULL;
    result = view_parse(copy, len, view, error);
    free(copy);
    return result;
}

static struct view view_of(const char *query)
{
    struct view view;
    const char *error;

    if (parse(query, strlen(query), &view, &error) != 0)
        fail_msg("%.100s was refused: %s", query, error);
    return view;
}

static void assert_refused(const char *query, const char *sentence)
{
    struct view view;
    const char *error;

    if (parse(query, strlen(query), &view, &error) == 0)
        fail_msg("%.100s was taken", query);
    assert_string_equal(error, sentence);
}

static void without_a_query_it_is_the_hundred_highest_counts(void **state)
{
    struct view view = view_of("");

    (void)state;
    assert_int_equal(view.order, VIEW_BY_COUNT);
    assert_int_equal(view.limit, 100);
    assert_false(view.has_prefix);
    assert_false(view.has_after);
    assert_int_equal(view.prefix_len, 0);
    assert_int_equal(view.after_len, 0);
}

static void every_parameter_is_read_in_any_order(void **state)
{
    static const char *const queries[] = {
        "order=path&prefix=/a&limit=7&after=/ab",
        "after=/ab&limit=7&prefix=/a&order=path",
        "limit=7&after=%2Fab&order=%70ath&prefix=%2fa",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(queries); i++) {
        struct view view = view_of(queries[i]);
        assert_int_equal(view.order, VIEW_BY_PATH);
        assert_int_equal(view.limit, 7);
        assert_true(view.has_prefix);
        assert_int_equal(view.prefix_len, 2);
        assert_memory_equal(view.prefix, "/a", 2);
        assert_true(view.has_after);
        assert_int_equal(view.after_len, 3);
        assert_memory_equal(view.after_path, "/ab", 3);
    }
}

static void an_order_is_count_or_path(void **state)
{
    static const char *const bad[] = {
        "order=",    "order=Count", "order=counts", "order=coun",     "order=paths",
        "order=pat", "order=PATH",  "order=hits",   "order=count%00", "order=%20path"};

    (void)state;
    assert_int_equal(view_of("order=count").order, VIEW_BY_COUNT);
    assert_int_equal(view_of("order=path").order, VIEW_BY_PATH);
    for (size_t i = 0; i < SIZE(bad); i++)
        assert_refused(bad[i], BAD_ORDER);
}

static void a_period_and_bots_are_read(void **state)
{
    static const char *const periods[] = {"period=", "period=Today", "period=25h", "period=7"};
    static const char *const bots[] = {"bots=", "bots=no", "bots=excluded"};

    (void)state;
    assert_int_equal(view_of("period=all").period, VIEW_ALL_TIME);
    assert_int_equal(view_of("period=today").period, VIEW_TODAY);
    assert_int_equal(view_of("period=24h").period, VIEW_24_HOURS);
    assert_int_equal(view_of("period=7d").period, VIEW_7_DAYS);
    assert_int_equal(view_of("period=30d").period, VIEW_30_DAYS);
    assert_true(view_of("bots=exclude").without_bots);
    assert_false(view_of("bots=include").without_bots);
    for (size_t i = 0; i < SIZE(periods); i++)
        assert_refused(periods[i], BAD_PERIOD);
    for (size_t i = 0; i < SIZE(bots); i++)
        assert_refused(bots[i], BAD_BOTS);
}

static void a_limit_is_from_1_to_1000(void **state)
{
    static const char *const out_of_range[] = {
        "limit=",
        "limit=0",
        "limit=00",
        "limit=1001",
        "limit=10000",
        "limit=4294967296",
        "limit=4294967297",
        "limit=18446744073709551617",
        "limit=99999999999999999999999999",
    };
    static const char *const no_number[] = {
        "limit=-1",           "limit=+1",   "limit=1.0", "limit=1e2",   "limit=0x10",
        "limit=%201",         "limit=1%20", "limit=ten", "limit=1,000", "limit=1%00",
        "limit=1;order=path", "limit=/",    "limit=:"};

    (void)state;
    assert_int_equal(view_of("limit=1").limit, 1);
    assert_int_equal(view_of("limit=999").limit, 999);
    assert_int_equal(view_of("limit=1000").limit, 1000);
    assert_int_equal(view_of("limit=%31%30").limit, 10);
    assert_int_equal(view_of("limit=007").limit, 7);
    for (size_t i = 0; i < SIZE(out_of_range); i++)
        assert_refused(out_of_range[i], BAD_LIMIT);
    for (size_t i = 0; i < SIZE(no_number); i++)
        assert_refused(no_number[i], NO_NUMBER);
}

static void a_prefix_is_any_text_and_may_be_empty(void **state)
{
    struct view view = view_of("prefix=a%20b%26%3D%25%C3%A9+=");

    (void)state;
    assert_int_equal(view.prefix_len, 10);
    assert_memory_equal(view.prefix, "a b&=%\xc3\xa9+=", 10);
    view = view_of("prefix=");
    assert_false(view.has_prefix);
    assert_int_equal(view.prefix_len, 0);
    assert_refused("prefix=%00", BAD_PREFIX);
    assert_refused("prefix=/a%00b", BAD_PREFIX);
    assert_refused("prefix=%FF", BAD_PREFIX);
    assert_refused("prefix=\xc3", BAD_PREFIX);
    assert_refused("prefix=/%ED%A0%80", BAD_PREFIX);
}

static void a_prefix_has_at_most_2048_bytes(void **state)
{
    char query[16 + 3 * PATH_MAX_BYTES] = "prefix=";
    size_t len = strlen(query);

    (void)state;
    memset(query + len, 'a', PATH_MAX_BYTES + 1);
    assert_refused(query, BAD_PREFIX);
    query[len + PATH_MAX_BYTES] = '\0';
    assert_int_equal(view_of(query).prefix_len, PATH_MAX_BYTES);
    for (size_t i = 0; i < PATH_MAX_BYTES; i++) /* the decoded length counts */
        strcpy(query + len + 3 * i, "%61");
    assert_int_equal(view_of(query).prefix_len, PATH_MAX_BYTES);
}

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

static void what_is_no_cursor_is_refused_in_both_orders(void **state)
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

static void a_cursor_of_the_other_order_is_refused_wherever_it_stands(void **state)
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

static void what_stands_twice_is_refused(void **state)
{
    (void)state;
    assert_refused("order=path&order=path", TWICE);
    assert_refused("limit=1&limit=1", TWICE);
    assert_refused("limit=1&order=path&limit=2", TWICE);
    assert_refused("prefix=&prefix=", TWICE);
    assert_refused("after=8:/a&after=8:/a", TWICE);
}

static void unknown_parameters_are_refused(void **state)
{
    static const char *const queries[] = {
        "offset=1", "Limit=1",   "limi=1",   "limits=1", "=1", "&",    "&limit=1", "limit=1&&",
        "a",        "%6Cimit=1", " limit=1", "limit =1", "=",  "orde", "?",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(queries); i++)
        assert_refused(queries[i], UNKNOWN);
}

static void a_parameter_without_a_proper_value_is_refused(void **state)
{
    static const char *const queries[] = {"limit",         "order&limit=1",     "prefix=%",
                                          "prefix=%4",     "prefix=%4&limit=1", "after=/%zz",
                                          "prefix=%%34%31"};

    (void)state;
    for (size_t i = 0; i < SIZE(queries); i++)
        assert_refused(queries[i], NO_VALUE);
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

static void views_are_equal_when_they_have_the_same_rows(void **state)
{
    static const char *const different[] = {
        "",
        "order=path",
        "limit=99",
        "prefix=/",
        "prefix=/a",
        "prefix=/b",
        "prefix=/ab",
        "prefix=/a&limit=99",
        "after=8:/a",
        "after=9:/a",
        "after=8:/b",
        "after=8:/ab",
        "order=path&after=/a",
        "order=path&after=/b",
        "order=path&after=/ab",
        "prefix=/a&after=8:/a",
        "order=path&prefix=/a",
    };
    static const struct {
        const char *one, *other;
    } same[] = {
        {"", "order=count&limit=100&prefix="},
        {"prefix=/a&limit=5", "limit=05&prefix=%2Fa"},
        {"order=path&after=/a", "after=%2f%61&order=path"},
        {"after=8:/a", "after=08:/a"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(different); i++) {
        for (size_t j = 0; j < SIZE(different); j++) {
            struct view one = view_of(different[i]), other = view_of(different[j]);
            if (view_equals(&one, &other) != (i == j))
                fail_msg("%s and %s", different[i], different[j]);
        }
    }
    for (size_t i = 0; i < SIZE(same); i++) {
        struct view one = view_of(same[i].one), other = view_of(same[i].other);
        assert_true(view_equals(&one, &other));
    }
}

/* --- the bound above a prefix --- */

/* The characters around each change of length, and a few others. */
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

/* Every text of none, one or two of these characters. */
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

/* The bound, in memory that ends where it may be written to. */
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

static void the_bound_parts_what_has_the_prefix_from_all_that_is_above(void **state)
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

/* Writes a character as UTF-8, by RFC 3629, 3. */
static size_t put(uint32_t character, char *to)
{
    size_t size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;

    for (size_t i = size; i-- > 1; character >>= 6)
        to[i] = (char)(0x80 | (character & 0x3F));
    to[0] = (char)(size == 1 ? character : (0xF00U >> size & 0xFF) | character);
    return size;
}

static void each_character_is_raised_to_the_next_there_is(void **state)
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
        cmocka_unit_test(without_a_query_it_is_the_hundred_highest_counts),
        cmocka_unit_test(every_parameter_is_read_in_any_order),
        cmocka_unit_test(an_order_is_count_or_path),
        cmocka_unit_test(a_period_and_bots_are_read),
        cmocka_unit_test(a_limit_is_from_1_to_1000),
        cmocka_unit_test(a_prefix_is_any_text_and_may_be_empty),
        cmocka_unit_test(a_prefix_has_at_most_2048_bytes),
        cmocka_unit_test(a_cursor_by_count_has_a_count_and_a_path),
        cmocka_unit_test(what_is_no_cursor_is_refused_in_both_orders),
        cmocka_unit_test(a_cursor_of_the_other_order_is_refused_wherever_it_stands),
        cmocka_unit_test(a_cursors_path_has_at_most_8192_bytes),
        cmocka_unit_test(what_stands_twice_is_refused),
        cmocka_unit_test(unknown_parameters_are_refused),
        cmocka_unit_test(a_parameter_without_a_proper_value_is_refused),
        cmocka_unit_test(a_cursor_leads_back_to_its_place),
        cmocka_unit_test(views_are_equal_when_they_have_the_same_rows),
        cmocka_unit_test(the_bound_parts_what_has_the_prefix_from_all_that_is_above),
        cmocka_unit_test(the_bound_is_the_prefix_with_its_last_character_raised),
        cmocka_unit_test(each_character_is_raised_to_the_next_there_is),
        cmocka_unit_test(a_cursor_can_be_gone_back_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
