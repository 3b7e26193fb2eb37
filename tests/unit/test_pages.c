/* The pages that count no hit. Their addresses and texts are hostile, too. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "render-svc/html/api_page.h"
#include "render-svc/html/path_page.h"
#include "render-svc/html/paths_page.h"
#include "tests/unit/page_fixture.h"

static void assert_whole(const struct buffer *page)
{
    assert_int_equal(strncmp(page->bytes, "<!DOCTYPE html>\n", 16), 0);
    assert_string_equal(page->bytes + page->len - 16, "</body>\n</html>\n");
}

/* --- the rows of a view --- */

static struct buffer page_of_rows(const struct view *view, const struct rows *rows,
                                  const char *previous, const char *next)
{
    struct paths_page rows_page = {
        .controls =
            {
                .view = view,
                .json = "/-/paths?a=1&format=json",
                .csv = "/-/paths?limit=100&format=csv",
                .csv_all = "/-/paths?format=csv",
                .csv_excel = "/-/paths?format=csv&bom=1",
                .live = "/-/live?a=1&b=2",
            },
        .rows = rows,
        .first = previous != NULL ? "/-/paths" : NULL,
        .previous = previous,
        .next = next,
    };
    struct buffer page = {0};

    paths_page_add(&page, &rows_page);
    text_of(&page);
    assert_whole(&page);
    return page;
}

static void rows_are_shown_with_their_links(void **state)
{
    struct row some[] = {{"/a", 2, 1200, 0}, {"/<b>", 4, 600, 0}};
    const struct rows rows = {.size = 2, .rows = some, .totals = {2, 1800, 0}};
    const struct view view = {.order = VIEW_BY_COUNT, .limit = VIEW_DEFAULT_ROWS};
    struct buffer page = page_of_rows(&view, &rows, "/-/paths?before=1&x=\"", "/-/paths?after=2");

    (void)state;
    assert_contains(page.bytes, "<strong>1,800</strong> <span>hits on 2 paths</span>");
    assert_contains(page.bytes, "<tr><th class=b99><a href=\"/-/paths/a\">/a</a></th>"
                                "<td>1,200</td></tr>\n<tr><th class=b49>"
                                "<a href=\"/-/paths/%3Cb%3E\">/&lt;b&gt;</a></th>");
    assert_contains(page.bytes, "<a rel=\"prev\" href=\"/-/paths?before=1&amp;x=&quot;\">");
    assert_contains(page.bytes, "<a rel=\"next\" href=\"/-/paths?after=2\">");
    assert_contains(page.bytes, "data-from=\"/-/live?a=1&amp;b=2\"");
    assert_contains(page.bytes, "href=\"/-/paths?a=1&amp;format=json\"");
    assert_contains(page.bytes, "aria-current=\"page\">All paths<");
    buffer_free(&page);
    page = page_of_rows(&view, &rows, NULL, NULL);
    assert_null(strstr(page.bytes, "rel=\"prev\""));
    assert_null(strstr(page.bytes, "class=\"pager\""));
    buffer_free(&page);
}

static void a_search_is_named_and_kept(void **state)
{
    struct row some[] = {{"/\"x", 3, 1, 0}};
    const struct rows rows = {.size = 1, .rows = some, .totals = {9, 12, 0}};
    struct view view = {.order = VIEW_BY_PATH, .limit = 7, .has_prefix = true, .prefix_len = 2};
    struct buffer page;

    (void)state;
    memcpy(view.prefix, "/\"", 2);
    page = page_of_rows(&view, &rows, NULL, NULL);
    assert_contains(page.bytes, "<span class=\"path\">/&quot;</span></h1>");
    assert_contains(page.bytes, "of 9 paths, 12 hits in all");
    assert_contains(page.bytes, "type=\"search\" value=\"/&quot;\"");
    assert_contains(page.bytes, "name=\"order\" value=\"path\"");
    assert_contains(page.bytes, "name=\"limit\" value=\"7\"");
    assert_contains(page.bytes, "aria-sort=\"ascending\"><a href=\""
                                "/-/paths?order=path&amp;prefix=/%22&amp;limit=7\">Path</a>");
    assert_contains(page.bytes, "<a href=\"/-/paths?prefix=/%22&amp;limit=7\">Hits</a>");
    buffer_free(&page);
}

