/* The page and its JSON: hostile text is text, numbers are readable, and every form is whole. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "render-svc/html/error_page.h"
#include "render-svc/html/html.h"
#include "render-svc/html/page.h"
#include "tests/unit/inflate.h"
#include "tests/unit/page_fixture.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static struct row row_of(const char *path, int64_t count)
{
    return (struct row){path, strlen(path), count, 0};
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

static void a_format_escapes_its_texts(void **state)
{
    struct buffer html = {0};

    (void)state;
    html_add(&html, "<b title=\"%s\">%.*s</b>", "\"<", 3, "&<>&");
    html_add(&html, " %d %u %zu %jd %'jd #%06x %.4g 100%%<br>", -1, 2U, (size_t)3, (intmax_t)-4,
             (intmax_t)1234567, 0xABCU, 0.125);
    assert_string_equal(text_of(&html), "<b title=\"&quot;&lt;\">&amp;&lt;&gt;</b>"
                                        " -1 2 3 -4 1,234,567 #000abc 0.125 100%<br>");
    html.len = 0;
    html_add(&html, "%s", "");
    assert_int_equal(html.len, 0);
    buffer_free(&html);
}

static void assert_path_becomes(const char *path, const char *html, const char *attribute)
{
    struct buffer out = {0};

    html_add_path(&out, path, strlen(path));
    assert_string_equal(text_of(&out), html);
    out.len = 0;
    html_add_path_attribute(&out, path, strlen(path));
    assert_string_equal(text_of(&out), attribute);
    buffer_free(&out);
}

static void what_is_hidden_in_a_path_is_shown(void **state)
{
    (void)state;
    assert_path_becomes("/a b/\xc3\xa9\xf0\x9f\x98\x80~", "/a b/\xc3\xa9\xf0\x9f\x98\x80~",
                        "/a b/\xc3\xa9\xf0\x9f\x98\x80~");
    assert_path_becomes("/<b>&\"'", "/&lt;b&gt;&amp;&quot;&#39;", "/&lt;b&gt;&amp;&quot;&#39;");
    assert_path_becomes("/\x01\n\x7f", "/<i>U+0001</i><i>U+000A</i><i>U+007F</i>",
                        "/[U+0001][U+000A][U+007F]");
    assert_path_becomes("/\xc2\x80\xc2\xa0\xc2\xa1", "/<i>U+0080</i><i>U+00A0</i>\xc2\xa1",
                        "/[U+0080][U+00A0]\xc2\xa1");
    assert_path_becomes("/a\xe2\x80\x8b"
                        "b\xe2\x80\xaegpj",
                        "/a<i>U+200B</i>b<i>U+202E</i>gpj", "/a[U+200B]b[U+202E]gpj");
    assert_path_becomes("/\xef\xbb\xbf\xef\xbf\xbd\xef\xbf\xbe",
                        "/<i>U+FEFF</i>\xef\xbf\xbd<i>U+FFFE</i>", "/[U+FEFF]\xef\xbf\xbd[U+FFFE]");
    assert_path_becomes("/\xf3\xa0\x80\xa0\xf4\x8f\xbf\xbf", "/<i>U+E0020</i><i>U+10FFFF</i>",
                        "/[U+E0020][U+10FFFF]");
    assert_path_becomes("/a  b ", "/a <i>U+0020</i>b<i>U+0020</i>", "/a [U+0020]b[U+0020]");
}

static void hrefs_lead_back_to_the_path(void **state)
{
    static const struct {
        const char *path, *href;
    } cases[] = {
        {"/", "/"},
        {"//a/", "//a/"},
        {"/a-b.c_d~e", "/a-b.c_d~e"},
        {"/!$()*+,;=:@", "/%21%24%28%29%2A%2B%2C%3B%3D%3A%40"},
        {"/?#%&'\"<> \\[]^`{|}", "/%3F%23%25%26%27%22%3C%3E%20%5C%5B%5D%5E%60%7B%7C%7D"},
        {"/\x01\x7f\xc3\xa9", "/%01%7F%C3%A9"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct buffer out = {0};
        char decoded[64];
        size_t len;

        link_add_path(&out, cases[i].path, strlen(cases[i].path));
        assert_string_equal(text_of(&out), cases[i].href);
        assert_int_equal(path_canonicalize(out.bytes, out.len, decoded, &len), PATH_OK);
        assert_int_equal(len, strlen(cases[i].path));
        assert_memory_equal(decoded, cases[i].path, len);
        buffer_free(&out);
    }
}

/* Appends a link to a path of `len` bytes and returns it, to be freed with the buffer. */
#define BEFORE strlen(HTML_LINK_HREF LINK_PATHS)

