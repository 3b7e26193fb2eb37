/* Addresses of the public API: everything that can be looked at has one, and a page leads to the
 * next by one. They hold only characters that a URL may hold; in HTML their ampersands are to be
 * escaped as any text. Any thread.
 */
#ifndef RENDER_LINK_H
#define RENDER_LINK_H

#include "proto/buffer.h"
#include "proto/view.h"

#define LINK_PATHS "/-/paths"
#define LINK_LIVE  "/-/live"
#define LINK_BADGE "/-/badge"

/* What of a view an address is to say. */
struct link {
    const struct view *view; /* its order and prefix */
    bool with_limit;         /* its limit, unless that is the default */
    const char *cursor_name; /* "after" or "before"; NULL: from the start */
    const char *cursor;
    size_t cursor_len;
    const char *format; /* NULL: as Accept has it */
};

/* Appends `base` with the query that says so. */
void link_add(struct buffer *to, const char *base, const struct link *link);

/* Reads a public query as view_parse does; a prefix without its leading slash, which every path has,
 * gets it. Returns NULL, or a sentence about what is wrong. */
const char *link_read_view(const char *query, size_t len, struct view *view)
    __attribute__((warn_unused_result));

/* Appends counter-svc's address of the view's rows. */
void link_add_target(struct buffer *to, const struct view *view);

/* Appends a path so that it is itself behind any base: slashes stay, all else that is not
 * unreserved is percent-encoded. */
void link_add_path(struct buffer *to, const char *path, size_t len);

#endif
