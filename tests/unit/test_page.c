/* The page and its JSON: hostile text is text, numbers are readable, and every form is whole. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "render-svc/page.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The buffer's text, ended; it is freed with the buffer. */
static const char *text_of(struct buffer *buffer)
{
    buffer_add(buffer, "", 1);
    --buffer->len;
    return buffer->bytes;
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("%s\nis not in\n%s", part, text);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static struct row row_of(const char *path, int64_t count)
{
    return (struct row){path, strlen(path), count};
}

/* --- text --- */

static void text_stays_text(void **state)
{
    static const struct {
        const char *text, *html;
    } cases[] = {
        {"", ""},
        {"/a b/\xc3\xa9\xf0\x9f\x98\x80~", "/a b/\xc3\xa9\xf0\x9f\x98\x80~"},
        {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
        {"\"' onmouseover='x'", "&quot;&#39; onmouseover=&#39;x&#39;"},
        {"&amp;&lt;", "&amp;amp;&amp;lt;"},
        {"</title><!--", "&lt;/title&gt;&lt;!--"},
        {"&", "&amp;"},
        {"<<", "&lt;&lt;"},
        {"a<", "a&lt;"},
        {"<a", "&lt;a"},
        {"a\nb\t\x01\x1f\x7f", "a\xef\xbf\xbd"
                               "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct buffer html = {0};

        buffer_add_literal(&html, "|");
        html_add_text(&html, cases[i].text, strlen(cases[i].text));
        buffer_add_literal(&html, "|");
        assert_int_equal(html.len, strlen(cases[i].html) + 2);
        assert_memory_equal(html.bytes + 1, cases[i].html, strlen(cases[i].html));
        buffer_free(&html);
    }
}

static void no_byte_of_a_text_is_markup(void **state)
{
    (void)state;
    for (int c = 1; c < 0x80; c++) {
        char text = (char)c;
        struct buffer html = {0};
        const char *out;

        buffer_add_literal(&html, " ");
        html_add_text(&html, &text, 1);
        out = text_of(&html) + 1;
        assert_null(strpbrk(out, "<>\"'"));
        for (const char *at = out; *at != '\0'; at++)
            assert_true((unsigned char)*at >= 0x20 && *at != 0x7F);
        if (strchr(out, '&') != NULL)
            assert_int_equal(out[strlen(out) - 1], ';');
        else if (c >= 0x20 && c != 0x7F)
            assert_int_equal(*out, text);
        buffer_free(&html);
    }
}

/* --- the page --- */

#define HOSTILE      "/<b>\"&'\x01"
#define HOSTILE_HTML "/&lt;b&gt;&quot;&amp;&#39;\xef\xbf\xbd"

static void the_page_is_whole_with_everybodys_text_escaped(void **state)
{
    struct row some[] = {row_of(HOSTILE, 12), row_of("/a", 3)};
    const struct rows rows = {.size = 2, .rows = some, .totals = {2, 15}};
    h2o_iovec_t head = page_head();
    struct buffer page = {0};
    const char *html;

    (void)state;
    buffer_add(&page, head.base, head.len);
    page_add_own(&page, HOSTILE, strlen(HOSTILE), 12);
    page_add_rows(&page, &rows);
    html = text_of(&page);
    assert_int_equal(strncmp(html, "<!DOCTYPE html>\n", 16), 0);
    assert_contains(html, "<title>Path Count</title>");
    assert_contains(html, "<meta charset=\"utf-8\">");
    assert_contains(html, "<link rel=\"icon\" href=\"/-/");
    assert_int_equal(count_of(html, HOSTILE_HTML), 2);
    assert_contains(html,
                    "<bdi>" HOSTILE_HTML "</bdi></span> <strong class=\"number\">12</strong>");
    assert_contains(html, "<tr><td><bdi>" HOSTILE_HTML "</bdi></td><td>12</td></tr>\n"
                          "<tr><td><bdi>/a</bdi></td><td>3</td></tr>\n");
    assert_contains(html, "2 paths, 15 hits in all");
    assert_null(strstr(html, "<b>"));
    assert_string_equal(html + strlen(html) - 16, "</body>\n</html>\n");
    buffer_free(&page);
}

static void every_element_that_is_opened_is_closed_in_order(void **state)
{
    struct row some[] = {row_of(HOSTILE, 12), row_of("/</td></tr>", 3)};
    const struct rows full = {.size = 2, .rows = some, .totals = {2, 15}}, none = {0};
    const struct rows *const cases[] = {&full, &none, NULL};

    (void)state;
    for (size_t i = 0; i <= SIZE(cases); i++) {
        char open[32][16];
        size_t depth = 0;
        struct buffer page = {0};

        if (i < SIZE(cases)) {
            buffer_add(&page, page_head().base, page_head().len);
            page_add_own(&page, HOSTILE, strlen(HOSTILE), (int64_t)i);
            page_add_rows(&page, cases[i]);
        } else {
            page_add_error(&page, 404, "<Not> & found", "</p></main>");
        }
        for (const char *at = text_of(&page); (at = strchr(at, '<')) != NULL; at++) {
            char name[16];
            size_t len = strcspn(at + 1, " >");

            assert_in_range(len, 1, sizeof(name) - 1);
            memcpy(name, at + 1, len);
            name[len] = '\0';
            if (*name == '!' || strcmp(name, "meta") == 0 || strcmp(name, "link") == 0)
                continue;
            if (*name == '/') {
                assert_true(depth > 0);
                assert_string_equal(name + 1, open[--depth]);
            } else {
                assert_true(depth < SIZE(open));
                strcpy(open[depth++], name);
            }
        }
        assert_int_equal(depth, 0);
        buffer_free(&page);
    }
}

static void thousands_stand_apart(void **state)
{
    static const struct {
        int64_t number;
        const char *text;
    } cases[] = {
        {1, "1"},
        {9, "9"},
        {10, "10"},
        {999, "999"},
        {1000, "1,000"},
        {1001, "1,001"},
        {12345, "12,345"},
        {100000, "100,000"},
        {999999, "999,999"},
        {1000000, "1,000,000"},
        {1234567890, "1,234,567,890"},
        {INT64_MAX, "9,223,372,036,854,775,807"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct row row = row_of("/", cases[i].number);
        const struct rows rows = {
            .size = 1, .rows = &row, .totals = {cases[i].number, cases[i].number}};
        struct buffer page = {0};
        char expected[96];
        const char *html;

        page_add_own(&page, "/", 1, cases[i].number);
        page_add_rows(&page, &rows);
        html = text_of(&page);
        snprintf(expected, sizeof(expected), "<strong class=\"number\">%s</strong>", cases[i].text);
        assert_contains(html, expected);
        snprintf(expected, sizeof(expected), "<td>%s</td>", cases[i].text);
        assert_contains(html, expected);
        snprintf(expected, sizeof(expected), ">%s path%s, %s hit%s in all<", cases[i].text,
                 cases[i].number == 1 ? "" : "s", cases[i].text, cases[i].number == 1 ? "" : "s");
        assert_contains(html, expected);
        buffer_free(&page);
    }
}

static void one_is_singular_and_everything_else_plural(void **state)
{
    static const struct {
        int64_t paths, hits;
        const char *text;
    } cases[] = {
        {0, 0, ">0 paths, 0 hits in all<"},     {1, 1, ">1 path, 1 hit in all<"},
        {1, 2, ">1 path, 2 hits in all<"},      {2, 1, ">2 paths, 1 hit in all<"},
        {11, 21, ">11 paths, 21 hits in all<"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        const struct rows rows = {.totals = {cases[i].paths, cases[i].hits}};
        struct buffer page = {0};

        page_add_rows(&page, &rows);
        assert_contains(text_of(&page), cases[i].text);
        buffer_free(&page);
    }
}

static void a_count_of_zero_in_the_table_is_shown(void **state)
{
    struct row row = row_of("/", 0);
    const struct rows rows = {.size = 1, .rows = &row};
    struct buffer page = {0};

    (void)state;
    page_add_rows(&page, &rows);
    assert_contains(text_of(&page), "<td>0</td>");
    buffer_free(&page);
}

static void without_a_number_none_is_shown(void **state)
{
    struct buffer page = {0};

    (void)state;
    page_add_own(&page, "/a", 2, 0);
    assert_contains(text_of(&page), "<strong class=\"number\"></strong>");
    buffer_free(&page);
}

static void without_rows_the_page_says_so_and_ends_as_always(void **state)
{
    struct buffer page = {0};
    const char *html;

    (void)state;
    page_add_rows(&page, NULL);
    html = text_of(&page);
    assert_contains(html, "The table cannot be shown just now.");
    assert_null(strstr(html, "<table"));
    assert_null(strstr(html, "in all"));
    assert_string_equal(html + strlen(html) - 16, "</body>\n</html>\n");
    buffer_free(&page);
}

static void an_error_is_a_whole_small_page(void **state)
{
    struct buffer page = {0};
    const char *html;

    (void)state;
    page_add_error(&page, 414, "Too <long>", "A & B \"C\"");
    html = text_of(&page);
    assert_int_equal(strncmp(html, "<!DOCTYPE html>\n", 16), 0);
    assert_contains(html, "<title>Path Count</title>");
    assert_contains(html, "<h1>414 Too &lt;long&gt;</h1>\n<p>A &amp; B &quot;C&quot;</p>");
    assert_string_equal(html + strlen(html) - 16, "</body>\n</html>\n");
    buffer_free(&page);
}

/* --- the same as JSON --- */

static json_t *json_of(const char *path, int64_t number, const struct rows *rows)
{
    struct buffer text = {0};
    json_t *json;

    json_add_own(&text, path, strlen(path), number);
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
    const struct rows rows = {.size = 2, .rows = some, .totals = {2, INT64_MAX}};
    json_t *json = json_of(HOSTILE, INT64_MAX, &rows);
    const char *path, *first, *second;
    json_int_t count, paths, hits, first_count, second_count;

    (void)state;
    assert_int_equal(json_unpack_ex(json, NULL, JSON_STRICT,
                                    "{s:s, s:I, s:{s:I, s:I !}, s:[{s:s, s:I !}, {s:s, s:I !}] !}",
                                    "path", &path, "count", &count, "totals", "paths", &paths,
                                    "hits", &hits, "rows", "path", &first, "count", &first_count,
                                    "path", &second, "count", &second_count),
                     0);
    assert_string_equal(path, HOSTILE);
    assert_int_equal(count, INT64_MAX);
    assert_int_equal(paths, 2);
    assert_int_equal(hits, INT64_MAX);
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
    assert_int_equal(json_object_size(json_object_get(json, "totals")), 2);
    json_decref(json);
}

static void json_of_ones_own_alone_needs_only_its_brace(void **state)
{
    struct buffer text = {0};

    (void)state;
    json_add_own(&text, "/\"a", 3, 8);
    assert_string_equal(text_of(&text), "{\"path\":\"/\\\"a\",\"count\":8");
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_text),
        cmocka_unit_test(no_byte_of_a_text_is_markup),
        cmocka_unit_test(the_page_is_whole_with_everybodys_text_escaped),
        cmocka_unit_test(every_element_that_is_opened_is_closed_in_order),
        cmocka_unit_test(thousands_stand_apart),
        cmocka_unit_test(one_is_singular_and_everything_else_plural),
        cmocka_unit_test(a_count_of_zero_in_the_table_is_shown),
        cmocka_unit_test(without_a_number_none_is_shown),
        cmocka_unit_test(without_rows_the_page_says_so_and_ends_as_always),
        cmocka_unit_test(an_error_is_a_whole_small_page),
        cmocka_unit_test(json_has_the_path_its_count_the_totals_and_the_rows),
        cmocka_unit_test(json_without_rows_has_null_and_with_none_an_empty_list),
        cmocka_unit_test(json_of_ones_own_alone_needs_only_its_brace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
