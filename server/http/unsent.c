#include "server/http/unsent.h"

#include "server/http/connection.h"
#include "server/loop/worker.h"
#include "server/ops/log.h"

/* An answer that waits for its client; in the request's pool. */
struct answer {
    struct unsent *unsent;
    h2o_linklist_t link;
    h2o_req_t *req;
    size_t bytes;
    uint64_t since_ms;
};

static void on_answer_gone(void *data);
static void on_shared_gone(void *data);

/* `more` may be less than nothing. */
static void add(struct unsent *unsent, size_t more)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, unsent, unsent);

    unsent->bytes += more;
    metric_set(&worker->metrics->unsent_bytes, unsent->bytes);
}

void unsent_init(struct unsent *unsent, size_t max_bytes)
{
    *unsent = (struct unsent){.max_bytes = max_bytes};
    h2o_linklist_init_anchor(&unsent->answers);
}

bool unsent_admit(h2o_req_t *req, size_t bytes, size_t shared)
{
    struct unsent *unsent = &worker_of(req)->unsent;
    struct answer *answer;

    if (bytes + shared <= UNSENT_SMALL_BYTES)
        return true;
    if (unsent->bytes >= unsent->max_bytes ||
        bytes + shared > (unsent->max_bytes - unsent->bytes) / 2) {
        unsent->refused = true;
        return false;
    }
    answer = h2o_mem_alloc_shared(&req->pool, sizeof(*answer), on_answer_gone);
    *answer =
        (struct answer){.unsent = unsent, .req = req, .bytes = bytes, .since_ms = monotonic_ms()};
    h2o_linklist_insert(&unsent->answers, &answer->link);
    add(unsent, bytes);
    return true;
}

static void on_answer_gone(void *data)
{
    struct answer *answer = data;

    h2o_linklist_unlink(&answer->link);
    add(answer->unsent, -answer->bytes);
}

void *unsent_share(struct unsent *unsent, size_t bytes)
{
    struct unsent_shared *shared = h2o_mem_alloc_shared(NULL, bytes, on_shared_gone);

    *shared = (struct unsent_shared){unsent, bytes};
    add(unsent, bytes);
    return shared;
}

static void on_shared_gone(void *data)
{
    const struct unsent_shared *shared = data;

    add(shared->unsent, -shared->bytes);
}

bool unsent_is_short(const struct unsent *unsent)
{
    return unsent->refused || unsent->bytes > unsent->max_bytes / 2;
}

void unsent_look_over(struct unsent *unsent, uint64_t now_ms)
{
    size_t cut = 0;

    if (!unsent_is_short(unsent))
        return;
    unsent->refused = false;
    for (h2o_linklist_t *link = unsent->answers.next; link != &unsent->answers; link = link->next) {
        const struct answer *answer = H2O_STRUCT_FROM_MEMBER(struct answer, link, link);
        if (now_ms - answer->since_ms < UNSENT_PATIENCE_MS)
            break;
        connection_cut(answer->req);
        ++cut;
    }
    if (cut != 0)
        log_event(LOG_LEVEL_WARNING, "answers-cut", "answers=%zu unsent_bytes=%zu", cut,
                  unsent->bytes);
}
