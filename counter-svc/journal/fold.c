/* Decides what is folded, and when. */
#include "counter-svc/journal/fold_private.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The interval at which fold checks whether a fold is due, in milliseconds. At light load this
 * process appends at most LIGHT_ENTRIES in it. */
#define TICK_MS       100
#define LIGHT_ENTRIES 10

/* At light load, folds of more than LIGHT_PATHS paths take at most 1/LIGHT_SHARE of the time. */
#define LIGHT_PATHS 50
#define LIGHT_SHARE 25

/* A process that does not append leaves folds to the one that does, for this many intervals, or
 * until nothing has been appended for this long. */
#define FOLLOWER_INTERVALS 3
#define FOLLOWER_QUIET_MS  2000

static void on_fold_session_change(void *data);
static void on_fold_tick(struct timer *timer);

struct fold *fold_open(struct worker *worker, const struct session_settings *session_settings,
                       const struct fold_settings *settings, const struct state *state,
                       const struct fold_owner *owner)
{
    struct fold *fold = memory_allocate(1, sizeof(*fold));

    *fold = (struct fold){.worker = worker,
                          .metrics = counter_metrics_of(worker),
                          .settings = settings,
                          .state = state,
                          .owner = *owner,
                          .history = {.settings = &settings->history}};
    fold->session =
        session_open(worker, session_settings, SESSION_FOLDS,
                     &(struct session_owner){on_fold_session_change, on_fold_session_change, fold});
    timer_start_after(&worker->timers, &fold->tick, TICK_MS, on_fold_tick);
    return fold;
}

void fold_schedule(struct fold *fold)
{
    worker_defer(fold->worker, &fold->deferred, fold_send_next);
}

static void on_fold_session_change(void *data)
{
    struct fold *fold = data;

    INVARIANT(fold->activity == FOLD_IDLE);
    fold->folded = 0; /* the session may be on another server */
    fold_schedule(fold);
}

void fold_follow(struct fold *fold, size_t host)
{
    session_follow(fold->session, host);
}

void fold_migrate(struct fold *fold)
{
    if (session_awaits_migration(fold->session))
        session_migrate(fold->session);
}

/* --- what must be folded --- */

static void end_slice(struct fold *fold, int64_t position)
{
    if (fold->n_slices == fold->max_slices) {
        fold->max_slices = fold->max_slices * 2 + 16;
        fold->slice_ends =
            memory_resize(fold->slice_ends, fold->max_slices * sizeof(*fold->slice_ends));
    }
    fold->slice_ends[fold->n_slices++] = position;
    fold->slice_paths = fold->slice_mentions = 0;
}

void fold_note_entry(struct fold *fold, size_t paths, size_t pinned, bool own)
{
    fold->noted_at_ms = monotonic_ms();
    if (fold->unfolded_since_ms == 0)
        fold->unfolded_since_ms = fold->noted_at_ms;
    fold->own_entries += own;
    fold->is_follower = !own;
    fold->slice_paths += pinned;
    fold->unfolded_paths += pinned;
    fold->slice_mentions += paths;
    if (fold->slice_paths >= SLICE_PATHS || fold->slice_mentions >= SLICE_MENTIONS)
        end_slice(fold, fold->state->position);
}

void fold_note_load(struct fold *fold)
{
    fold->n_slices = fold->slice_paths = fold->slice_mentions = fold->unfolded_paths = 0;
    fold->folded = fold->target = fold->cleared_upto = 0; /* the positions may be lower now */
    fold->unfolded_since_ms = 0;
}

void fold_force(struct fold *fold)
{
    fold->is_wanted = true;
    fold_schedule(fold);
}

int64_t fold_checkpoint(const struct fold *fold)
{
    return fold->folded > fold->state->checkpoint ? fold->folded : fold->state->checkpoint;
}

bool fold_has_work(const struct fold *fold)
{
    return fold->state->is_loaded && fold->state->position > fold_checkpoint(fold);
}

/* Returns whether a fold is due although no view waits for one. */
static bool is_due(const struct fold *fold, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - fold->unfolded_since_ms;
    uint64_t interval_ms = (uint64_t)fold->settings->interval_ms;

    if (fold->is_follower)
        return age_ms >= FOLLOWER_INTERVALS * interval_ms ||
               now_ms - fold->noted_at_ms >= FOLLOWER_QUIET_MS;
    return age_ms >= interval_ms ||
           (fold->own_entries <= LIGHT_ENTRIES &&
            (fold->unfolded_paths <= LIGHT_PATHS ||
             monotonic_ns() - fold->folded_ns >= LIGHT_SHARE * fold->took_ns));
}

void fold_drop_folded_slices(struct fold *fold)
{
    size_t old = 0;

    while (old < fold->n_slices && fold->slice_ends[old] <= fold_checkpoint(fold))
        ++old;
    if (old == 0)
        return;
    fold->n_slices -= old;
    memmove(fold->slice_ends, fold->slice_ends + old, fold->n_slices * sizeof(*fold->slice_ends));
}

static void on_fold_tick(struct timer *timer)
{
    struct fold *fold = H2O_STRUCT_FROM_MEMBER(struct fold, tick, timer);
    uint64_t now_ms = monotonic_ms();

    fold_drop_folded_slices(fold);
    if (!fold_has_work(fold))
        fold->unfolded_since_ms = fold->unfolded_paths = 0;
    else if (fold->unfolded_since_ms == 0)
        fold->unfolded_since_ms = now_ms;
    else if (is_due(fold, now_ms))
        fold->target = fold->state->position;
    metric_set(&fold->metrics->unfolded_paths, fold->unfolded_paths);
    metric_set(&fold->metrics->unfolded_s,
               fold->unfolded_since_ms != 0 ? (now_ms - fold->unfolded_since_ms) / 1000 : 0);
    fold->own_entries = 0;
    timer_start_after(&fold->worker->timers, &fold->tick, TICK_MS, on_fold_tick);
    fold_schedule(fold);
}

void fold_close(struct fold *fold)
{
    if (fold == NULL)
        return;
    session_close(fold->session);
    timer_stop(&fold->tick);
    timer_stop(&fold->pause);
    deferred_cancel(&fold->deferred);
    free(fold->slice_ends);
    free(fold);
}
