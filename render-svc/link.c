#include "render-svc/link.h"

#include "proto/api.h"

#include <string.h>

/* Appends `?name=` or `&name=`. */
static void add_name(struct buffer *to, char *separator, const char *name)
{
    buffer_add(to, separator, 1);
    buffer_add_string(to, name);
    buffer_add_literal(to, "=");
    *separator = '&';
}

void link_add(struct buffer *to, const char *base, const struct link *link)
{
    const struct view *view = link->view;
    char separator = '?';

    buffer_add_string(to, base);
    if (view->order == VIEW_BY_PATH) {
        add_name(to, &separator, "order");
        buffer_add_literal(to, "path");
    }
    if (view->has_prefix) {
        add_name(to, &separator, "prefix");
        link_add_path(to, view->prefix, view->prefix_len);
    }
    if (link->with_limit) {
        add_name(to, &separator, "limit");
        buffer_add_int(to, view->limit);
    }
    if (link->cursor_name != NULL) {
        add_name(to, &separator, link->cursor_name);
        link_add_path(to, link->cursor, link->cursor_len);
    }
    if (link->format != NULL) {
        add_name(to, &separator, "format");
        buffer_add_string(to, link->format);
    }
}

void link_add_path(struct buffer *to, const char *path, size_t len)
{
    const char *end = path + len, *slash;

    while ((slash = memchr(path, '/', (size_t)(end - path))) != NULL) {
        buffer_add_percent(to, path, (size_t)(slash - path));
        buffer_add_literal(to, "/");
        path = slash + 1;
    }
    buffer_add_percent(to, path, (size_t)(end - path));
}

const char *link_read_view(const char *query, size_t len, struct view *view)
{
    const char *error;

    if (view_parse(query, len, view, &error) != 0)
        return error;
    if (!view->has_prefix || view->prefix[0] == '/')
        return NULL;
    if (view->prefix_len == sizeof(view->prefix))
        return "\"prefix\" is not UTF-8 text of at most 2,048 bytes.";
    memmove(view->prefix + 1, view->prefix, view->prefix_len++);
    view->prefix[0] = '/';
    return NULL;
}

void link_add_target(struct buffer *to, const struct view *view)
{
    struct buffer cursor = {0};
    struct link link = {.view = view, .with_limit = true};

    if (view->has_after) {
        cursor_encode(&cursor, view->order, view->after_path, view->after_len, view->after_count);
        link.cursor_name = view->backwards ? "before" : "after";
        link.cursor = cursor.bytes;
        link.cursor_len = cursor.len;
    }
    link_add(to, API_PATHS, &link);
    buffer_free(&cursor);
}
