/* Requests of the journal, from their start to their answer: the queue, deadlines, metrics. */
#include "counter-svc/journal/journal_private.h"

#include "base/memory.h"

#include <stdlib.h>

static void on_batch_deadline(struct timer *timer);

/* Returns the sum of the hits of all entries. */
static int64_t hits_of(const struct batch *batch)
{
    int64_t hits = 0;

    for (size_t i = 0; i < batch->size; ++i)
        hits += batch->entries[i].hits;
    return hits;
}

static void count_received(const struct journal_request *request)
{
    struct counter_metrics *metrics = request->journal->metrics;

    if (request->kind == REQUEST_READ)
        metric_add(&metrics->reads_waiting, 1);
    if (request->kind != REQUEST_BATCH)
        return;
    metric_add(&metrics->batches_received, 1);
    metric_add(&metrics->batches_waiting, 1);
    metric_add(&metrics->hits_received, (uint64_t)request->n_hits);
    metric_add(&metrics->hits_waiting, (uint64_t)request->n_hits);
}

_Static_assert(METRICS_N_OUTCOMES == JOURNAL_UNAVAILABLE + 1, "each outcome has its metric");

static void count_answered(const struct journal_request *request, enum journal_outcome outcome)
{
    struct counter_metrics *metrics = request->journal->metrics;

    if (request->kind == REQUEST_READ)
        metric_subtract(&metrics->reads_waiting, 1);
    if (request->kind == REQUEST_LANE && outcome == JOURNAL_APPLIED)
        metric_add(&metrics->lanes_opened, 1);
    if (request->kind != REQUEST_BATCH)
        return;
    metric_subtract(&metrics->batches_waiting, 1);
    metric_add(&metrics->batches_answered[outcome], 1);
    metric_subtract(&metrics->hits_waiting, (uint64_t)request->n_hits);
    metric_add(&metrics->hits_answered[outcome], (uint64_t)request->n_hits);
}

/* Returns whether requests may wait: the session is ready, or awaits the migration. */
static bool can_wait(const struct journal *journal)
{
    return session_problem(journal->session) == NULL;
}

/* Adds a request to the queue. Takes over `hits`, which is NULL unless the request is a batch. */
static struct journal_request *add(struct journal *journal, enum journal_request_kind kind,
                                   struct hits *hits, const struct trace *trace,
                                   journal_callback callback, void *data)
{
    struct journal_request *request = memory_allocate(1, sizeof(*request));

    *request = (struct journal_request){
        .journal = journal, .kind = kind, .trace = *trace, .callback = callback, .data = data};
    if (hits != NULL) {
        request->hits = *hits;
        *hits = (struct hits){0};
        request->n_hits = hits_of(&request->hits.batch);
    }
    count_received(request);
    h2o_linklist_insert(&journal->queue, &request->link);
    if (++journal->n_queued > journal->settings->max_batches || !can_wait(journal))
        request->expired = true; /* answered at the end of the turn */
    else
        timer_start(&journal->deadlines, &request->deadline, on_batch_deadline);
    journal_schedule(journal);
    return request;
}

struct journal_request *journal_add_batch(struct journal *journal, struct hits *hits,
                                          const struct trace *trace, journal_callback callback,
                                          void *data)
{
    return add(journal, REQUEST_BATCH, hits, trace, callback, data);
}

struct journal_request *journal_add_lane(struct journal *journal, const struct trace *trace,
                                         journal_callback callback, void *data)
{
    return add(journal, REQUEST_LANE, NULL, trace, callback, data);
}

struct journal_request *journal_add_read(struct journal *journal, const struct trace *trace,
                                         journal_callback callback, void *data)
{
    return add(journal, REQUEST_READ, NULL, trace, callback, data);
}

const struct batch *journal_batch(const struct journal_request *request)
{
    return &request->hits.batch;
}

/* Removes a request from the queue. */
static void dequeue(struct journal_request *request)
{
    INVARIANT(request->state == REQUEST_QUEUED && request->journal->n_queued > 0);
    INVARIANT(h2o_linklist_is_linked(&request->link));
    h2o_linklist_unlink(&request->link);
    --request->journal->n_queued;
}

/* Answers and frees a request that is in no list. */
static void finish(struct journal_request *request, enum journal_outcome outcome)
{
    struct journal_result result = {.outcome = outcome};

    if (outcome == JOURNAL_APPLIED || outcome == JOURNAL_REPEAT) {
        result.hit_counts = request->hit_counts;
        result.lane = request->lane;
    }
    INVARIANT(outcome == JOURNAL_UNAVAILABLE || request->state == REQUEST_TAKEN);
    INVARIANT(request->kind != REQUEST_BATCH || result.outcome > JOURNAL_REPEAT ||
              request->hit_counts != NULL);
    count_answered(request, outcome);
    timer_stop(&request->deadline);
    if (request->callback != NULL)
        request->callback(request->data, &result);
    hits_free(&request->hits);
    free(request->hit_counts);
    free(request);
}

void journal_cancel(struct journal_request *request)
{
    request->callback = NULL;
    if (request->state == REQUEST_TAKEN)
        return; /* its statement is in flight */
    dequeue(request);
    finish(request, JOURNAL_UNAVAILABLE);
}

void journal_take(struct journal_request *request, enum journal_outcome outcome)
{
    dequeue(request);
    request->state = REQUEST_TAKEN;
    request->outcome = outcome;
    h2o_linklist_insert(&request->journal->taken, &request->link);
}

void journal_put_back(struct journal *journal)
{
    while (!h2o_linklist_is_empty(&journal->taken)) {
        struct journal_request *request = journal_request_of(journal->taken.prev);
        h2o_linklist_unlink(&request->link);
        free(request->hit_counts);
        request->hit_counts = NULL;
        if (request->callback == NULL) {
            finish(request, JOURNAL_UNAVAILABLE);
            continue;
        }
        request->state = REQUEST_QUEUED;
        h2o_linklist_insert(journal->queue.next, &request->link);
        ++journal->n_queued;
    }
}

void journal_answer(h2o_linklist_t *list)
{
    while (!h2o_linklist_is_empty(list)) {
        struct journal_request *request = journal_request_of(list->next);
        h2o_linklist_unlink(&request->link);
        finish(request, request->outcome);
    }
}

void journal_answer_unavailable(h2o_linklist_t *list)
{
    while (!h2o_linklist_is_empty(list)) {
        struct journal_request *request = journal_request_of(list->next);
        h2o_linklist_unlink(&request->link);
        finish(request, JOURNAL_UNAVAILABLE);
    }
}

/* The deadline has passed. If the request still waits at the end of the turn, it is answered. */
static void on_batch_deadline(struct timer *timer)
{
    struct journal_request *request =
        H2O_STRUCT_FROM_MEMBER(struct journal_request, deadline, timer);

    request->expired = true;
    journal_schedule(request->journal);
}

void journal_drop_expired(struct journal *journal)
{
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = journal->queue.next; link != &journal->queue; link = next) {
        struct journal_request *request = journal_request_of(link);
        next = link->next;
        if (!request->expired && can_wait(journal))
            continue;
        dequeue(request);
        finish(request, JOURNAL_UNAVAILABLE);
    }
}

void journal_free_requests(struct journal *journal)
{
    h2o_linklist_t *lists[] = {&journal->queue, &journal->taken};

    for (size_t i = 0; i < 2; ++i) {
        for (h2o_linklist_t *link = lists[i]->next; link != lists[i]; link = link->next)
            journal_request_of(link)->callback = NULL;
        journal_answer_unavailable(lists[i]);
    }
}
