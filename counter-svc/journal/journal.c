#include "counter-svc/journal/journal_private.h"

#include "base/memory.h"
#include "base/random.h"
#include "counter-svc/ledger/refusal.h"
#include "server/ops/log.h"

#include <stdlib.h>

/* How often the head is looked at when nothing else does: so long a counter-svc that is not used may be
 * behind, and an edit go unnoticed. */
#define REFRESH_MS 1000

/* The pause after a passing failure, with jitter. */
#define RETRY_PAUSE_MS 20

/* How long no path is looked up after that has failed: the table may be locked, and a look-up that waits
 * holds up the batches whose paths are known. */
#define LOOK_UP_PAUSE_MS 500

static void on_ready(void *data);
static void on_lost(void *data);
static void on_folded(void *data, int64_t position);
static void on_deferred(struct deferred *deferred);
static void on_overdue(struct timer *timer);
static void on_pause_over(struct timer *timer);
static void on_refresh_due(struct timer *timer);

struct journal *journal_open(struct worker *worker, const struct session_settings *session_settings,
                             const struct journal_settings *settings,
                             const struct journal_owner *owner)
{
    struct journal *journal = memory_allocate(1, sizeof(*journal));

    journal->worker = worker;
    journal->metrics = counter_metrics_of(worker);
    journal->settings = settings;
    journal->owner = *owner;
    journal->writer = (int64_t)(random_bits() >> 1);
    journal->problem = "PostgreSQL is not connected yet.";
    metric_set(&journal->metrics->ledger_max_paths, (uint64_t)settings->max_paths);
    metric_set(&journal->metrics->max_unfolded, (uint64_t)settings->max_unfolded);
    metric_set(&journal->metrics->max_cached_bytes, (uint64_t)settings->max_cached_bytes);
    state_init(&journal->state);
    h2o_linklist_init_anchor(&journal->queue);
    h2o_linklist_init_anchor(&journal->taken);
    timer_queue_init(&journal->deadlines, &worker->timers, (uint64_t)settings->batch_deadline_ms);
    timer_start_after(&worker->timers, &journal->refresh, REFRESH_MS, on_refresh_due);
    journal->session = session_open(worker, session_settings, SESSION_JOURNAL,
                                    &(struct session_owner){on_ready, on_lost, journal});
    journal->fold = fold_open(worker, session_settings, &settings->fold, &journal->state,
                              &(struct fold_owner){on_folded, journal});
    return journal;
}

const struct state *journal_state(const struct journal *journal)
{
    return journal->state.is_loaded ? &journal->state : NULL;
}

const char *journal_problem(const struct journal *journal)
{
    return journal->problem;
}

void journal_set_problem(struct journal *journal, const char *problem)
{
    if (journal->problem == problem)
        return;
    journal->problem = problem;
    journal->owner.on_change(journal->owner.data);
}

void journal_fold(struct journal *journal)
{
    fold_soon(journal->fold);
}

/* --- requests --- */

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

_Static_assert(METRICS_N_OUTCOMES == JOURNAL_UNAVAILABLE + 1, "each outcome has its number");

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

size_t journal_host(const struct journal *journal)
{
    return session_host(journal->session);
}

bool journal_has_ledger(const struct journal *journal)
{
    return session_is_ready(journal->session);
}

/* Whether requests can wait for something: a session that is there, or only has to be told to migrate. */
static bool can_wait(const struct journal *journal)
{
    return session_problem(journal->session) == NULL;
}

