#include "counter-svc/journal/fold.h"

#include "base/memory.h"
#include "counter-svc/ledger/counter_metrics.h"
#include "counter-svc/ledger/pg_array.h"
#include "counter-svc/ledger/refusal.h"
#include "server/ops/log.h"

#include <stdlib.h>
#include <string.h>

/* How often it is looked whether to fold, and the entries of our own within that time up to which the
 * load is light. */
#define TICK_MS       100
#define LIGHT_ENTRIES 10

/* At light load folds of more paths than this take at most one part in so many of the time. */
#define LIGHT_PATHS 50
#define LIGHT_SHARE 25

/* A slice ends once it has so many paths, or names paths so often, its entries taken together. */
#define SLICE_PATHS    4000
#define SLICE_MENTIONS 200000

/* The SQLSTATE of a statement that took longer than statement_timeout. */
#define TIMED_OUT "57014"

/* Forced folds that do not follow from the above: two a second. */
#define FORCED_EVERY_MS 500

/* A process that appends nothing itself leaves folding to the one that does: for so many intervals, or
 * until nothing has been appended for so long. */
#define FOLLOWER_PATIENCE 3
#define FOLLOWER_QUIET_MS 2000

/* After a fold was refused or timed out. */
#define RETRY_MS 500

/* Folded entries that stay, for a process that is behind; and how many a statement deletes. */
#define KEPT_ENTRIES  1000
#define CLEAR_ENTRIES 5000

/* Vacuum: at most so often, and once so many rows are dead. */
#define VACUUM_EVERY_MS 1000
#define VACUUM_ENTRIES  500
#define VACUUM_MIN_ROWS 20000
#define VACUUM_TABLE_MS 20000

enum fold_activity { FOLD_IDLE, FOLD_FOLDING, FOLD_CLEARING, FOLD_VACUUMING, FOLD_IN_HISTORY };

struct fold {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct fold_settings *settings;
    const struct state *state;
    struct fold_owner owner;
    struct session *session;
    enum fold_activity activity;
    uint64_t sent_ns;
    uint64_t folded_ns, took_ns; /* when the last fold was done, and how long it took */

    /* what is to be folded */
    int64_t *cuts; /* where slices end, in order; owned */
    size_t n_cuts, max_cuts;
    size_t slice_paths, slice_mentions; /* behind the last cut */
    int64_t max_entries;                /* of a fold, after one that timed out; 0: any number */
    size_t unfolded_paths, sent_paths;  /* hit since they were folded; of the fold at PostgreSQL */
    int64_t start, upto;                /* of the fold at PostgreSQL, or the last one */
    int64_t folded;                     /* what this session has folded, as far as it knows */
    int64_t target;                     /* fold up to here now; 0: nowhere */
    bool is_wanted;                     /* somebody waits for a fold */
    bool row_by_row;
    uint64_t forced_at_ms;
    uint64_t unfolded_since_ms; /* 0: everything is folded */
    uint64_t noted_at_ms;       /* the last entry */
    size_t reserved_entries;    /* since the last tick */
    bool is_follower;           /* others have appended last */

    /* what is to be cleared */
    int64_t cleared_upto;
    size_t dead_entries, dead_rows;
    uint64_t vacuumed_at_ms, table_vacuumed_at_ms;

    struct history history;
    bool is_historys_turn; /* a fold came last */

    struct timer tick, pause;
    struct deferred deferred;
};

static void on_session_change(void *data);
static void on_tick(struct timer *timer);
static void on_pause_over(struct timer *timer);
static void on_deferred(struct deferred *deferred);
static void on_folded(void *data, const struct pg_answer *answer);
static void on_cleared(void *data, const struct pg_answer *answer);
static void on_vacuumed(void *data, const struct pg_answer *answer);
static void on_history(void *data, const struct pg_answer *answer);

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
                     &(struct session_owner){on_session_change, on_session_change, fold});
    timer_start_after(&worker->timers, &fold->tick, TICK_MS, on_tick);
    return fold;
}

static void kick(struct fold *fold)
{
    worker_defer(fold->worker, &fold->deferred, on_deferred);
}