static void an_empty_page_explains_how_to_begin(void **state)
{
    const struct rows none = {0}, others = {.totals = {3, 4, 0}};
    struct view view = {.order = VIEW_BY_COUNT, .limit = VIEW_DEFAULT_ROWS};
    struct buffer page = page_of_rows(&view, &none, NULL, NULL);

    (void)state;
    assert_contains(page.bytes, "Nothing is counted yet");
    assert_contains(page.bytes, "href=\"/hello\"");
    assert_null(strstr(page.bytes, "<form"));
    assert_null(strstr(page.bytes, "<table"));
    buffer_free(&page);
    view.has_prefix = true;
    page = page_of_rows(&view, &others, NULL, NULL);
    assert_contains(page.bytes, "No path has this prefix");
    assert_contains(page.bytes, "<form");
    buffer_free(&page);
}

/* --- one path --- */

static struct buffer page_of_path(const char *path, size_t len, int64_t count, int64_t rank,
                                  const char *time)
{
    struct path_detail detail = {.path = path, .path_len = len, .count = count, .rank = rank};
    struct buffer page = {0};

    strcpy(detail.first, time);
    strcpy(detail.last, time);
    path_page_add(&page, &(struct path_page){.detail = &detail});
    text_of(&page);
    assert_whole(&page);
    return page;
}

static void one_path_has_its_numbers_and_times(void **state)
{
    struct buffer page = page_of_path("/<a>", 4, 1234, 7, "2026-11-23T22:15:00.123Z");

    (void)state;
    assert_contains(page.bytes, "<a href=\"/-/paths/%3Ca%3E\">/&lt;a&gt;</a></h1>");
    assert_contains(page.bytes, "<strong>1,234</strong> <span>hits</span>");
    assert_contains(page.bytes, "<dt>Rank</dt><dd>7</dd>");
    assert_contains(page.bytes, "<time datetime=\"2026-11-23T22:15:00.123Z\">"
                                "2026-11-23 22:15:00 UTC</time>");
    assert_contains(page.bytes, "<a href=\"/%3Ca%3E\">Visit the path</a>");
    assert_contains(page.bytes, "<img src=\"/-/badge/%3Ca%3E.svg\"");
    buffer_free(&page);
    page = page_of_path("/a", 2, 1, 0, "");
    assert_contains(page.bytes, "<strong>1</strong> <span>hit</span>");
    assert_contains(page.bytes, "<dd>beyond 10,000</dd>");
    assert_contains(page.bytes, "<dt>First hit</dt><dd>not known</dd>");
    buffer_free(&page);
}

static void a_visit_of_two_slashes_does_not_lead_to_another_host(void **state)
{
    struct buffer page = page_of_path("//elsewhere/x", 13, 1, 1, "");

    (void)state;
    assert_contains(page.bytes, "<a href=\"/.//elsewhere/x\">Visit");
    assert_null(strstr(page.bytes, "href=\"//"));
    buffer_free(&page);
}

static void a_long_path_is_whole_once(void **state)
{
    char path[PATH_MAX_BYTES], whole[PATH_MAX_BYTES + 32];
    struct buffer page;

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    page = page_of_path(path, sizeof(path), 1, 1, "");
    snprintf(whole, sizeof(whole), "<p class=\"path\">%.*s</p>", (int)sizeof(path), path);
    assert_contains(page.bytes, whole);
    buffer_free(&page);
    page = page_of_path(path, 240, 1, 1, "");
    assert_null(strstr(page.bytes, "<p class=\"path\">"));
    buffer_free(&page);
}

/* --- the API --- */

static void examples_use_the_host_of_the_request(void **state)
{
    static const char *const hosts[] = {"localhost:9090", "[::1]:8080", "a-b_c.example"};

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct buffer page = {0};
        char example[64];

        api_page_add(&page, hosts[i], strlen(hosts[i]));
        snprintf(example, sizeof(example), "curl &#39;http://%s/any/path&#39;", hosts[i]);
        assert_contains(text_of(&page), example);
        assert_whole(&page);
        assert_null(strstr(page.bytes, "$"));
        buffer_free(&page);
    }
}

static void an_invalid_host_is_not_shown(void **state)
{
    static const char *const hosts[] = {"", "a'; rm -rf ~; '", "<b>", "a b", "a/b", "a$b"};

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct buffer page = {0};

        api_page_add(&page, hosts[i], strlen(hosts[i]));
        assert_contains(text_of(&page), "curl &#39;http://pathcount.example/any/path&#39;");
        buffer_free(&page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_shown_with_their_links),
        cmocka_unit_test(a_search_is_named_and_kept),
        cmocka_unit_test(an_empty_page_explains_how_to_begin),
        cmocka_unit_test(one_path_has_its_numbers_and_times),
        cmocka_unit_test(a_visit_of_two_slashes_does_not_lead_to_another_host),
        cmocka_unit_test(a_long_path_is_whole_once),
        cmocka_unit_test(examples_use_the_host_of_the_request),
        cmocka_unit_test(an_invalid_host_is_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