static const char *link_to(struct buffer *out, const char *path, size_t len, size_t whole)
{
    size_t encoded = html_add_path_link(out, path, len, whole);
    const char *html = text_of(out);

    assert_int_equal(strncmp(html, HTML_LINK_HREF LINK_PATHS, BEFORE), 0);
    assert_int_equal(html[BEFORE + encoded], '"');
    return html;
}

static void a_short_path_is_linked_whole(void **state)
{
    struct buffer out = {0};

    (void)state;
    assert_string_equal(link_to(&out, "/<b>", 4, 4), "href=\"/-/paths/%3Cb%3E\">/&lt;b&gt;</a>");
    buffer_free(&out);
}

static void a_long_path_is_in_two_parts_and_whole_in_its_title(void **state)
{
    struct buffer out = {0};
    char path[PATH_MAX_BYTES];

    (void)state;
    assert_string_equal(link_to(&out, "/a/long/way/to/go/until/the/last.html", 37, 36),
                        "href=\"/-/paths/a/long/way/to/go/until/the/last.html\" class=l "
                        "title=\"/a/long/way/to/go/until/the/last.html\">"
                        "<span aria-hidden=true>/a/long/way/to/go/until/the</span>"
                        "<span aria-hidden=true>/last.html</span></a>");
    out.len = 0;
    /* without a slash near the end, and never within a character */
    for (size_t i = 1; i < sizeof(path); i += 3)
        memcpy(path + i, "\xe2\x82\xac", i + 3 <= sizeof(path) ? 3 : sizeof(path) - i);
    path[0] = '/';
    for (size_t len = 1 + 3 * 20; len <= sizeof(path); len += 3) {
        const char *cut;

        out.len = 0;
        cut = strstr(link_to(&out, path, len, 48), "</span><span");
        assert_non_null(cut);
        assert_int_equal(memcmp(cut - 3, "\xe2\x82\xac", 3), 0);
        assert_int_equal(strlen(cut), strlen("</span><span aria-hidden=true></span></a>") + 15);
    }
    buffer_free(&out);
}

/* --- the page --- */

#define HOSTILE      "/<b>\"&'\x01"
#define HOSTILE_HTML "/&lt;b&gt;&quot;&amp;&#39;<i>U+0001</i>"
#define HOSTILE_HREF "/-/paths/%3Cb%3E%22%26%27%01"

/* Fails unless the page is the same when it is compressed. */
static void assert_packed_is(const struct buffer *page, const struct page_visit *visit,
                             h2o_mem_pool_t *pool)
{
    struct buffer packed = {0}, marked = {0}, body = {0}, text = {0};
    struct gzip *gzip = gzip_create(1);
    struct page_pieces pieces;
    struct page_packed piece;
    h2o_iovec_t parts[PAGE_PARTS];
    size_t count, shared;

    page_pack_rows(gzip, &packed, visit->rows, visit->rows_len, visit->index, &pieces);
    if (visit->row != 0) {
        piece.sum = page_pack_marked(gzip, &marked, visit->rows, visit->index, &pieces, visit->row);
        piece.bytes = marked.bytes;
        piece.len = marked.len;
    }
    count = page_of_visit_packed(visit, pool, packed.bytes, &pieces,
                                 visit->row != 0 ? &piece : NULL, parts, &shared);
    assert_in_range(count, 1, PAGE_PARTS);
    for (size_t i = 0; i < count; i++)
        buffer_add(&body, parts[i].base, parts[i].len);
    assert_in_range(shared, 1, body.len);
    assert_int_equal(inflate_member(&text, body.bytes, body.len), body.len);
    assert_int_equal(text.len, page->len);
    assert_memory_equal(text.bytes, page->bytes, page->len);
    buffer_free(&packed);
    buffer_free(&marked);
    buffer_free(&body);
    buffer_free(&text);
    gzip_destroy(gzip);
}

