#include "server/http/output_budget.h"

#include "server/http/connection.h"
#include "server/loop/worker.h"
#include "server/ops/log.h"

/* An answer that waits for its client; in the request's pool. */
struct answer {
    struct output_budget *budget;
    h2o_linklist_t link;
    h2o_req_t *req;
    size_t bytes;
    uint64_t since_ms;
};

static void on_answer_gone(void *data);
static void on_shared_gone(void *data);

/* `more` may be less than nothing. */
static void add(struct output_budget *budget, size_t more)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, budget, budget);

    budget->bytes += more;
    metric_set(&worker->metrics->unsent_bytes, budget->bytes);
}

void output_budget_init(struct output_budget *budget, size_t max_bytes)
{
    *budget = (struct output_budget){.max_bytes = max_bytes};
    h2o_linklist_init_anchor(&budget->answers);
}

bool output_budget_admit(h2o_req_t *req, size_t bytes, size_t shared)
{
    struct output_budget *budget = &worker_of(req)->budget;
    struct answer *answer;

    if (bytes + shared <= OUTPUT_SMALL_BYTES)
        return true;
    if (budget->bytes >= budget->max_bytes ||
        bytes + shared > (budget->max_bytes - budget->bytes) / 2) {
        budget->refused = true;
        return false;
    }
    answer = h2o_mem_alloc_shared(&req->pool, sizeof(*answer), on_answer_gone);
    *answer =
        (struct answer){.budget = budget, .req = req, .bytes = bytes, .since_ms = monotonic_ms()};
    h2o_linklist_insert(&budget->answers, &answer->link);
    add(budget, bytes);
    return true;
}

static void on_answer_gone(void *data)
{
    struct answer *answer = data;

    h2o_linklist_unlink(&answer->link);
    add(answer->budget, -answer->bytes);
}

void *output_budget_share(struct output_budget *budget, size_t bytes)
{
    struct output_share *shared = h2o_mem_alloc_shared(NULL, bytes, on_shared_gone);

    *shared = (struct output_share){budget, bytes};
    add(budget, bytes);
    return shared;
}

static void on_shared_gone(void *data)
{
    const struct output_share *shared = data;

    add(shared->budget, -shared->bytes);
}

bool output_budget_is_short(const struct output_budget *budget)
{
    return budget->refused || budget->bytes > budget->max_bytes / 2;
}

void output_budget_look_over(struct output_budget *budget, uint64_t now_ms)
{
    size_t cut = 0;

    if (!output_budget_is_short(budget))
        return;
    budget->refused = false;
    for (h2o_linklist_t *link = budget->answers.next; link != &budget->answers; link = link->next) {
        const struct answer *answer = H2O_STRUCT_FROM_MEMBER(struct answer, link, link);
        if (now_ms - answer->since_ms < OUTPUT_PATIENCE_MS)
            break;
        connection_cut(answer->req);
        ++cut;
    }
    if (cut != 0)
        log_event(LOG_LEVEL_WARNING, "answers-cut", "answers=%zu unsent_bytes=%zu", cut,
                  budget->bytes);
}
