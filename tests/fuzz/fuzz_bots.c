/* A User-Agent of any bytes. PCRE2 stays within its limits. Its result is the same each time, and
 * depends only on the first bytes. */
#include "render-svc/public/bots.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bots_matcher *matcher;
    char error[256];
    bool is_bot;

    if (matcher == NULL) {
        struct bots *bots = bots_compile(error, sizeof(error));
        MUST(bots != NULL);
        matcher = bots_matcher_create(bots);
    }
    is_bot = bots_match(matcher, (const char *)data, size);
    MUST(bots_match(matcher, (const char *)data, size) == is_bot);
    if (size > BOTS_MAX_AGENT_BYTES)
        MUST(bots_match(matcher, (const char *)data, BOTS_MAX_AGENT_BYTES + 1) == is_bot);
    return 0;
}
