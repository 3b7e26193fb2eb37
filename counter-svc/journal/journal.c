/* Which statement is next, failures, and the checkpoint. README.md has the diagram. */
#include "counter-svc/journal/journal_private.h"

#include "base/memory.h"
#include "base/random.h"
#include "counter-svc/ledger/refusal.h"
#include "server/ops/log.h"

#include <stdlib.h>

/* Interval at which the head is read if there is no other statement, in milliseconds. An idle
 * counter-svc is at most this far behind, and notices an edit within this time. */
#define REFRESH_MS 1000

/* The pause after a transient failure, in milliseconds; jitter is added. */
#define RETRY_PAUSE_MS 20

/* The pause of look-ups after one has failed, in milliseconds. The table may be locked, and a
 * look-up that waits delays batches whose paths are known. */
#define LOOK_UP_PAUSE_MS 500

static void on_session_ready(void *data);
static void on_session_lost(void *data);
static void on_entries_folded(void *data, int64_t position);
static void end_turn(struct deferred *deferred);
static void on_journal_pause_over(struct timer *timer);
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
    journal->session =
        session_open(worker, session_settings, SESSION_JOURNAL,
                     &(struct session_owner){on_session_ready, on_session_lost, journal});
    journal->fold = fold_open(worker, session_settings, &settings->fold, &journal->state,
                              &(struct fold_owner){on_entries_folded, journal});
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
    fold_force(journal->fold);
}

size_t journal_host(const struct journal *journal)
{
    return session_host(journal->session);
}

bool journal_has_ledger(const struct journal *journal)
{
    return session_is_ready(journal->session);
}

/* --- which statement is next --- */

void journal_schedule(struct journal *journal)
{
    worker_defer(journal->worker, &journal->deferred, end_turn);
}

/* Migrates the schema once a batch or a lane waits: that proves that a renderer has reached this
 * program, so the migration may exclude older programs. A read does not prove that. */
static void migrate_if_wanted(struct journal *journal)
{
    if (!session_awaits_migration(journal->session))
        return;
    for (h2o_linklist_t *link = journal->queue.next; link != &journal->queue; link = link->next) {
        if (journal_request_of(link)->kind == REQUEST_READ)
            continue;
        session_migrate(journal->session);
        return;
    }
}

/* Runs at the end of the turn, when everything that the turn brought is queued. */
static void end_turn(struct deferred *deferred)
{
    struct journal *journal = H2O_STRUCT_FROM_MEMBER(struct journal, deferred, deferred);

    journal_drop_expired(journal);
    migrate_if_wanted(journal);
    journal_step(journal);
}

void journal_step(struct journal *journal)
{
    if (journal->activity != JOURNAL_IDLE || timer_is_waiting(&journal->pause) ||
        !session_is_idle(journal->session))
        return;
    INVARIANT(h2o_linklist_is_empty(&journal->taken));
    if (!journal->state.is_loaded)
        load_send(journal);
    else if (journal->is_behind)
        catch_up_send(journal);
    else if (!append_send(journal) && journal->head_wanted)
        head_send(journal);
}

void journal_begin(struct journal *journal, enum journal_activity activity)
{
    INVARIANT(journal->activity == JOURNAL_IDLE && activity != JOURNAL_IDLE);
    INVARIANT(journal->state.is_loaded == (activity != JOURNAL_LOADING));
    journal->activity = activity;
    journal->sent_ns = monotonic_ns();
}

void journal_pause(struct journal *journal, uint64_t pause_ms)
{
    timer_stop(&journal->pause);
    timer_start_after(&journal->worker->timers, &journal->pause, pause_ms + jitter(pause_ms),
                      on_journal_pause_over);
}

static void on_journal_pause_over(struct timer *timer)
{
    journal_schedule(H2O_STRUCT_FROM_MEMBER(struct journal, pause, timer));
}

/* Runs every REFRESH_MS. While no hits arrive, it notices entries of others, edits and expired
 * lanes. */
static void on_refresh_due(struct timer *timer)
{
    struct journal *journal = H2O_STRUCT_FROM_MEMBER(struct journal, refresh, timer);
    int64_t used_before_ms = journal->state.now_ms - journal->settings->lane_ttl_s * 1000, lane;

    if (session_is_ready(journal->session))
        fold_migrate(journal->fold); /* its session may have read the schema later */
    journal->head_wanted = true;
    journal->lanes_expired = state_expired_lanes(&journal->state, used_before_ms, &lane, 1) != 0;
    timer_start_after(&journal->worker->timers, &journal->refresh, REFRESH_MS, on_refresh_due);
    journal_schedule(journal);
}

/* A fold has succeeded. The next append or head returns the checkpoint. */
static void on_entries_folded(void *data, int64_t position)
{
    struct journal *journal = data;

    journal->head_wanted = true;
    journal_schedule(journal);
    journal->owner.on_folded(journal->owner.data, position);
}

/* --- failures --- */

/* Returns whether a failure is transient: a conflict of transactions, a full disk, a lock, a server
 * that stops or is busy, the connection. */
