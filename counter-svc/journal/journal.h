/* The journal: counts each batch exactly once, by appending entries.
 *
 * counter-svc is a state machine. Its log is the table pathcount_journal, its checkpoint is the
 * table pathcount (README.md in this folder has the states and the rules). The journal has a
 * session of its own and runs one statement at a time:
 *
 *   load       reads the state from the tables
 *   catch up   reads the entries that others have appended, and applies them
 *   head       checks whether there are any
 *   look up    reads the counts of paths that are not in memory
 *   append     adds one entry with all batches that wait; it is committed when its Sync is answered
 *
 * Every batch, also a repeat or a conflict, is confirmed or refused with 409 only after the Sync of an append that was sent
 * after the batch came. Only that proves that the server has not been replaced by another one. A
 * read is answered after any statement that was sent after the read came and found the state to be
 * the newest. If the URL names several hosts, that statement must be an append, too.
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
    JOURNAL_REPEAT,     /* it was applied before; its hit counts are the current ones */
    JOURNAL_CONFLICT,   /* the lane is unknown, or the sequence is neither its last nor its next */
    JOURNAL_UNAVAILABLE /* the outcome is unknown, or nothing was done: the client repeats it */
};

struct journal_result {
    enum journal_outcome outcome;
    const struct hit_count *hit_counts; /* of a batch, applied or repeated: one for each path */
    int64_t lane;                       /* of an applied lane: its id */
};

/* Runs exactly once for each request that is not cancelled, from the loop, after the call that
 * started the request has returned. */
typedef void (*journal_callback)(void *data, const struct journal_result *result);

struct journal;
struct journal_request;

struct journal_settings {
    int64_t max_batches;       /* that may wait; further ones are JOURNAL_UNAVAILABLE */
    int64_t batch_deadline_ms; /* how long a request may wait until it is sent */
    int64_t lane_ttl_s;        /* the TTL of a lane that is not used */
    int64_t max_paths;         /* with a row of their own */
    int64_t max_cached_bytes;  /* memory for paths */
    int64_t max_unfolded;      /* entries after the checkpoint */
    struct fold_settings fold;
};

/* The owner's callbacks. */
struct journal_owner {
    /* The result of journal_problem may have changed. */
    void (*on_change)(void *data);
    /* The tables have everything up to this position. */
    void (*on_folded)(void *data, int64_t position);
    void *data;
};

struct journal *journal_open(struct worker *worker, const struct session_settings *session_settings,
                             const struct journal_settings *settings,
                             const struct journal_owner *owner);

/* Takes NULL. No callback runs afterwards. */
void journal_close(struct journal *journal);

/* Counts a batch. Takes over the hits. `trace`, here and below, is the request's; it is copied. */
struct journal_request *journal_add_batch(struct journal *journal, struct hits *hits,
                                          const struct trace *trace, journal_callback callback,
                                          void *data);

/* Begins a lane. */
struct journal_request *journal_add_lane(struct journal *journal, const struct trace *trace,
                                         journal_callback callback, void *data);

/* Waits until the state holds everything that was committed when this was called. */
struct journal_request *journal_add_read(struct journal *journal, const struct trace *trace,
                                         journal_callback callback, void *data);

/* The batch; valid until the callback has returned. */
const struct batch *journal_batch(const struct journal_request *request);

/* The callback does not run. A batch that has not been sent yet is not counted. */
void journal_cancel(struct journal_request *request);

/* The state, valid within a callback; NULL while it is being loaded. */
const struct state *journal_state(const struct journal *journal);

/* Forces a fold; on_folded follows when it has succeeded. */
void journal_fold(struct journal *journal);

/* The index of the URL's host that the journal is connected to. */
size_t journal_host(const struct journal *journal);

/* Whether the session is ready: the ledger has this program's schema. */
bool journal_has_ledger(const struct journal *journal);

/* Why the journal cannot work: a sentence; NULL: it can. */
const char *journal_problem(const struct journal *journal);

#endif
