#include "server/http/output_budget.h"

#include "base/invariant.h"
#include "server/http/connection.h"
#include "server/loop/worker.h"
#include "server/ops/log.h"

/* A response that waits for its client; in the request's pool. */
struct response {
    struct output_budget *budget;
    h2o_linklist_t link;
    h2o_req_t *req;
    size_t bytes;
    uint64_t since_ms;
};

static void on_response_disposed(void *data);
static void on_share_disposed(void *data);

static void take(struct output_budget *budget, size_t bytes)
{
    budget->bytes += bytes;
    metric_set(budget->metric, budget->bytes);
}

static void give_back(struct output_budget *budget, size_t bytes)
{
    INVARIANT(bytes <= budget->bytes);
    budget->bytes -= bytes;
    metric_set(budget->metric, budget->bytes);
}

void output_budget_init(struct output_budget *budget, size_t max_bytes,
                        atomic_uint_fast64_t *metric)
{
    *budget = (struct output_budget){.max_bytes = max_bytes, .metric = metric};
    h2o_linklist_init_anchor(&budget->responses);
}

bool output_budget_admit(h2o_req_t *req, size_t bytes, size_t shared)
{
    struct output_budget *budget = worker_of(req)->budget;
    struct response *response;

    if (bytes + shared <= OUTPUT_SMALL_BYTES)
        return true;
    if (budget->bytes >= budget->max_bytes ||
        bytes + shared > (budget->max_bytes - budget->bytes) / 2) {
        budget->refused = true;
        return false;
    }
    response = h2o_mem_alloc_shared(&req->pool, sizeof(*response), on_response_disposed);
    *response =
        (struct response){.budget = budget, .req = req, .bytes = bytes, .since_ms = monotonic_ms()};
    h2o_linklist_insert(&budget->responses, &response->link);
    take(budget, bytes);
    return true;
}

static void on_response_disposed(void *data)
{
    struct response *response = data;

    h2o_linklist_unlink(&response->link);
    give_back(response->budget, response->bytes);
}

void *output_budget_share(struct output_budget *budget, size_t bytes)
{
    struct output_share *share = h2o_mem_alloc_shared(NULL, bytes, on_share_disposed);

    *share = (struct output_share){budget, bytes};
    take(budget, bytes);
    return share;
}

static void on_share_disposed(void *data)
{
    const struct output_share *share = data;

    give_back(share->budget, share->bytes);
}

bool output_budget_is_short(const struct output_budget *budget)
{
    return budget->refused || budget->bytes > budget->max_bytes / 2;
}

void output_budget_enforce(struct output_budget *budget, uint64_t now_ms)
{
    size_t cut = 0;

    if (!output_budget_is_short(budget))
        return;
    budget->refused = false;
    for (h2o_linklist_t *link = budget->responses.next; link != &budget->responses;
         link = link->next) {
        const struct response *response = H2O_STRUCT_FROM_MEMBER(struct response, link, link);
        if (now_ms - response->since_ms < OUTPUT_LINGER_MS)
            break;
        connection_cut(response->req);
        ++cut;
    }
    if (cut != 0)
        log_event(LOG_LEVEL_WARNING, "answers-cut", "answers=%zu unsent_bytes=%zu", cut,
                  budget->bytes);
}
