/* The journal: counts batches by appending entries, each exactly once, whatever gets lost on the way.
 *
 * counter-svc is a state machine. Its log is the table pathcount_journal, its checkpoint the table
 * pathcount (README.md in this folder has the states and the rules). One statement at a time is at
 * PostgreSQL, on a session of the journal's own:
 *
 *   load       reads the state from the tables
 *   catch up   reads the entries that others have appended, and applies them
 *   head       sees whether there are any
 *   look up    reads the counts of paths that are not in memory
 *   append     one entry with all batches that wait; committed when its Sync is answered
 *
 * Every batch is answered by the Sync of an append that was sent after the batch came, also when it
 * is a repeat or in conflict: only that proves that the state was not that of a server left behind.
 * Reads are answered by any statement that was sent after they came and has found the state to be the
 * newest. If the URL names several hosts, that statement is an append, too.
 *
 * All calls from the loop's thread.
 */
#ifndef COUNTER_JOURNAL_JOURNAL_H
#define COUNTER_JOURNAL_JOURNAL_H

#include "counter-svc/journal/fold.h"
#include "counter-svc/journal/state.h"
#include "counter-svc/ledger/session.h"
#include "server/ops/trace.h"

/* In the order of their names in metrics. */
enum journal_outcome {
    JOURNAL_APPLIED,
    JOURNAL_REPEAT,     /* it had been applied before; its numbers are the counts of now */
    JOURNAL_CONFLICT,   /* the lane is unknown, or the sequence is neither its next nor its last */
    JOURNAL_UNAVAILABLE /* nothing is known, or nothing was done: to be repeated */
};

struct journal_result {
    enum journal_outcome outcome;
    const struct hit_count *numbers; /* applied or repeated: one for each path of the batch */
    int64_t lane;                    /* of a new lane that was applied */
};

/* Runs exactly once for each request that is not cancelled, from the loop, never before the call that
 * started it returns. */
typedef void (*journal_callback)(void *data, const struct journal_result *result);

struct journal;
struct journal_request;

struct journal_settings {
    int64_t max_batches;       /* that wait; further ones are JOURNAL_UNAVAILABLE */
    int64_t batch_deadline_ms; /* how long a request may wait for a statement */
    int64_t lane_forget_s;     /* lanes that are silent for longer end */
    int64_t max_paths;         /* that have a row */
    int64_t max_cached_bytes;  /* of memory for paths */
    int64_t max_unfolded;      /* entries behind the checkpoint */
    struct fold_settings fold;
};

/* What the journal tells its owner. */
struct journal_owner {
    /* journal_problem may have another answer. */
    void (*on_change)(void *data);
    /* Everything up to this position is in the tables. */
    void (*on_folded)(void *data, int64_t position);
    void *data;
};

struct journal *journal_open(struct worker *worker, const struct session_settings *session_settings,
                             const struct journal_settings *settings,
                             const struct journal_owner *owner);

/* Takes NULL. No callback runs any more. */
void journal_close(struct journal *journal);

/* Counts a batch, and takes its hits over. `trace`, here and below, is what the request belongs to; it
 * is copied. */
struct journal_request *journal_add_batch(struct journal *journal, struct hits *hits,
                                          const struct trace *trace, journal_callback callback,
                                          void *data);

/* Begins a lane. */
struct journal_request *journal_add_lane(struct journal *journal, const struct trace *trace,
                                         journal_callback callback, void *data);

/* Waits until the state holds everything that was committed when this was called. */
struct journal_request *journal_add_read(struct journal *journal, const struct trace *trace,
                                         journal_callback callback, void *data);

/* The batch; good until the callback has returned. */
const struct batch *journal_batch(const struct journal_request *request);

/* The callback does not run. A batch that has not left yet is withdrawn. */
void journal_cancel(struct journal_request *request);

/* The state; NULL while it is being read anew. Only to be looked at, within a callback. */
const struct state *journal_state(const struct journal *journal);

/* Folds soon; the owner's on_folded follows when that has worked. */
void journal_fold(struct journal *journal);

/* Which host of the URL the journal is on. */
size_t journal_host(const struct journal *journal);

/* Whether the ledger has this program's schema, and PostgreSQL can be reached. */
bool journal_has_ledger(const struct journal *journal);

/* Why the journal cannot work now, a sentence; NULL when it can. */
const char *journal_problem(const struct journal *journal);

#endif
