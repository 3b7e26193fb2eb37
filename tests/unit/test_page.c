/* The page: all text is escaped, the visitor's own row is marked, and every form is complete. */
#include <stdio.h>
#include <string.h>

#include "render-svc/html/error_page.h"
#include "tests/unit/page_fixture.h"

static void the_page_is_complete_and_its_texts_are_escaped(void **state)
{
    struct row some[] = {row_of(HOSTILE, 12), row_of("/a", 3)};
    const struct rows rows = {.size = 2, .rows = some, .totals = {2, 15, 0}};
    struct buffer page = page_of(HOSTILE, 12, &rows);
    const char *html = page.bytes;

    (void)state;
    assert_int_equal(strncmp(html, "<!DOCTYPE html>\n", 16), 0);
    assert_contains(html, "<title>Path Count</title>");
    assert_contains(html, "<meta charset=\"utf-8\">");
    assert_contains(html, "<link rel=\"icon\" href=\"/-/assets/icon.");
    assert_contains(html, "<link rel=\"stylesheet\" href=\"/-/assets/style.");
    assert_contains(html, "<script src=\"/-/assets/page.");
    assert_int_equal(count_of(html, ">" HOSTILE_HTML "</a>"), 2);
    assert_int_equal(count_of(html, "href=\"" HOSTILE_HREF "\""), 2);
    assert_contains(html,
                    "<a href=\"" HOSTILE_HREF "\">" HOSTILE_HTML
                    "</a></h1>\n<p class=\"count\"><strong>12</strong> <span>hits</span></p>");
    assert_contains(html, "<tr id=v aria-current=true><th class=b99><a href=\"" HOSTILE_HREF
                          "\">" HOSTILE_HTML "</a></th><td>12</td></tr>\n"
                          "<tr><th class=b24><a href=\"/-/paths/a\">/a</a></th>"
                          "<td>3</td></tr>\n");
    assert_contains(html, ">2 paths, 15 hits in all<");
    assert_null(strstr(html, "<b>"));
    assert_string_equal(html + page.len - 16, "</body>\n</html>\n");
    buffer_free(&page);
}

static void each_visitors_own_row_is_marked_and_no_other(void **state)
{
    struct row some[PAGE_ROWS];
    char paths[PAGE_ROWS][16];
    const struct rows rows = {.size = PAGE_ROWS, .rows = some, .totals = {4711, 15, 0}};
    struct buffer unmarked;

    (void)state;
    for (int i = 0; i < PAGE_ROWS; i++) {
        snprintf(paths[i], sizeof(paths[i]), i % 2 ? "/%d" : "/%d/\xc3\xa9", i / 2);
        some[i] = row_of(paths[i], 1000 - i);
    }
    for (int i = 0; i < PAGE_ROWS; i++) {
        struct buffer page = page_of(paths[i], 7, &rows), row = {0};
        const char *marked = strstr(page.bytes, "\n<tr id=v aria-current=true><th class=b");
        char place[64];

        assert_int_equal(count_of(page.bytes, "<tr id=v"), 1);
        assert_int_equal(count_of(page.bytes, "<tr"), 1 + PAGE_ROWS);
        assert_non_null(marked);
        buffer_add_literal(&row, "href=\"/-/paths");
        link_add_path(&row, paths[i], strlen(paths[i]));
        buffer_add_literal(&row, "\">");
        buffer_add_string(&row, paths[i]);
        buffer_add_literal(&row, "</a></th><td>");
        html_add_number(&row, 1000 - i);
        buffer_add_literal(&row, "</td></tr>\n");
        marked = strchr(marked, 'h') + sizeof("h class=b00><a ") - 1;
        assert_int_equal(strncmp(marked, text_of(&row), row.len), 0);
        snprintf(place, sizeof(place), "<a href=\"#v\">No. %d of 4,711 paths</a>", i + 1);
        assert_contains(page.bytes, place);
        assert_null(strstr(page.bytes, "class=\"apart\""));
        buffer_free(&page);
        buffer_free(&row);
    }
    unmarked = page_of("/1/", 7, &rows);
    assert_int_equal(count_of(unmarked.bytes, "<tr id=v"), 1);
    assert_contains(unmarked.bytes, "</tbody>\n<tbody class=\"apart\">\n"
                                    "<tr id=v aria-current=true><th class=b00>"
                                    "<a href=\"/-/paths/1/\">/1/</a></th><td>7</td></tr>\n"
                                    "</tbody>\n</table>");
    assert_contains(unmarked.bytes, "<a href=\"#v\">Below the first 100 of 4,711 paths</a>");
    buffer_free(&unmarked);
}

