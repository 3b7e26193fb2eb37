/* Addresses of the public API, percent-encoded. In HTML their ampersands must be escaped, as in any
 * text. Each begins with the base: the path prefix under which a proxy serves render-svc. Any
 * thread.
 */
#ifndef RENDER_HTML_LINK_H
#define RENDER_HTML_LINK_H

#include "base/buffer.h"
#include "proto/path.h"
#include "proto/view.h"

#include <stdbool.h>

#define LINK_ABOUT   "/-/"
#define LINK_PATHS   "/-/paths"
#define LINK_LIVE    "/-/live"
#define LINK_ME      "/-/me"
#define LINK_BADGE   "/-/badge"
#define LINK_HISTORY "/-/history"

/* LINK_PATHS/ANY/PATH with this suffix is the history of the path. A path that itself has this
 * suffix needs the query LINK_ABOUT_PATH for its page. */
#define LINK_HISTORY_SUFFIX "/history"
#define LINK_ABOUT_PATH     "?about=path"

/* base_path, or "". */
extern struct link_base {
    const char *at;
    size_t len;
} link_base;

/* Sets the base, to a text that is never freed. Call it before any thread starts and before
 * anything is rendered. */
void link_set_base(const char *base);

/* Returns whether a text can be the base: one or more segments of unreserved characters (RFC 3986,
 * 2.3), each after a slash, none of them . or .. */
bool link_is_base(const char *text);

/* Appends the base and a path of the service, such as LINK_PATHS or the path of an asset. */
void link_add_address(struct buffer *to, const char *path);

/* The query of an address. */
struct link {
    const struct view *view; /* its order, prefix, period and bots */
    bool with_limit;         /* the limit of the view, too */
    const char *cursor_name; /* "after" or "before"; NULL: from the start */
    const char *cursor;
    size_t cursor_len;
    const char *format; /* NULL: none, so Accept decides */
    bool with_bom;      /* of CSV */
};

/* Appends the address of `path`, LINK_PATHS or LINK_LIVE, with this query. */
void link_add(struct buffer *to, const char *path, const struct link *link);

/* Appends the same to an empty buffer. Returns it as a text that ends with NUL and is freed with
 * the buffer. */
const char *link_text(struct buffer *to, const char *path, const struct link *link);

/* Reads the query of a public request, as view_parse does. A prefix without a leading slash gets
 * one, as every path has it, and is normalised by the rules. Returns NULL, or a sentence that says
 * what is wrong. */
const char *link_read_view(const char *query, size_t len, const struct path_rules *rules,
                           struct view *view) __attribute__((warn_unused_result));

/* Appends the target of the request to counter-svc for the rows of a view. */
void link_add_target(struct buffer *to, const struct view *view);

/* Returns whether the path ends with LINK_HISTORY_SUFFIX, so that its address would be the history
 * of another path. */
bool link_ends_with_history(const char *path, size_t len);

/* Appends the address of a path's page. */
void link_add_page(struct buffer *to, const char *path, size_t len);

/* Appends a path, percent-encoded except for slashes and unreserved characters. */
void link_add_path(struct buffer *to, const char *path, size_t len);

#endif
