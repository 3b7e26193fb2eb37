/* The query of a view, its cursors and its links. Accepted values are within their limits, and a link
 * leads to the same view. */
#include "proto/view.h"
#include "render-svc/html/link.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_bounds(const struct view *view)
{
    char above[PATH_MAX_BYTES + 1];
    size_t len;

    if (!prefix_upper_bound(view->prefix, view->prefix_len, above, &len))
        return;
    MUST(utf8_is_valid(above, len));
    MUST(path_compare(view->prefix, view->prefix_len, above, len) < 0);
}

static void check_link(const struct view *view)
{
    struct buffer target = {0};
    struct view again;
    const char *error = NULL, *query;

    link_add_target(&target, view);
    query = memchr(target.bytes, '?', target.len);
    MUST(query != NULL);
    ++query;
    MUST(view_parse(query, (size_t)(target.bytes + target.len - query), &again, &error) == 0);
    MUST(view_equals(view, &again));
    buffer_free(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *error = NULL;
    struct view view;

    if (view_parse((const char *)data, size, &view, &error) != 0) {
        MUST(error != NULL);
        return 0;
    }
    MUST(view.limit >= 1 && view.limit <= 1000);
    MUST(!view.has_prefix || view.prefix_len <= PATH_MAX_BYTES);
    MUST(!view.has_after || view.after_len <= CURSOR_PATH_MAX_BYTES);
    MUST(utf8_is_valid(view.prefix, view.has_prefix ? view.prefix_len : 0));
    if (view.has_prefix)
        check_bounds(&view);
    check_link(&view);
    return 0;
}
