#include "render-svc/visitor.h"

#include "service/answer.h"

#include <string.h>
#include <strings.h>

/* Whether a header's value begins with this token: parameters may follow, as in prefetch;prerender. */
static bool begins_with(h2o_iovec_t value, const char *token)
{
    size_t len = strlen(token);

    return value.len >= len && strncasecmp(value.base, token, len) == 0 &&
           (value.len == len || strchr(";, ", value.base[len]) != NULL);
}

bool visitor_is_ahead(h2o_req_t *req)
{
    static const struct {
        const char *header, *token;
    } SIGNS[] = {
        {"sec-purpose", "prefetch"},
        {"purpose", "prefetch"},
        {"x-moz", "prefetch"},
        {"x-purpose", "preview"},
    };

    for (size_t i = 0; i < sizeof(SIGNS) / sizeof(SIGNS[0]); ++i)
        if (begins_with(request_header(req, SIGNS[i].header), SIGNS[i].token))
            return true;
    return false;
}