/* A page as its visitor gets it, whole, in a buffer. `rows` NULL: they could not be had. */
static struct buffer page_with(const char *path, struct hit_count hit_count,
                               const struct rows *rows)
{
    struct buffer shared = {0}, page = {0};
    struct page_index index;
    struct page_visit visit;
    h2o_mem_pool_t pool;
    h2o_iovec_t parts[PAGE_PARTS];
    size_t count;

    h2o_mem_init_pool(&pool);
    if (rows != NULL)
        page_add_rows(&shared, rows, &index);
    visit = (struct page_visit){
        .rows = rows != NULL ? shared.bytes : NULL, .rows_len = shared.len, .index = &index};
    page_begin_visit(&visit, &pool, path, strlen(path), hit_count);
    count = page_of_visit(&visit, parts);
    assert_in_range(count, 1, PAGE_PARTS);
    for (size_t i = 0; i < count; i++)
        buffer_add(&page, parts[i].base, parts[i].len);
    if (rows != NULL)
        assert_packed_is(&page, &visit, &pool);
    text_of(&page);
    h2o_mem_clear_pool(&pool);
    buffer_free(&shared);
    return page;
}

static struct buffer page_of(const char *path, int64_t count, const struct rows *rows)
{
    return page_with(path, (struct hit_count){count, false}, rows);
}

static void the_page_is_whole_with_everybodys_text_escaped(void **state)
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

static void a_path_without_a_row_is_told_of_the_overflow_row(void **state)
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

    rows.size = 1; /* and if that is not in the table, it stands apart */
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
            .size = 1, .rows = &row, .totals = {cases[i].number, cases[i].number, 0}};
        struct buffer page = page_of("/", cases[i].number, &rows);
        char expected[96];

        snprintf(expected, sizeof(expected), "<strong>%s</strong> <span>hit", cases[i].text);
        assert_contains(page.bytes, expected);
        snprintf(expected, sizeof(expected), "<td>%s</td>", cases[i].text);
        assert_contains(page.bytes, expected);
        snprintf(expected, sizeof(expected), ">%s path%s, %s hit%s in all<", cases[i].text,
                 cases[i].number == 1 ? "" : "s", cases[i].text, cases[i].number == 1 ? "" : "s");
        assert_contains(page.bytes, expected);
        buffer_free(&page);
    }
}