static struct journal_request *add(struct journal *journal, enum request_kind kind,
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
        request->overdue = true; /* answered at the end of the turn */
    else
        timer_start(&journal->deadlines, &request->deadline, on_overdue);
    journal_kick(journal);
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

static void dequeue(struct journal_request *request)
{
    h2o_linklist_unlink(&request->link);
    --request->journal->n_queued;
}

/* Answers and frees a request that is in no list. */
static void finish(struct journal_request *request, enum journal_outcome outcome)
{
    struct journal_result result = {.outcome = outcome};

    if (outcome == JOURNAL_APPLIED || outcome == JOURNAL_REPEAT) {
        result.numbers = request->numbers;
        result.lane = request->lane;
    }
    count_answered(request, outcome);
    timer_stop(&request->deadline);
    if (request->callback != NULL)
        request->callback(request->data, &result);
    hits_free(&request->hits);
    free(request->numbers);
    free(request);
}

void journal_cancel(struct journal_request *request)
{
    request->callback = NULL;
    for (h2o_linklist_t *link = request->journal->queue.next; link != &request->journal->queue;
         link = link->next) {
        if (link != &request->link)
            continue;
        dequeue(request);
        finish(request, JOURNAL_UNAVAILABLE);
        return;
    }
    /* otherwise it is at PostgreSQL, and goes its way */
}

void journal_take(struct journal_request *request, enum journal_outcome outcome)
{
    dequeue(request);
    request->outcome = outcome;
    h2o_linklist_insert(&request->journal->taken, &request->link);
}

void journal_put_back(struct journal *journal)
{
    while (!h2o_linklist_is_empty(&journal->taken)) {
        struct journal_request *request = request_of(journal->taken.prev);
        h2o_linklist_unlink(&request->link);
        free(request->numbers);
        request->numbers = NULL;
        if (request->callback == NULL) {
            finish(request, JOURNAL_UNAVAILABLE);
            continue;
        }
        h2o_linklist_insert(journal->queue.next, &request->link);
        ++journal->n_queued;
    }
}

void journal_answer(h2o_linklist_t *list)
{
    while (!h2o_linklist_is_empty(list)) {
        struct journal_request *request = request_of(list->next);
        h2o_linklist_unlink(&request->link);
        finish(request, request->outcome);
    }
}

void journal_answer_unavailable(h2o_linklist_t *list)
{
    while (!h2o_linklist_is_empty(list)) {
        struct journal_request *request = request_of(list->next);
        h2o_linklist_unlink(&request->link);
        finish(request, JOURNAL_UNAVAILABLE);
    }
}

/* Its time is up: if it still waits it is answered at the end of the turn. */
static void on_overdue(struct timer *timer)
{
    struct journal_request *request =
        H2O_STRUCT_FROM_MEMBER(struct journal_request, deadline, timer);

    request->overdue = true;
    journal_kick(request->journal);
}

/* Answers the requests that cannot or need not wait any longer. */
static void drop_overdue(struct journal *journal)
{
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = journal->queue.next; link != &journal->queue; link = next) {
        struct journal_request *request = request_of(link);
        next = link->next;
        if (!request->overdue && can_wait(journal))
            continue;
        dequeue(request);
        finish(request, JOURNAL_UNAVAILABLE);
    }
}

/* --- which statement is next --- */

void journal_kick(struct journal *journal)
{
    worker_defer(journal->worker, &journal->deferred, on_deferred);
}

/* A renderer has reached this program, so the ledger may be made its own: older programs cannot count
 * any more from then on. Reads do not do that. */
static void migrate_if_wanted(struct journal *journal)
{
    if (!session_awaits_migration(journal->session))
        return;
    for (h2o_linklist_t *link = journal->queue.next; link != &journal->queue; link = link->next) {
        if (request_of(link)->kind == REQUEST_READ)
            continue;
        session_migrate(journal->session);
        return;
    }
}

static void on_deferred(struct deferred *deferred)
{
    struct journal *journal = H2O_STRUCT_FROM_MEMBER(struct journal, deferred, deferred);

    drop_overdue(journal);
    migrate_if_wanted(journal);
    journal_step(journal);
}

void journal_step(struct journal *journal)
{
    if (journal->activity != JOURNAL_IDLE || timer_is_waiting(&journal->pause) ||
        !session_is_idle(journal->session))
        return;
    INVARIANT(h2o_linklist_is_empty(&journal->taken));
    journal->sent_ns = monotonic_ns();
    if (!journal->state.is_loaded)
        load_send(journal);
    else if (journal->is_behind)
        catch_up_send(journal);
    else if (!append_send(journal) && journal->head_wanted)
        head_send(journal);
}

void journal_pause(struct journal *journal, uint64_t pause_ms)
{
    timer_stop(&journal->pause);
    timer_start_after(&journal->worker->timers, &journal->pause, pause_ms + jitter(pause_ms),
                      on_pause_over);
}

static void on_pause_over(struct timer *timer)
{
    journal_kick(H2O_STRUCT_FROM_MEMBER(struct journal, pause, timer));
}

static void on_refresh_due(struct timer *timer)
{
    struct journal *journal = H2O_STRUCT_FROM_MEMBER(struct journal, refresh, timer);

    int64_t silent_ms = journal->state.now_ms - journal->settings->lane_forget_s * 1000, lane;

    if (session_is_ready(journal->session))
        fold_migrate(journal->fold); /* its own look at the schema may have come later */
    journal->head_wanted = true;
    journal->forget_due = state_silent_lanes(&journal->state, silent_ms, &lane, 1) != 0;
    timer_start_after(&journal->worker->timers, &journal->refresh, REFRESH_MS, on_refresh_due);
    journal_kick(journal);
}

/* The next append, or a look at the head, says how far the tables are. */
static void on_folded(void *data, int64_t position)
{
    struct journal *journal = data;

    journal->head_wanted = true;
    journal_kick(journal);
    journal->owner.on_folded(journal->owner.data, position);
}

/* --- when it does not work --- */