static void a_path_without_a_row_shows_the_overflow_row(void **state)
{
    struct row some[] = {row_of("/a", 30), row_of(PATH_OVERFLOW, 20), row_of("/b", 10)};
    struct rows rows = {.size = 3, .rows = some, .totals = {2, 60, 0}};
    struct buffer page = page_with("/new", (struct hit_count){20, true}, &rows);

    (void)state;
    assert_contains(page.bytes, "<strong>20</strong> <span>hits on <em>other paths</em></span>");
    assert_contains(page.bytes, "Your visit is counted among the <em>other paths</em>.");
    assert_contains(page.bytes, "<tr id=v aria-current=true><th class=b66><em>other paths</em></th>"
                                "<td>20</td></tr>\n<tr><th class=b33><a href=\"/-/paths/b\">");
    assert_contains(page.bytes, ">No. 2</a>");
    assert_int_equal(count_of(page.bytes, "id=v"), 1);
    assert_null(strstr(page.bytes, "id=\"since\""));
    assert_null(strstr(page.bytes, "class=\"apart\""));
    buffer_free(&page);

    rows.size = 1; /* the overflow row is not in the table: it is added below */
    page = page_with("/new", (struct hit_count){20, true}, &rows);
    assert_contains(page.bytes, "<tbody class=\"apart\">\n<tr id=v aria-current=true><th class=b66>"
                                "<em>other paths</em></th><td>20</td></tr>\n</tbody>\n</table>");
    buffer_free(&page);
}

static void the_overflow_row_has_no_link_and_moves_no_other(void **state)
{
    struct row some[] = {row_of("/a", 30), row_of(PATH_OVERFLOW, 20), row_of("/b", 10)};
    const struct rows rows = {.size = 3, .rows = some, .totals = {2, 60, 0}};
    struct buffer page = page_of("/b", 10, &rows);

    (void)state;
    assert_contains(page.bytes, "<tr><th class=b66><em>other paths</em></th><td>20</td></tr>\n"
                                "<tr id=v aria-current=true><th class=b33><a href=\"/-/paths/b\">");
    assert_contains(page.bytes, ">No. 3</a>");
    assert_null(strstr(page.bytes, "Your visit is counted"));
    buffer_free(&page);
    page = page_of("/(other paths)", 1, &rows);
    assert_contains(page.bytes, "class=\"apart\"");
    assert_contains(page.bytes, ">/(other paths)</a></th><td>1</td>");
    buffer_free(&page);
}

static void more_rows_than_a_page_has_are_left_out(void **state)
{
    struct row some[PAGE_ROWS + 50];
    char paths[PAGE_ROWS + 50][16];
    const struct rows rows = {.size = SIZE(some), .rows = some};
    struct buffer page;

    (void)state;
    for (size_t i = 0; i < SIZE(some); i++) {
        snprintf(paths[i], sizeof(paths[i]), "/%zu", i);
        some[i] = row_of(paths[i], 1000);
    }
    page = page_of("/149", 1000, &rows);
    assert_int_equal(count_of(page.bytes, "</tr>\n"), PAGE_ROWS + 1);
    assert_contains(page.bytes, "class=\"apart\"");
    buffer_free(&page);
}