static void on_session_change(void *data)
{
    struct fold *fold = data;

    fold->activity = FOLD_IDLE;
    fold->folded = 0; /* it may be another server */
    kick(fold);
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

/* --- what is to be folded --- */

static void add_cut(struct fold *fold, int64_t position)
{
    if (fold->n_cuts == fold->max_cuts) {
        fold->max_cuts = fold->max_cuts * 2 + 16;
        fold->cuts = memory_resize(fold->cuts, fold->max_cuts * sizeof(*fold->cuts));
    }
    fold->cuts[fold->n_cuts++] = position;
    fold->slice_paths = fold->slice_mentions = 0;
}

void fold_note_entry(struct fold *fold, size_t paths, size_t pinned, bool own)
{
    fold->noted_at_ms = monotonic_ms();
    if (fold->unfolded_since_ms == 0)
        fold->unfolded_since_ms = fold->noted_at_ms;
    fold->reserved_entries += own;
    fold->is_follower = !own;
    fold->slice_paths += pinned;
    fold->unfolded_paths += pinned;
    fold->slice_mentions += paths;
    if (fold->slice_paths >= SLICE_PATHS || fold->slice_mentions >= SLICE_MENTIONS)
        add_cut(fold, fold->state->position);
}

void fold_note_load(struct fold *fold)
{
    fold->n_cuts = fold->slice_paths = fold->slice_mentions = fold->unfolded_paths = 0;
    fold->folded = fold->target = fold->cleared_upto = 0; /* positions may be lower now */
    fold->unfolded_since_ms = 0;
}

void fold_soon(struct fold *fold)
{
    fold->is_wanted = true;
    kick(fold);
}

/* How far the tables are: what the journal's session has seen, or what this one has done since. */
static int64_t checkpoint_of(const struct fold *fold)
{
    return fold->folded > fold->state->checkpoint ? fold->folded : fold->state->checkpoint;
}

static bool has_unfolded(const struct fold *fold)
{
    return fold->state->is_loaded && fold->state->position > checkpoint_of(fold);
}

/* Whether it is time to fold without having been asked. */
static bool is_due(const struct fold *fold, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - fold->unfolded_since_ms;
    uint64_t interval_ms = (uint64_t)fold->settings->interval_ms;

    if (fold->is_follower)
        return age_ms >= FOLLOWER_PATIENCE * interval_ms ||
               now_ms - fold->noted_at_ms >= FOLLOWER_QUIET_MS;
    return age_ms >= interval_ms ||
           (fold->reserved_entries <= LIGHT_ENTRIES &&
            (fold->unfolded_paths <= LIGHT_PATHS ||
             monotonic_ns() - fold->folded_ns >= LIGHT_SHARE * fold->took_ns));
}

/* Drops the cuts that the tables have passed. */
static void drop_old_cuts(struct fold *fold)
{
    size_t old = 0;

    while (old < fold->n_cuts && fold->cuts[old] <= checkpoint_of(fold))
        ++old;
    if (old == 0)
        return;
    fold->n_cuts -= old;
    memmove(fold->cuts, fold->cuts + old, fold->n_cuts * sizeof(*fold->cuts));
}

static void on_tick(struct timer *timer)
{
    struct fold *fold = H2O_STRUCT_FROM_MEMBER(struct fold, tick, timer);
    uint64_t now_ms = monotonic_ms();

    drop_old_cuts(fold);
    if (!has_unfolded(fold))
        fold->unfolded_since_ms = fold->unfolded_paths = 0;
    else if (fold->unfolded_since_ms == 0)
        fold->unfolded_since_ms = now_ms;
    else if (is_due(fold, now_ms))
        fold->target = fold->state->position;
    metric_set(&fold->metrics->unfolded_paths, fold->unfolded_paths);
    metric_set(&fold->metrics->unfolded_s,
               fold->unfolded_since_ms != 0 ? (now_ms - fold->unfolded_since_ms) / 1000 : 0);
    fold->reserved_entries = 0;
    timer_start_after(&fold->worker->timers, &fold->tick, TICK_MS, on_tick);
    kick(fold);
}

/* --- what is next --- */

static void send_fold(struct fold *fold)
{
    struct buffer numbers = {0};

    fold->start = checkpoint_of(fold);
    drop_old_cuts(fold);
    fold->upto = fold->n_cuts != 0 ? fold->cuts[0] : fold->state->position;
    fold->sent_paths = fold->n_cuts != 0 ? SLICE_PATHS : fold->unfolded_paths;
    if (fold->max_entries != 0 && fold->upto - fold->start > fold->max_entries) {
        fold->upto = fold->start + fold->max_entries;
        fold->sent_paths = 0; /* not known */
    } else if (fold->n_cuts == 0) {
        fold->slice_paths = fold->slice_mentions = 0;
    }
    fold->dead_rows += fold->sent_paths;
    pg_add_int8(&numbers, fold->start);
    pg_add_int8(&numbers, fold->upto);
    fold->activity = FOLD_FOLDING;
    session_run(fold->session, fold->row_by_row ? STATEMENT_FOLD_ROW_BY_ROW : STATEMENT_FOLD,
                (struct pg_parameter[]){{numbers.bytes, 8}, {numbers.bytes + 8, 8}}, 2, on_folded,
                fold);
    buffer_free(&numbers);
}

static void send_clear(struct fold *fold)
{
    struct buffer numbers = {0};

    pg_add_int8(&numbers, KEPT_ENTRIES);
    pg_add_int8(&numbers, CLEAR_ENTRIES);
    fold->activity = FOLD_CLEARING;
    session_run(fold->session, STATEMENT_CLEAR,
                (struct pg_parameter[]){{numbers.bytes, 8}, {numbers.bytes + 8, 8}}, 2, on_cleared,
                fold);
    buffer_free(&numbers);
}

/* Vacuums the journal, or the table when many of its rows were written anew. Autovacuum comes once a
 * minute at most: by then the journal would have grown by a hundred thousand dead entries. A large
 * table is left to it. */
static bool send_vacuum(struct fold *fold, uint64_t now_ms)
{
    const char *sql;

    if (fold->dead_entries >= VACUUM_ENTRIES && now_ms - fold->vacuumed_at_ms >= VACUUM_EVERY_MS) {
        sql = "VACUUM (TRUNCATE OFF, INDEX_CLEANUP ON, SKIP_LOCKED) pathcount_journal";
        fold->dead_entries = 0;
        fold->vacuumed_at_ms = now_ms;
    } else if (fold->dead_rows >= VACUUM_MIN_ROWS &&
               fold->dead_rows >= (size_t)fold->state->paths / 4 &&
               now_ms - fold->table_vacuumed_at_ms >= VACUUM_TABLE_MS) {
        sql = "VACUUM (TRUNCATE OFF, SKIP_LOCKED) pathcount, pathcount_checkpoint, "
              "pathcount_totals, pathcount_lanes";
        fold->dead_rows = 0;
        fold->table_vacuumed_at_ms = now_ms;
    } else {
        return false;
    }
    fold->activity = FOLD_VACUUMING;
    session_run_text(fold->session, sql, on_vacuumed, fold);
    return true;
}

/* Does a piece of the work of history if there is one. When folds never end, it comes between them. */
static bool send_history(struct fold *fold, uint64_t now_ms)
{
    fold->is_historys_turn = false;
    if (!history_send(&fold->history, fold->session, now_ms, on_history, fold))
        return false;
    fold->activity = FOLD_IN_HISTORY;
    return true;
}

static bool may_force(struct fold *fold, uint64_t now_ms)
{
    if (!fold->is_wanted || now_ms - fold->forced_at_ms < FORCED_EVERY_MS)
        return false;
    fold->is_wanted = false;
    fold->forced_at_ms = now_ms;
    return true;
}

static void on_deferred(struct deferred *deferred)
{
    struct fold *fold = H2O_STRUCT_FROM_MEMBER(struct fold, deferred, deferred);
    uint64_t now_ms = monotonic_ms();

    if (fold->activity != FOLD_IDLE || !session_is_idle(fold->session) ||
        timer_is_waiting(&fold->pause))
        return;
    fold->sent_ns = monotonic_ns();
    if (!fold->state->is_loaded)
        return;
    if (fold->is_wanted && !has_unfolded(fold)) {
        fold->is_wanted = false;
        fold->owner.on_folded(fold->owner.data, checkpoint_of(fold));
    }
    if (may_force(fold, now_ms))
        fold->target = fold->state->position;
    if (fold->is_historys_turn && send_history(fold, now_ms))
        return;
    if (has_unfolded(fold) && fold->target > checkpoint_of(fold))
        send_fold(fold);
    else if (checkpoint_of(fold) - fold->cleared_upto >= KEPT_ENTRIES / 2)
        send_clear(fold);
    else if (!send_vacuum(fold, now_ms))
        send_history(fold, now_ms);
}

/* --- the answers --- */

static void pause_fold(struct fold *fold)
{
    timer_start_after(&fold->worker->timers, &fold->pause, RETRY_MS / 2 + jitter(RETRY_MS),
                      on_pause_over);
}

static void on_pause_over(struct timer *timer)
{
    kick(H2O_STRUCT_FROM_MEMBER(struct fold, pause, timer));
}

/* Whether the answer can be read; a failure is logged, and there is a pause. */
static bool is_done(struct fold *fold, const struct pg_answer *answer, const char *what)
{
    fold->activity = FOLD_IDLE;
    kick(fold);
    if (answer->outcome == PG_DONE)
        return true;
    metric_add(&fold->metrics->fold_failures, 1);
    if (answer->outcome == PG_FAILED) {
        log_event(LOG_LEVEL_WARNING, "fold-failed", "statement=%s sqlstate=%s error=%s", what,
                  answer->sqlstate, LOG_QUOTED(answer->message));
        pause_fold(fold);
        if (refusal_is_pooled(answer->sqlstate))
            session_fail(fold->session, "A statement of the folds failed", answer);
    }
    return false;
}

/* Whether it is the fault of a row: a constraint, or a trigger. */
static bool is_refusal(const struct pg_answer *answer)
{
    return answer->outcome == PG_FAILED && refusal_is_of_class(answer->sqlstate, "22 23 44 P0");
}

/* How many paths went to the quarantine. */
static void note_refused(const PGresult *result)
{
    int64_t refused = pg_int8(PQgetvalue(result, 0, 0));

    if (refused == 0)
        return;
    log_event(LOG_LEVEL_ERROR, "quarantined", "paths=%lld table=pathcount_quarantine",
              (long long)refused);
}

/* The next fold has half of the entries of one that timed out; each that is done allows a quarter more
 * again. A fold that always had the same entries might never be done, and the journal would fill. */
static void adapt_to(struct fold *fold, const struct pg_answer *answer)
{
    int64_t entries = fold->upto - fold->start;

    INVARIANT(entries > 0);
    if (answer->outcome == PG_FAILED && strcmp(answer->sqlstate, TIMED_OUT) == 0)
        fold->max_entries = entries > 1 ? entries / 2 : 1;
    else if (answer->outcome == PG_DONE && fold->max_entries != 0)
        fold->max_entries = fold->max_entries < KEPT_ENTRIES ? fold->max_entries * 5 / 4 + 1 : 0;
}

static void on_folded(void *data, const struct pg_answer *answer)
{
    struct fold *fold = data;
    bool moved;

    adapt_to(fold, answer);

    if (is_refusal(answer) && !fold->row_by_row) {
        is_done(fold, answer, "fold");
        timer_stop(&fold->pause);
        fold->row_by_row = true; /* the same slice */
        return;
    }
    if (!is_done(fold, answer, fold->row_by_row ? "fold_row_by_row" : "fold"))
        return;
    fold->folded_ns = monotonic_ns();
    fold->took_ns = fold->folded_ns - fold->sent_ns;
    histogram_add_ns(&fold->metrics->fold_seconds, fold->took_ns);
    fold->is_historys_turn = true;
    moved = !PQgetisnull(answer->result, 0, 0) &&
            (fold->row_by_row || *PQgetvalue(answer->result, 0, 0) != 0);
    if (moved && fold->row_by_row)
        note_refused(answer->result);
    fold->row_by_row = false;
    if (!moved) {
        fold->is_wanted = true; /* whoever waits for a fold still does */
        fold->folded = 0; /* another process was faster: the journal's session will see how far */
        pause_fold(fold);
        fold->owner.on_folded(fold->owner.data, fold->state->checkpoint);
        return;
    }
    metric_add(&fold->metrics->folded_entries, (uint64_t)(fold->upto - fold->start));
    fold->folded = fold->upto;
    fold->unfolded_paths -=
        fold->sent_paths < fold->unfolded_paths ? fold->sent_paths : fold->unfolded_paths;
    fold->unfolded_since_ms = has_unfolded(fold) ? monotonic_ms() : 0;
    fold->owner.on_folded(fold->owner.data, fold->folded);
}

static void on_cleared(void *data, const struct pg_answer *answer)
{
    struct fold *fold = data;
    int64_t deleted;

    if (!is_done(fold, answer, "clear"))
        return;
    deleted = pg_int8(PQgetvalue(answer->result, 0, 0));
    fold->dead_entries += (size_t)deleted;
    if (deleted < CLEAR_ENTRIES)
        fold->cleared_upto = checkpoint_of(fold);
}

static void on_vacuumed(void *data, const struct pg_answer *answer)
{
    is_done(data, answer, "vacuum");
}

static void on_history(void *data, const struct pg_answer *answer)
{
    struct fold *fold = data;

    if (history_note(&fold->history, answer)) {
        fold->activity = FOLD_IDLE;
        kick(fold);
    } else {
        is_done(fold, answer, "history");
    }
}

void fold_close(struct fold *fold)
{
    if (fold == NULL)
        return;
    session_close(fold->session);
    timer_stop(&fold->tick);
    timer_stop(&fold->pause);
    deferred_cancel(&fold->deferred);
    free(fold->cuts);
    free(fold);
}
