/* The state that fold.c (what is folded, and when) and fold_run.c (the statements) share. */
#ifndef COUNTER_JOURNAL_FOLD_PRIVATE_H
#define COUNTER_JOURNAL_FOLD_PRIVATE_H

#include "counter-svc/journal/fold.h"
#include "counter-svc/ledger/counter_metrics.h"

/* A slice ends at this many different paths, or paths of all its entries together. */
#define SLICE_PATHS    4000
#define SLICE_MENTIONS 200000

/* One statement at a time, each from FOLD_IDLE and back to it. */
enum fold_activity { FOLD_IDLE, FOLD_FOLDING, FOLD_CLEARING, FOLD_VACUUMING, FOLD_IN_HISTORY };

struct fold {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct fold_settings *settings;
    const struct state *state;
    struct fold_owner owner;
    struct session *session;
    enum fold_activity activity;
    uint64_t sent_ns;            /* when the statement in flight was sent */
    uint64_t folded_ns, took_ns; /* when the last fold ended, and how long it took */

    /* what must be folded */
    int64_t *slice_ends; /* the last positions of slices, ascending; owned */
    size_t n_slices, max_slices;
    size_t slice_paths, slice_mentions; /* after the last slice */
    int64_t max_entries;                /* of a fold, after one that timed out; 0: no limit */
    size_t unfolded_paths;              /* about so many paths are not folded */
    size_t sent_paths;                  /* of these, about so many are in the fold in flight */
    int64_t start, upto;                /* of the fold in flight, or of the last one */
    int64_t folded; /* this session has folded up to this position; 0: not known */
    int64_t target; /* fold up to this position now; 0: nothing */
    bool is_wanted; /* a view waits for a fold */
    bool row_by_row;
    uint64_t forced_at_ms;
    uint64_t unfolded_since_ms; /* 0: everything is folded */
    uint64_t noted_at_ms;       /* when the last entry came */
    size_t own_entries;         /* since the last tick */
    bool is_follower;           /* the last entry is another process's */

    /* what must be cleared and vacuumed */
    int64_t cleared_upto;
    size_t dead_entries, dead_rows;
    uint64_t vacuumed_at_ms, table_vacuumed_at_ms;

    struct history_work history;
    bool history_is_next; /* the last statement was a fold */

    struct timer tick, pause;
    struct deferred deferred;
};

/* --- fold.c --- */

/* Runs fold_send_next at the end of the loop's turn. */
void fold_schedule(struct fold *fold);

/* Returns the checkpoint: the last one that the journal has read, or a later one of this
 * session. */
int64_t fold_checkpoint(const struct fold *fold);

/* Returns whether there are entries after the checkpoint. */
bool fold_has_work(const struct fold *fold);

/* Drops the slices that are folded. */
void fold_drop_folded_slices(struct fold *fold);

/* --- fold_run.c --- */

/* Sends the next statement, if one is due and none is in flight: a fold, history, a clear or a
 * vacuum. */
void fold_send_next(struct deferred *deferred);

/* Note that a statement is about to be sent, or has been answered. */
void fold_begin(struct fold *fold, enum fold_activity activity);
void fold_end(struct fold *fold, enum fold_activity activity);

#endif
