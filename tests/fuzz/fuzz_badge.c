/* The parameters of a badge. For any parameters the badge is well-formed. */
#include "render-svc/html/badge.h"
#include "tests/fuzz/fuzz.h"

#include "proto/path.h"

#include <string.h>

/* Every quote, bracket and ampersand of the input is escaped, so all others are our own markup. */
static void check_markup(const char *svg, size_t len)
{
    bool in_tag = false, in_value = false;

    MUST(utf8_is_valid(svg, len));
    for (size_t i = 0; i < len; ++i) {
        MUST((unsigned char)svg[i] >= 0x20 || svg[i] == '\n');
        if (svg[i] == '"' && in_tag) {
            in_value = !in_value;
        } else if (svg[i] == '<') {
            MUST(!in_tag);
            in_tag = true;
        } else if (svg[i] == '>') {
            MUST(in_tag && !in_value);
            in_tag = false;
        }
    }
    MUST(!in_tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer svg = {0};
    h2o_mem_pool_t pool;
    struct badge badge;

    h2o_mem_init_pool(&pool);
    if (badge_read(&pool, (const char *)data, size, &badge) == NULL) {
        badge_render(&svg, &badge, (int64_t)size);
        check_markup(svg.bytes, svg.len);
        buffer_free(&svg);
        badge_add_shields(&svg, &badge, (int64_t)size);
        MUST(utf8_is_valid(svg.bytes, svg.len));
        buffer_free(&svg);
    }
    h2o_mem_clear_pool(&pool);
    return 0;
}
