/* The state and functions that the files of the journal share. No other module includes it.
 *
 *   journal_requests.c  requests, from their start to their answer
 *   journal.c           which statement is next, failures, the checkpoint
 *   gather.c            makes an entry from the requests that wait
 *   append.c            sends an entry, and answers its requests after the commit
 *   read.c, load.c      catch up, head, look up; load
 */
#ifndef COUNTER_JOURNAL_JOURNAL_PRIVATE_H
#define COUNTER_JOURNAL_JOURNAL_PRIVATE_H

#include "counter-svc/journal/journal.h"
#include "counter-svc/ledger/counter_metrics.h"

enum journal_request_kind { REQUEST_BATCH, REQUEST_LANE, REQUEST_READ };

/* QUEUED -> TAKEN when a statement is sent for the request. A request that is put back is QUEUED
 * again. It is answered and freed in either state. */
enum journal_request_state { REQUEST_QUEUED, REQUEST_TAKEN };

/* From journal_add_… to its callback. */
struct journal_request {
    h2o_linklist_t link; /* in the queue, or in journal->taken */
    struct journal *journal;
    enum journal_request_kind kind;
    enum journal_request_state state;
    struct hits hits; /* of a batch */
    int64_t n_hits;   /* in the batch */
    struct trace trace;
    journal_callback callback; /* NULL once cancelled */
    void *data;
    struct timer deadline;
    bool expired;
    /* REQUEST_TAKEN: the answer if the statement is confirmed */
    enum journal_outcome outcome;
    struct hit_count *hit_counts; /* owned */
    int64_t lane;
};

/* Which statement is in flight. README.md has the diagram. */
enum journal_activity {
    JOURNAL_IDLE,
    JOURNAL_LOADING,
    JOURNAL_CATCHING_UP,
    JOURNAL_READING_HEAD,
    JOURNAL_LOOKING_UP,
    JOURNAL_APPENDING
};

struct journal {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct journal_settings *settings;
    struct journal_owner owner;
    struct session *session;
    struct fold *fold;
    struct state state;
    int64_t writer; /* identifies this process */

    enum journal_activity activity;
    uint64_t sent_ns;          /* when its statement was sent */
    bool is_behind;            /* other processes may have appended: catch up first */
    bool head_wanted;          /* read the head, to check whether they have */
    bool just_looked_up;       /* send complete batches before the next look-up */
    uint64_t look_up_after_ms; /* no look-up before this time */
    uint64_t refused_since_ms; /* appends are refused since; 0: they are not */
    bool was_full;             /* new batches wait for a fold */
    bool lanes_expired;        /* the TTL of a lane has passed */
    unsigned broken_loads;     /* loads in a row whose checkpoint's entry was missing */
    const char *problem;       /* NULL: none */

    h2o_linklist_t queue; /* requests that wait, in the order of their arrival */
    int64_t n_queued;
    h2o_linklist_t taken;       /* requests that the statement in flight will answer */
    struct journal_entry entry; /* the one in flight */
    struct buffer parameters;
    struct buffer missing; /* paths to look up, as an array's elements */
    size_t n_missing;

    struct timer_queue deadlines;
    struct timer pause;   /* before the next statement, after a failure */
    struct timer refresh; /* reads the head regularly */
    struct deferred deferred;
};

static inline struct journal_request *journal_request_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct journal_request, link, link);
}

/* Runs journal_step at the end of the loop's turn. */
void journal_schedule(struct journal *journal);

/* Sends the next statement if one is due and none is in flight. */
void journal_step(struct journal *journal);

/* Notes that a statement is about to be sent. None may be in flight. */
void journal_begin(struct journal *journal, enum journal_activity activity);

/* Sets why the journal cannot work (NULL: it can), and notifies the owner. */
void journal_set_problem(struct journal *journal, const char *problem);

/* Pauses before the next statement, for `pause_ms` with jitter added. */
void journal_pause(struct journal *journal, uint64_t pause_ms);

/* Moves a request from the queue to those that the next statement will answer; `outcome` is the
 * answer if the statement is confirmed. */
void journal_take(struct journal_request *request, enum journal_outcome outcome);

/* Puts the taken requests back to the head of the queue, in their order. */
void journal_put_back(struct journal *journal);

/* Answer and free the requests of a list other than the queue: each with its outcome, or all with
 * JOURNAL_UNAVAILABLE. */
void journal_answer(h2o_linklist_t *list);
void journal_answer_unavailable(h2o_linklist_t *list);

/* Answers the queued requests that have expired, or all if the session has a problem. */
void journal_drop_expired(struct journal *journal);

/* Frees all requests without a callback: the journal is being closed. */
void journal_free_requests(struct journal *journal);

/* Ends the statement in flight. Returns whether its answer can be read. If not, the taken requests
 * have been answered (the connection was lost), or answered or put back (the statement was
 * refused). */
bool journal_is_done(struct journal *journal, const struct pg_answer *answer);

/* Drops the connection after an answer of an unknown form. Only as the last call in a callback. */
void journal_reset(struct journal *journal, const char *reason);

/* Discards the state. It is loaded again. */
void journal_discard_state(struct journal *journal, const char *reason);

/* Notes the checkpoint of an answer. If it is before the known one, discards the state and returns
 * false. */
bool journal_note_checkpoint(struct journal *journal, int64_t checkpoint)
    __attribute__((warn_unused_result));

/* --- gather.c --- */

/* The progress of gather. */
struct gathering {
    struct journal *journal;
    struct slot *slots[BATCH_MAX_PATHS]; /* of the batch that is being judged */
    int64_t lanes[ENTRY_MAX_BATCHES];    /* of all batches that were taken */
    size_t n_lanes;
    size_t path_bytes; /* in the entry */
    bool is_full;      /* no new batch may be appended until more is folded */
    bool has_content;  /* an append is needed, perhaps of an empty entry */
};

/* Makes the next entry: takes the queued requests that can leave together, and notes the paths that
 * must be looked up before the others can leave. */
void gather(struct gathering *gathering);

/* Evicts paths until the rest fits into max_cached_bytes, or cannot be evicted. */
void gather_make_room(struct journal *journal);

/* --- append.c --- */

/* Takes the requests that can leave together, and sends the statement that they need. Returns false
 * if no statement was sent. */
bool append_send(struct journal *journal);

/* Checks that the entry is the next one and holds exactly the batches and lanes that were taken for
 * it. */
void append_check_entry(const struct journal *journal);

/* --- load.c --- */

void load_send(struct journal *journal);

/* --- read.c --- */

void catch_up_send(struct journal *journal);
void head_send(struct journal *journal);

/* Looks up the paths in journal->missing. */
void look_up_send(struct journal *journal);

/* Sends a statement of a read. */
void read_send(struct journal *journal, enum journal_activity activity, enum statement statement,
               const struct pg_parameter *parameters, int count, pg_callback callback);

/* Returns a BIGINT of an answer, or 0 for NULL. */
int64_t read_number(const PGresult *result, int row, int column);

/* Notes that an operator has to repair the journal. `problem` is a constant sentence. */
void read_set_broken(struct journal *journal, const char *problem);

#endif
