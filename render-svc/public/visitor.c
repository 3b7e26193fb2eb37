#include "render-svc/public/visitor.h"

#include "render-svc/public/render.h"
#include "server/http/answer.h"
#include "server/http/connection.h"

#include <string.h>
#include <strings.h>

/* Header only: nothing is linked. */
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Returns whether a header's value begins with this token. Parameters may follow, as in
 * prefetch;prerender. */
static bool begins_with(h2o_iovec_t value, const char *token)
{
    size_t len = strlen(token);

    return value.len >= len && strncasecmp(value.base, token, len) == 0 &&
           (value.len == len || strchr(";, ", value.base[len]) != NULL);
}

bool visitor_is_prefetch(h2o_req_t *req)
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

bool visitor_is_bot(h2o_req_t *req)
{
    const struct render *render = worker_of(req)->app;
    struct connection_finding *finding = connection_finding(req);
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_USER_AGENT, -1);
    h2o_iovec_t agent;
    uint64_t hash;

    if (at < 0)
        return false;
    agent = req->headers.entries[at].value;
    hash = XXH3_64bits_withSeed(agent.base, agent.len, render->agent_seed);
    if (hash != finding->hash)
        *finding = (struct connection_finding){
            hash, bots_match(render->bots_matcher, agent.base, agent.len)};
    return finding->is_so;
}

bool visitor_is_excluded(h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_COOKIE, -1);
    size_t len = strlen(VISITOR_COOKIE);

    for (; at >= 0; at = h2o_find_header(&req->headers, H2O_TOKEN_COOKIE, at)) {
        h2o_iovec_t value = req->headers.entries[at].value;
        while (value.len != 0) {
            const char *end = memchr(value.base, ';', value.len);
            size_t size = end != NULL ? (size_t)(end - value.base) : value.len;
            if (h2o_memis(value.base, size, VISITOR_COOKIE, len))
                return true;
            size += end != NULL;
            value.base += size;
            value.len -= size;
            while (value.len != 0 && *value.base == ' ') {
                ++value.base;
                --value.len;
            }
        }
    }
    return false;
}

bool visitor_is_uncounted(h2o_req_t *req)
{
    const struct render *render = worker_of(req)->app;

    return visitor_is_excluded(req) ||
           (render->config->bots_are == BOTS_IGNORED && visitor_is_bot(req));
}

bool visitor_may_be_forged(h2o_req_t *req)
{
    h2o_iovec_t site = request_header(req, "sec-fetch-site");
    h2o_iovec_t origin = request_header(req, "origin");
    const char *host;

    if (site.base != NULL)
        return !h2o_memis(site.base, site.len, H2O_STRLIT("same-origin")) &&
               !h2o_memis(site.base, site.len, H2O_STRLIT("none"));
    if (origin.base == NULL)
        return false;
    host = memmem(origin.base, origin.len, "://", 3);
    return host == NULL || !h2o_memis(host + 3, origin.len - (size_t)(host + 3 - origin.base),
                                      req->authority.base, req->authority.len);
}
