/* The journal: counts each batch exactly once, by appending entries.
 *
 * counter-svc is a state machine. Its log is the table pathcount_journal, its checkpoint is the
 * table pathcount (README.md in this folder has the states and the rules). The journal has its
 * own session and runs one statement at a time:
 *
 *   load       reads the state from the tables
 *   catch up   reads the entries that others have appended, and applies them
 *   head       checks whether there are any
 *   look up    reads the counts of paths that are not in memory
 *   append     adds one entry with all batches that wait; it is committed once its Sync is answered
 *
 * Every batch, even a repeat or a conflict, is answered 200 or 409 only after the Sync of an append
 * that was sent after the batch arrived. Only such an append proves that no other server has
 * replaced this one. A read is answered after a statement that was sent after the read arrived, and
 * that found the state to be the newest. If the URL names several hosts, this statement must be an
 * append, too.
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
    JOURNAL_REPEAT,     /* it was applied before; the hit counts are the current ones */
    JOURNAL_CONFLICT,   /* the lane is unknown, or the sequence is neither its last nor its next */
    JOURNAL_UNAVAILABLE /* not applied, or unknown: the client repeats it */
};

struct journal_result {
    enum journal_outcome outcome;
    const struct hit_count *hit_counts; /* of an applied or repeated batch, one for each path */
    int64_t lane;                       /* of an applied lane: its id */
};

/* Runs exactly once for each request that is not cancelled, from the loop, after the call that
 * started the request has returned. */
typedef void (*journal_callback)(void *data, const struct journal_result *result);

struct journal;
struct journal_request;

struct journal_settings {
    int64_t max_batches;       /* maximum that may wait; further ones are JOURNAL_UNAVAILABLE */
    int64_t batch_deadline_ms; /* maximum time that a request waits until it is sent */
    int64_t lane_ttl_s;        /* of an unused lane */
    int64_t max_paths;         /* maximum of paths with their own row */
    int64_t max_cached_bytes;  /* maximum memory for paths */
    int64_t max_unfolded;      /* maximum of entries after the checkpoint */
    struct fold_settings fold;
};

/* The owner's callbacks. */
struct journal_owner {
    /* The result of journal_problem may have changed. */
    void (*on_change)(void *data);
    /* The tables include all entries up to this position. */
    void (*on_folded)(void *data, int64_t position);
    void *data;
};

struct journal *journal_open(struct worker *worker, const struct session_settings *session_settings,
                             const struct journal_settings *settings,
                             const struct journal_owner *owner);

/* Takes NULL. No callback runs afterwards. */
void journal_close(struct journal *journal);

/* Counts a batch. Takes over the hits. Here and below, `trace` is that of the request, and is
 * copied. */
struct journal_request *journal_add_batch(struct journal *journal, struct hits *hits,
                                          const struct trace *trace, journal_callback callback,
                                          void *data);

/* Opens a lane. */
struct journal_request *journal_add_lane(struct journal *journal, const struct trace *trace,
                                         journal_callback callback, void *data);

/* Waits until the state includes all commits before this call. */
struct journal_request *journal_add_read(struct journal *journal, const struct trace *trace,
                                         journal_callback callback, void *data);

/* Returns the batch of a request. Valid until the callback has returned. */
const struct batch *journal_batch(const struct journal_request *request);

/* Cancels a request: its callback does not run. A batch that has not been sent is not counted. */
void journal_cancel(struct journal_request *request);

/* Returns the state, valid within a callback, or NULL while it is being loaded. */
const struct state *journal_state(const struct journal *journal);

/* Forces a fold; on_folded follows when it has succeeded. */
void journal_fold(struct journal *journal);

/* Returns the index of the URL's host that the journal is connected to. */
size_t journal_host(const struct journal *journal);

/* Returns whether the session is ready: the ledger has this program's schema. */
bool journal_has_ledger(const struct journal *journal);

/* Returns why the journal cannot work, as a sentence, or NULL if it can. */
const char *journal_problem(const struct journal *journal);

#endif
