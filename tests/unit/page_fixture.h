/* Tests of HTML and of the page: texts, and the page as a visitor gets it. */
#ifndef TESTS_UNIT_PAGE_FIXTURE_H
#define TESTS_UNIT_PAGE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "render-svc/html/html.h"
#include "render-svc/html/page.h"
#include "tests/unit/inflate.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Returns the buffer's text with a NUL at its end. The buffer owns it. */
static inline const char *text_of(struct buffer *buffer)
{
    buffer_add(buffer, "", 1);
    --buffer->len;
    return buffer->bytes;
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("%s\nis not in\n%s", part, text);
}

static inline size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static inline struct row row_of(const char *path, int64_t count)
{
    return (struct row){path, strlen(path), count, 0};
}

#define HOSTILE      "/<b>\"&'\x01"
#define HOSTILE_HTML "/&lt;b&gt;&quot;&amp;&#39;<i>U+0001</i>"
#define HOSTILE_HREF "/-/paths/%3Cb%3E%22%26%27%01"

/* Checks that the compressed page has the same text. */
static inline void assert_packed_is(const struct buffer *page, const struct page_visit *visit,
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

/* Returns the whole page of a visitor. `rows` is NULL if they are not available. */
static inline struct buffer page_with(const char *path, struct hit_count hit_count,
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

static inline struct buffer page_of(const char *path, int64_t count, const struct rows *rows)
{
    return page_with(path, (struct hit_count){count, false}, rows);
}

#endif
