#include "service/request.h"

#include "service/worker.h"

/* libh2o keeps a list for each request, of what extensions for other languages are told, and does
 * nothing with it by itself: ours is its only entry. */
struct kept {
    h2o_iovec_t entry;
    struct request request;
};

struct request *request_of(h2o_req_t *req)
{
    struct kept *kept;

    if (req->env.size == 0) {
        kept = h2o_mem_alloc_pool(&req->pool, sizeof(*kept));
        *kept = (struct kept){.entry = {(char *)&kept->request, sizeof(kept->request)}};
        req->env.entries = &kept->entry;
        req->env.size = req->env.capacity = 1;
    }
    return (struct request *)(void *)req->env.entries[0].base;
}

const char *request_route(h2o_req_t *req)
{
    return worker_of(req)->routes[request_of(req)->route];
}
