/* Addresses of the public API: everything that can be looked at has one, and a page leads to the
 * next by one. They hold only characters that a URL may hold; in HTML their ampersands are to be
 * escaped as any text. Each begins with the base, the part of a proxy's address space in which
 * render-svc is. Any thread.
 */
#ifndef RENDER_HTML_LINK_H
#define RENDER_HTML_LINK_H

#include "base/buffer.h"
#include "proto/normalize.h"
#include "proto/view.h"

#include <stdbool.h>

#define LINK_ABOUT   "/-/"
#define LINK_PATHS   "/-/paths"
#define LINK_LIVE    "/-/live"
#define LINK_ME      "/-/me"
#define LINK_BADGE   "/-/badge"
#define LINK_HISTORY "/-/history"

/* LINK_PATHS/ANY/PATH with this behind it is the path's history. A path that ends so itself has its page with the
 * query. */
#define LINK_HISTORY_SUFFIX "/history"
#define LINK_ABOUT_PATH     "?about=path"

/* base_path, or "". */
extern struct link_base {
    const char *at;
    size_t len;
} link_base;

/* Sets it, to a text that stays. Before any thread, and before anything is rendered. */
void link_set_base(const char *base);

/* Whether a text can be the base: segments of unreserved characters (RFC 3986, 2.3), each behind a slash,
 * none of them . or .. */
bool link_is_base(const char *text);

/* Appends an address of the service itself, such as LINK_PATHS or the path of an asset. */
void link_add_address(struct buffer *to, const char *path);

/* What of a view an address is to say. */
struct link {
    const struct view *view; /* its order, prefix and period, and whether without bots */
    bool with_limit;         /* its limit, unless that is the default */
    const char *cursor_name; /* "after" or "before"; NULL: from the start */
    const char *cursor;
    size_t cursor_len;
    const char *format; /* NULL: as Accept has it */
    bool with_bom;      /* of CSV */
};

/* Appends the address of `path`, LINK_PATHS or LINK_LIVE, with the query that says so. */
void link_add(struct buffer *to, const char *path, const struct link *link);

/* The same in an empty buffer, as a text that ends with NUL. It is freed with the buffer. */
const char *link_text(struct buffer *to, const char *path, const struct link *link);

/* Reads a public query as view_parse does; a prefix without its leading slash, which every path has,
 * gets it, and is normalised by the rules. Returns NULL, or a sentence about what is wrong. */
const char *link_read_view(const char *query, size_t len, const struct path_rules *rules,
                           struct view *view) __attribute__((warn_unused_result));

/* Appends counter-svc's address of the view's rows. */
void link_add_target(struct buffer *to, const struct view *view);

/* Whether the path's address would be that of another path's history. */
bool link_ends_with_history(const char *path, size_t len);

/* Appends the address of the path's page. */
void link_add_page(struct buffer *to, const char *path, size_t len);

/* Appends a path so that it is itself behind any base: slashes stay, all else that is not
 * unreserved is percent-encoded. */
void link_add_path(struct buffer *to, const char *path, size_t len);

#endif
