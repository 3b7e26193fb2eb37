/* Texts, paths and links in HTML: markup in them is escaped. */
#include <string.h>

#include "render-svc/html/html.h"
#include "tests/unit/page_fixture.h"

static void text_is_escaped(void **state)
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

static void hidden_characters_of_a_path_are_shown(void **state)
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

#define BEFORE strlen(HTML_LINK_HREF LINK_PATHS)

/* Appends a link to a path. Returns its text, which the buffer owns. */
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
    /* a path without a slash near its end: it is never cut within a character */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(no_byte_of_a_text_is_markup),
        cmocka_unit_test(a_format_escapes_its_texts),
        cmocka_unit_test(hidden_characters_of_a_path_are_shown),
        cmocka_unit_test(hrefs_lead_back_to_the_path),
        cmocka_unit_test(a_short_path_is_linked_whole),
        cmocka_unit_test(a_long_path_is_in_two_parts_and_whole_in_its_title),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
