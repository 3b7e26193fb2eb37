#include "counter-svc/writer_private.h"

#include <stdlib.h>
#include <string.h>

static void on_ready(void *data);
static void on_lost(void *data);
static void on_turn_end(struct turn_end *turn_end);
static void on_overdue(struct timer *timer);

struct writer *writer_open(struct worker *worker, const struct session_settings *session_settings,
                           const struct writer_settings *settings,
                           void (*on_change)(struct worker *worker))
{
    size_t count = (size_t)settings->sessions, size = count * sizeof(struct write_session);
    struct writer *writer = h2o_mem_alloc(sizeof(*writer) + size);

    memset(writer, 0, sizeof(*writer) + size);
    writer->worker = worker;
    writer->metrics = counter_metrics_of(worker);
    metric_set(&writer->metrics->ledger_max_paths, (uint64_t)settings->max_paths);
    writer->settings = settings;
    writer->on_change = on_change;
    writer->n_sessions = count;
    h2o_linklist_init_anchor(&writer->queue);
    h2o_linklist_init_anchor(&writer->requests);
    timer_queue_init(&writer->deadlines, &worker->timers, (uint64_t)settings->deadline_ms);
    lanes_start_forgetting(writer);
    for (size_t i = 0; i < count; ++i) {
        struct session_owner owner = {on_ready, on_lost, &writer->sessions[i]};
        writer->sessions[i].writer = writer;
        writer->sessions[i].session = session_open(worker, session_settings, &owner);
    }
    return writer;
}

bool writer_is_ready(const struct writer *writer)
{
    return writer->n_ready != 0;
}

/* --- a batch's way --- */

static int64_t hits_of(const struct batch *batch)
{
    int64_t hits = 0;

    for (size_t i = 0; i < batch->size; ++i)
        hits += batch->entries[i].hits;
    return hits;
}

static void count_received(const struct write *write)
{
    struct counter_metrics *metrics = write->writer->metrics;

    metric_add(&metrics->batches_received, 1);
    metric_add(&metrics->batches_waiting, 1);
    metric_add(&metrics->hits_received, (uint64_t)write->n_hits);
    metric_add(&metrics->hits_waiting, (uint64_t)write->n_hits);
}

_Static_assert(METRICS_N_WRITE_OUTCOMES == WRITE_UNAVAILABLE + 1, "each outcome has its number");

static void count_answered(const struct write *write, enum write_outcome outcome)
{
    struct counter_metrics *metrics = write->writer->metrics;

    metric_subtract(&metrics->batches_waiting, 1);
    metric_add(&metrics->batches_answered[outcome], 1);
    metric_subtract(&metrics->hits_waiting, (uint64_t)write->n_hits);
    metric_add(&metrics->hits_answered[outcome], (uint64_t)write->n_hits);
}

struct write *writer_add(struct writer *writer, struct hits *hits, const struct trace *trace,
                         write_callback callback, void *data)
{
    struct write *write = h2o_mem_alloc(sizeof(*write));

    *write = (struct write){
        .writer = writer, .hits = *hits, .trace = *trace, .callback = callback, .data = data};
    *hits = (struct hits){0};
    write->n_hits = hits_of(&write->hits.batch);
    count_received(write);
    h2o_linklist_insert(&writer->queue, &write->link);
    if (++writer->n_queued > writer->settings->max_batches || writer->n_ready == 0)
        write->overdue = true; /* answered at the end of the turn */
    else
        timer_start(&writer->deadlines, &write->deadline, on_overdue);
    writer_kick(writer);
    return write;
}

const struct batch *write_batch(const struct write *write)
{
    return &write->hits.batch;
}

void write_dequeue(struct write *write)
{
    h2o_linklist_unlink(&write->link);
    --write->writer->n_queued;
}

void write_enqueue(struct write *write, bool to_tail)
{
    struct writer *writer = write->writer;

    if (write->callback == NULL) {
        write_finish(write, WRITE_UNAVAILABLE, NULL);
        return;
    }
    h2o_linklist_insert(to_tail ? &writer->queue : writer->queue.next, &write->link);
    ++writer->n_queued;
}

void write_finish(struct write *write, enum write_outcome outcome, const struct number *numbers)
{
    count_answered(write, outcome);
    timer_stop(&write->deadline);
    if (write->callback != NULL)
        write->callback(write->data, outcome, numbers);
    hits_free(&write->hits);
    free(write);
}

void write_abandon(struct write *write)
{
    write->callback = NULL;
    if (!h2o_linklist_is_linked(&write->link))
        return; /* it is at PostgreSQL */
    write_dequeue(write);
    write_finish(write, WRITE_UNAVAILABLE, NULL);
}

/* Its time is up: if it still waits it is answered at the end of the turn. */
static void on_overdue(struct timer *timer)
{
    struct write *write = H2O_STRUCT_FROM_MEMBER(struct write, deadline, timer);

    write->overdue = true;
    writer_kick(write->writer);
}

void writer_kick(struct writer *writer)
{
    worker_at_turn_end(writer->worker, &writer->turn_end, on_turn_end);
}

/* Answers the batches that cannot or need not wait any longer. */
static void drop_overdue(struct writer *writer)
{
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = writer->queue.next; link != &writer->queue; link = next) {
        struct write *write = write_of(link);
        next = link->next;
        if (!write->overdue && writer->n_ready != 0)
            continue;
        write_dequeue(write);
        write_finish(write, WRITE_UNAVAILABLE, NULL);
    }
    if (writer->n_ready == 0)
        lanes_drop_requests(writer);
}

static void on_turn_end(struct turn_end *turn_end)
{
    struct writer *writer = H2O_STRUCT_FROM_MEMBER(struct writer, turn_end, turn_end);

    drop_overdue(writer);
    for (size_t i = 0; i < writer->n_sessions; ++i) {
        struct write_session *session = &writer->sessions[i];
        if (session->busy || timer_is_waiting(&session->pause) ||
            !session_is_idle(session->session))
            continue;
        if (!lanes_send(session) && !apply_send(session))
            return; /* nothing waits */
    }
}

/* --- sessions --- */

/* The worker can write as long as one of its sessions can. */
static void count_ready(struct writer *writer)
{
    writer->n_ready = 0;
    for (size_t i = 0; i < writer->n_sessions; ++i)
        writer->n_ready += session_is_ready(writer->sessions[i].session);
    writer->on_change(writer->worker);
    writer_kick(writer);
}

static void on_ready(void *data)
{
    count_ready(((struct write_session *)data)->writer);
}

static void on_lost(void *data)
{
    count_ready(((struct write_session *)data)->writer);
}

void writer_close(struct writer *writer)
{
    if (writer == NULL)
        return;
    for (size_t i = 0; i < writer->n_sessions; ++i) {
        struct write_session *session = &writer->sessions[i];
        session_close(session->session);
        timer_stop(&session->pause);
        for (size_t j = 0; j < session->n_writes; ++j)
            session->writes[j]->callback = NULL;
        apply_finish_all(session, WRITE_UNAVAILABLE);
        free(session->request);
    }
    while (!h2o_linklist_is_empty(&writer->queue))
        write_abandon(write_of(writer->queue.next));
    while (!h2o_linklist_is_empty(&writer->requests))
        lane_request_abandon(
            H2O_STRUCT_FROM_MEMBER(struct lane_request, link, writer->requests.next));
    timer_stop(&writer->forget);
    turn_end_cancel(&writer->turn_end);
    timer_queue_fini(&writer->deadlines);
    free(writer);
}
