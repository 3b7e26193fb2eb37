#include "render-svc/html/link.h"

#include "proto/api.h"

#include <string.h>

#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

struct link_base link_base = {"", 0};

void link_set_base(const char *base)
{
    link_base = (struct link_base){base, strlen(base)};
}

bool link_is_base(const char *text)
{
    do {
        size_t len = *text == '/' ? strspn(text + 1, UNRESERVED) : 0;
        bool dots = len <= 2 && memcmp(text + 1, "..", len) == 0;
        if (len == 0 || dots)
            return false;
        text += 1 + len;
    } while (*text != '\0');
    return true;
}

void link_add_address(struct buffer *to, const char *path)
{
    buffer_add(to, link_base.at, link_base.len);
    buffer_add_string(to, path);
}

/* Appends `?name=` or `&name=`. */
static void add_name(struct buffer *to, char *separator, const char *name)
{
    buffer_add(to, separator, 1);
    buffer_add_string(to, name);
    buffer_add_literal(to, "=");
    *separator = '&';
}

static void add_query(struct buffer *to, const struct link *link)
{
    const struct view *view = link->view;
    char separator = '?';

    if (view->order == VIEW_BY_PATH) {
        add_name(to, &separator, "order");
        buffer_add_literal(to, "path");
    }
    if (view->has_prefix) {
        add_name(to, &separator, "prefix");
        link_add_path(to, view->prefix, view->prefix_len);
    }
    if (view->period != VIEW_ALL_TIME) {
        add_name(to, &separator, "period");
        buffer_add_string(to, view_period_names[view->period]);
    }
    if (view->without_bots) {
        add_name(to, &separator, "bots");
        buffer_add_literal(to, "exclude");
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
    if (link->with_bom) {
        add_name(to, &separator, "bom");
        buffer_add_literal(to, "1");
    }
}

void link_add(struct buffer *to, const char *path, const struct link *link)
{
    link_add_address(to, path);
    add_query(to, link);
}

const char *link_text(struct buffer *to, const char *path, const struct link *link)
{
    link_add(to, path, link);
    buffer_add(to, "", 1);
    return to->bytes;
}

bool link_ends_with_history(const char *path, size_t len)
{
    size_t suffix = sizeof(LINK_HISTORY_SUFFIX) - 1;

    return len > suffix && memcmp(path + len - suffix, LINK_HISTORY_SUFFIX, suffix) == 0;
}

void link_add_page(struct buffer *to, const char *path, size_t len)
{
    link_add_address(to, LINK_PATHS);
    link_add_path(to, path, len);
    if (link_ends_with_history(path, len))
        buffer_add_literal(to, LINK_ABOUT_PATH);
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

static bool set_prefix(struct view *view, const char *prefix, size_t len)
{
    if (len > sizeof(view->prefix))
        return false;
    memcpy(view->prefix, prefix, len);
    view->prefix_len = len;
    return true;
}

const char *link_read_view(const char *query, size_t len, const struct path_rules *rules,
                           struct view *view)
{
    char prefix[sizeof(view->prefix) + 1], normal[NORMALIZED_BYTES(sizeof(prefix))];
    size_t prefix_len = 0;
    const char *error;

    if (view_parse(query, len, view, &error) != 0)
        return error;
    if (!view->has_prefix)
        return NULL;
    if (view->prefix_len == 0 || view->prefix[0] != '/')
        prefix[prefix_len++] = '/';
    memcpy(prefix + prefix_len, view->prefix, view->prefix_len);
    prefix_len = path_normalize_prefix(rules, prefix, prefix_len + view->prefix_len, normal);
    return set_prefix(view, normal, prefix_len)
               ? NULL
               : "\"prefix\" is not UTF-8 text of at most 2,048 bytes.";
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
    buffer_add_literal(to, API_PATHS);
    add_query(to, &link);
    buffer_free(&cursor);
}