static void a_bar_is_as_long_as_its_share_of_the_highest(void **state)
{
    static const struct {
        int64_t count, highest;
        const char *class;
    } cases[] = {
        {0, 1, "b00"},
        {1, 1, "b99"},
        {1, 2, "b49"},
        {INT64_MAX, INT64_MAX, "b99"},
        {1, 1000, "b00"},
        {99, 1000, "b09"},
        {INT64_MAX - 1, INT64_MAX, "b99"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct row some[] = {row_of("/h", cases[i].highest), row_of("/c", cases[i].count)};
        const struct rows rows = {.size = 2, .rows = some};
        struct buffer page = page_of("/", 1, &rows);
        char expected[64];

        snprintf(expected, sizeof(expected), "<th class=%s><a href=\"/-/paths/c\"", cases[i].class);
        assert_contains(page.bytes, expected);
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
        const struct rows rows = {.totals = {cases[i].paths, cases[i].hits, 0}};
        struct buffer page = page_of("/", 2, &rows);

        assert_contains(page.bytes, cases[i].text);
        buffer_free(&page);
    }
}

static void a_count_of_zero_in_the_table_is_shown(void **state)
{
    struct row row = row_of("/", 0);
    const struct rows rows = {.size = 1, .rows = &row};
    struct buffer page = page_of("/a", 2, &rows);

    (void)state;
    assert_contains(page.bytes, "<td>0</td>");
    buffer_free(&page);
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

/* --- the same as JSON --- */

static json_t *json_of(const char *path, int64_t number, const struct rows *rows)
{
    struct buffer text = {0};
    json_t *json;

    json_add_visit(&text, path, strlen(path), (struct hit_count){number, false});
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
    const struct rows rows = {.size = 2, .rows = some, .totals = {2, INT64_MAX, 3}};
    json_t *json = json_of(HOSTILE, INT64_MAX, &rows);
    const char *path, *first, *second;
    json_int_t count, paths, hits, bots, first_count, second_count, first_bots, second_bots;

    (void)state;
    assert_int_equal(
        json_unpack_ex(
            json, NULL, JSON_STRICT,
            "{s:s, s:I, s:{s:I, s:I, s:I !}, s:[{s:s, s:I, s:I !}, {s:s, s:I, s:I !}] !}", "path",
            &path, "count", &count, "totals", "paths", &paths, "hits", &hits, "bots", &bots, "rows",
            "path", &first, "count", &first_count, "bots", &first_bots, "path", &second, "count",
            &second_count, "bots", &second_bots),
        0);
    assert_string_equal(path, HOSTILE);
    assert_int_equal(count, INT64_MAX);
    assert_int_equal(paths, 2);
    assert_int_equal(hits, INT64_MAX);
    assert_int_equal(bots, 3);
    assert_int_equal(first_bots, 0);
    assert_int_equal(second_bots, 0);
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
    assert_int_equal(json_object_size(json_object_get(json, "totals")), 3);
    json_decref(json);
}

static void json_of_ones_own_alone_needs_only_its_brace(void **state)
{
    struct buffer text = {0};

    (void)state;
    json_add_visit(&text, "/\"a", 3, (struct hit_count){8, false});
    assert_string_equal(text_of(&text), "{\"path\":\"/\\\"a\",\"count\":8");
    text.len = 0;
    json_add_visit(&text, "/a", 2, (struct hit_count){8, true});
    assert_string_equal(text_of(&text), "{\"path\":\"/a\",\"count\":8,\"overflow\":true");
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_text),
        cmocka_unit_test(no_byte_of_a_text_is_markup),
        cmocka_unit_test(a_format_escapes_its_texts),
        cmocka_unit_test(what_is_hidden_in_a_path_is_shown),
        cmocka_unit_test(hrefs_lead_back_to_the_path),
        cmocka_unit_test(a_short_path_is_linked_whole),
        cmocka_unit_test(a_long_path_is_in_two_parts_and_whole_in_its_title),
        cmocka_unit_test(the_page_is_whole_with_everybodys_text_escaped),
        cmocka_unit_test(each_visitors_own_row_is_marked_and_no_other),
        cmocka_unit_test(a_path_without_a_row_is_told_of_the_overflow_row),
        cmocka_unit_test(the_overflow_row_has_no_link_and_moves_no_other),
        cmocka_unit_test(more_rows_than_a_page_has_are_left_out),
        cmocka_unit_test(the_next_page_is_a_link_if_there_is_one),
        cmocka_unit_test(every_element_that_is_opened_is_closed_in_order),
        cmocka_unit_test(thousands_stand_apart),
        cmocka_unit_test(a_bar_is_as_long_as_its_share_of_the_highest),
        cmocka_unit_test(one_is_singular_and_everything_else_plural),
        cmocka_unit_test(a_count_of_zero_in_the_table_is_shown),
        cmocka_unit_test(without_rows_the_page_says_so_and_ends_as_always),
        cmocka_unit_test(an_error_is_a_whole_small_page),
        cmocka_unit_test(json_has_the_path_its_count_the_totals_and_the_rows),
        cmocka_unit_test(json_without_rows_has_null_and_with_none_an_empty_list),
        cmocka_unit_test(json_of_ones_own_alone_needs_only_its_brace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