static bool is_transient(const char *sqlstate)
{
    return refusal_is_of_class(sqlstate, "40 53 55 57 08");
}

/* Logs a failure with the trace of the first request, if there is one. */
static void log_failure(const struct journal *journal, const struct pg_answer *answer)
{
    const char *trace = "none";
    size_t batches = 0;

    for (h2o_linklist_t *link = journal->taken.next; link != &journal->taken; link = link->next) {
        if (batches == 0)
            trace = journal_request_of(link)->trace.id;
        batches += journal_request_of(link)->kind == REQUEST_BATCH;
    }
    log_event(LOG_LEVEL_WARNING, "journal-failed", "sqlstate=%s batches=%zu error=%s trace=%s",
              answer->sqlstate, batches, LOG_QUOTED(answer->message), trace);
}

/* Returns whether appends have been refused for as long as a statement may take, and there is
 * another host. On a primary that was replaced, one append that hangs holds the next position. All
 * further appends of all processes wait for its lock and are refused. */
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

    INVARIANT(journal->activity != JOURNAL_IDLE);
    journal->activity = JOURNAL_IDLE;
    if (answer->outcome == PG_DONE)
        return true;
    if (answer->outcome == PG_LOST) {
        metric_add(&metrics->commit_failures[FAILURE_LOST], 1);
        journal_answer_unavailable(&journal->taken);
        return false;
    }
    log_failure(journal, answer);
    if (is_transient(answer->sqlstate) && was_append && must_leave_host(journal)) {
        metric_add(&metrics->commit_failures[FAILURE_PASSING], 1);
        journal_put_back(journal);
        session_leave_host(journal->session, "appends have been refused for too long");
    } else if (is_transient(answer->sqlstate)) {
        metric_add(&metrics->commit_failures[FAILURE_PASSING], 1);
        journal_put_back(journal);
        journal_pause(journal, RETRY_PAUSE_MS);
        if (was_look_up)
            journal->look_up_after_ms = monotonic_ms() + LOOK_UP_PAUSE_MS;
    } else {
        /* A table may be missing. A new session reads the schema. */
        metric_add(&metrics->commit_failures[FAILURE_OTHER], 1);
        journal_answer_unavailable(&journal->taken);
        session_fail(journal->session, "A statement of the journal failed", answer);
    }
    journal_schedule(journal);
    return false;
}

void journal_reset(struct journal *journal, const char *reason)
{
    journal_answer_unavailable(&journal->taken);
    session_reset(journal->session, reason);
}

/* --- the checkpoint, and the loss of the state --- */

void journal_discard_state(struct journal *journal, const char *reason)
{
    metric_add(&journal->metrics->reloads, 1);
    log_event(LOG_LEVEL_INFO, "journal-reload", "reason=%s position=%lld", LOG_QUOTED(reason),
              (long long)journal->state.position);
    journal_put_back(journal);
    state_clear(&journal->state);
    journal_schedule(journal);
}

bool journal_note_checkpoint(struct journal *journal, int64_t checkpoint)
{
    struct counter_metrics *metrics = journal->metrics;
    struct state *state = &journal->state;

    if (!state_set_checkpoint(state, checkpoint)) {
        journal_discard_state(journal, "the checkpoint has gone back");
        return false;
    }
    metric_set(&metrics->unfolded_entries,
               state->position > checkpoint ? (uint64_t)(state->position - checkpoint) : 0);
    metric_set(&metrics->cached_paths, state_slots(state));
    metric_set(&metrics->cached_bytes, state_bytes(state));
    metric_set(&metrics->lanes, state_lanes(state));
    return true;
}

/* --- the session --- */

/* The state stays valid. Catching up reads the entries that were appended meanwhile. */
static void on_session_ready(void *data)
{
    struct journal *journal = data;

    journal->is_behind = true;
    journal->just_looked_up = false;
    journal->refused_since_ms = 0;
    if (session_awaits_migration(journal->session))
        journal_set_problem(journal, NULL); /* the first batch migrates */
    else
        fold_migrate(journal->fold);
    fold_follow(journal->fold, session_host(journal->session));
    journal->owner.on_change(journal->owner.data);
    journal_schedule(journal);
}

/* The session is lost; session_problem has the reason. */
static void on_session_lost(void *data)
{
    struct journal *journal = data;

    journal_set_problem(journal, session_problem(journal->session));
    journal_schedule(journal);
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    fold_close(journal->fold);
    session_close(journal->session);
    journal_free_requests(journal);
    for (size_t i = 0; i < journal->entry.n_paths; ++i)
        if (journal->entry.paths[i].slot != NULL)
            journal->entry.paths[i].slot->entry_index = 0;
    timer_stop(&journal->pause);
    timer_stop(&journal->refresh);
    deferred_cancel(&journal->deferred);
    timer_queue_fini(&journal->deadlines);
    state_fini(&journal->state);
    buffer_free(&journal->parameters);
    buffer_free(&journal->missing);
    free(journal);
}