/* Whether it may work when it is tried again: a conflict of transactions, no room, a lock, PostgreSQL
 * ends or is busy, the connection. */
static bool is_passing(const char *sqlstate)
{
    return refusal_is_of_class(sqlstate, "40 53 55 57 08");
}

/* The line names the first of the requests that the statement was for; it may have been for none. */
static void log_failure(const struct journal *journal, const struct pg_answer *answer)
{
    const char *trace = "none";
    size_t batches = 0;

    for (h2o_linklist_t *link = journal->taken.next; link != &journal->taken; link = link->next) {
        if (batches == 0)
            trace = request_of(link)->trace.id;
        batches += request_of(link)->kind == REQUEST_BATCH;
    }
    log_event(LOG_LEVEL_WARNING, "journal-failed", "sqlstate=%s batches=%zu error=%s trace=%s",
              answer->sqlstate, batches, LOG_QUOTED(answer->message), trace);
}

/* Whether appends have been refused for as long as one may go unanswered, and another host may do better.
 * At a primary that was replaced, an append that hangs holds the next position: every further one, of
 * whichever process, is refused for the lock that it waits for. */
static bool must_leave_host(struct journal *journal)
{
    uint64_t now_ms = monotonic_ms();

    if (journal->refused_since_ms == 0)
        journal->refused_since_ms = now_ms;
    return session_has_several_hosts(journal->session) &&
           now_ms - journal->refused_since_ms >= session_deadline_ms(journal->session);
}

bool journal_is_done(struct journal *journal, const struct pg_answer *answer)
{
    struct counter_metrics *metrics = journal->metrics;
    bool was_look_up = journal->activity == JOURNAL_LOOKING_UP;
    bool was_append = journal->activity == JOURNAL_APPENDING;

    journal->activity = JOURNAL_IDLE;
    if (answer->outcome == PG_DONE)
        return true;
    if (answer->outcome == PG_LOST) {
        metric_add(&metrics->commit_failures[FAILURE_LOST], 1);
        journal_answer_unavailable(&journal->taken);
        return false;
    }
    log_failure(journal, answer);
    if (is_passing(answer->sqlstate) && was_append && must_leave_host(journal)) {
        metric_add(&metrics->commit_failures[FAILURE_PASSING], 1);
        journal_put_back(journal);
        session_leave_host(journal->session, "appends have been refused for too long");
    } else if (is_passing(answer->sqlstate)) {
        metric_add(&metrics->commit_failures[FAILURE_PASSING], 1);
        journal_put_back(journal);
        journal_pause(journal, RETRY_PAUSE_MS);
        if (was_look_up)
            journal->look_up_after_ms = monotonic_ms() + LOOK_UP_PAUSE_MS;
    } else {
        /* a missing table, a bug: the schema is to be looked at anew */
        metric_add(&metrics->commit_failures[FAILURE_OTHER], 1);
        journal_answer_unavailable(&journal->taken);
        session_fail(journal->session, "A statement of the journal failed", answer);
    }
    journal_kick(journal);
    return false;
}

void journal_reset(struct journal *journal, const char *reason)
{
    journal_answer_unavailable(&journal->taken);
    session_reset(journal->session, reason);
}

/* --- the session --- */

/* Whatever was unknown when the last connection went, an append or a look at the head tells: nothing
 * needs to be read anew. */
static void on_ready(void *data)
{
    struct journal *journal = data;

    journal->is_behind = true;
    journal->just_looked_up = false;
    journal->refused_since_ms = 0;
    if (session_awaits_migration(journal->session))
        journal_set_problem(journal, NULL); /* it can count as soon as it is asked to */
    else
        fold_migrate(journal->fold);
    fold_follow(journal->fold, session_host(journal->session));
    journal->owner.on_change(journal->owner.data);
    journal_kick(journal);
}

static void on_lost(void *data)
{
    struct journal *journal = data;

    journal_set_problem(journal, session_problem(journal->session));
    journal_kick(journal);
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    fold_close(journal->fold);
    session_close(journal->session);
    for (int i = 0; i < 2; ++i) {
        h2o_linklist_t *list = i == 0 ? &journal->queue : &journal->taken;
        for (h2o_linklist_t *link = list->next; link != list; link = link->next)
            request_of(link)->callback = NULL;
        journal_answer_unavailable(list);
    }
    for (size_t i = 0; i < journal->entry.n_paths; ++i)
        if (journal->entry.paths[i].slot != NULL)
            journal->entry.paths[i].slot->place = 0;
    timer_stop(&journal->pause);
    timer_stop(&journal->refresh);
    deferred_cancel(&journal->deferred);
    timer_queue_fini(&journal->deadlines);
    state_fini(&journal->state);
    buffer_free(&journal->parameters);
    buffer_free(&journal->missing);
    free(journal);
}