static void the_next_page_is_a_link_if_there_is_one(void **state)
{
    struct row some[] = {row_of("/\"&", 12)};
    struct rows rows = {.size = 1, .rows = some, .next = "12:/\"&", .next_len = 6};
    struct buffer page = page_of("/a", 1, &rows);

    (void)state;
    assert_contains(page.bytes, "<a rel=\"next\" href=\"/-/paths?after=12%3A/%22%26\">");
    buffer_free(&page);
    rows.next = NULL;
    page = page_of("/a", 1, &rows);
    assert_null(strstr(page.bytes, "rel=\"next\""));
    buffer_free(&page);
}

static void every_element_that_is_opened_is_closed_in_order(void **state)
{
    static const char *const VOID[] = {"meta", "link", "img", "input", "br"};
    struct row some[] = {row_of(HOSTILE, 12), row_of("/</td></tr>", 3),
                         row_of("/a/way/that/is/longer/than/any/row/shows/whole/<b>", 2)};
    const struct rows full = {.size = 3, .rows = some, .totals = {2, 15, 0}}, none = {0};
    const struct rows *const cases[] = {&full, &none, NULL};

    (void)state;
    for (size_t i = 0; i <= SIZE(cases); i++) {
        char open[32][16];
        size_t depth = 0;
        struct buffer page = {0};

        if (i < SIZE(cases))
            page = page_with(HOSTILE, (struct hit_count){(int64_t)i, i == 1}, cases[i]);
        else
            error_page_add(&page, 404, "<Not> & found", "</p></main>", "4bf92f");
        for (const char *at = text_of(&page); (at = strchr(at, '<')) != NULL; at++) {
            char name[16];
            size_t len = strcspn(at + 1, " >");
            bool is_void = at[1] == '!';

            assert_in_range(len, 1, sizeof(name) - 1);
            memcpy(name, at + 1, len);
            name[len] = '\0';
            for (size_t v = 0; v < SIZE(VOID); v++)
                is_void = is_void || strcmp(name, VOID[v]) == 0;
            if (is_void)
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

static void without_rows_the_page_says_so_and_ends_as_always(void **state)
{
    struct buffer page = page_of("/a", 17, NULL);

    (void)state;
    assert_contains(page.bytes, "<strong>17</strong> <span>hits");
    assert_contains(page.bytes, "The table cannot be shown at the moment");
    assert_null(strstr(page.bytes, "<table"));
    assert_null(strstr(page.bytes, "in all"));
    assert_null(strstr(page.bytes, "#v"));
    assert_string_equal(page.bytes + page.len - 16, "</body>\n</html>\n");
    buffer_free(&page);
}

static void an_error_is_a_whole_small_page(void **state)
{
    static const int statuses[] = {400, 404, 405, 414, 503, 500};

    (void)state;
    for (size_t i = 0; i < SIZE(statuses); i++) {
        struct buffer page = {0};
        char heading[64];
        const char *html;

        error_page_add(&page, statuses[i], "Too <long>", "A & B \"C\"", "4bf92f");
        html = text_of(&page);
        snprintf(heading, sizeof(heading), "<h1><small>%d</small> Too &lt;long&gt;</h1>",
                 statuses[i]);
        assert_int_equal(strncmp(html, "<!DOCTYPE html>\n", 16), 0);
        assert_contains(html, "<title>Path Count</title>");
        assert_contains(html, heading);
        assert_contains(html, "<p class=\"detail\">A &amp; B &quot;C&quot;</p>\n<p>");
        assert_string_equal(html + strlen(html) - 16, "</body>\n</html>\n");
        buffer_free(&page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_complete_and_its_texts_are_escaped),
        cmocka_unit_test(each_visitors_own_row_is_marked_and_no_other),
        cmocka_unit_test(a_path_without_a_row_shows_the_overflow_row),
        cmocka_unit_test(the_overflow_row_has_no_link_and_moves_no_other),
        cmocka_unit_test(more_rows_than_a_page_has_are_left_out),
        cmocka_unit_test(the_next_page_is_a_link_if_there_is_one),
        cmocka_unit_test(every_element_that_is_opened_is_closed_in_order),
        cmocka_unit_test(without_rows_the_page_says_so_and_ends_as_always),
        cmocka_unit_test(an_error_is_a_whole_small_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
