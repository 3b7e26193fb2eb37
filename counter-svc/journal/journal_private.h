/* What the parts of the journal share, and no other module uses: journal.c (requests, and which
 * statement is next), append.c (from what waits to an entry and its answers) and read.c (load, catch
 * up, head and look up).
 */
#ifndef COUNTER_JOURNAL_JOURNAL_PRIVATE_H
#define COUNTER_JOURNAL_JOURNAL_PRIVATE_H

#include "counter-svc/journal/journal.h"
#include "counter-svc/ledger/counter_metrics.h"

enum request_kind { REQUEST_BATCH, REQUEST_LANE, REQUEST_READ };

/* From journal_add_… to its callback. */
struct journal_request {
    h2o_linklist_t link; /* in the queue, or among those that the statement at PostgreSQL is for */
    struct journal *journal;
    enum request_kind kind;
    struct hits hits; /* of a batch */
    int64_t n_hits;   /* in it */
    struct trace trace;
    journal_callback callback; /* NULL once cancelled */
    void *data;
    struct timer deadline;
    bool overdue;
    /* once taken: what it is answered when the statement has been confirmed */
    enum journal_outcome outcome;
    struct number *numbers; /* owned */
    int64_t lane;
};

/* Which statement is at PostgreSQL. */
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
    int64_t writer; /* this process */

    enum journal_activity activity;
    uint64_t sent_ns;    /* when its statement was */
    bool is_behind;      /* others have appended, or may have: catch up before anything else */
    bool head_wanted;    /* look whether they have */
    bool just_looked_up; /* what is complete leaves before more is looked up */
    uint64_t look_up_after_ms; /* no path is looked up before */
    uint64_t refused_since_ms; /* appends, since one last worked; 0: not */
    bool was_full;             /* new batches wait for a fold */
    bool forget_due;           /* there are lanes that have been silent for too long */
    unsigned broken_loads;     /* in a row, after which the checkpoint's entry was not there */
    const char *problem;       /* NULL: none */

    h2o_linklist_t queue; /* what waits */
    int64_t n_queued;
    h2o_linklist_t taken;       /* what the statement at PostgreSQL is for */
    struct journal_entry entry; /* the one at PostgreSQL */
    struct buffer parameters;
    struct buffer missing; /* paths to be looked up, as an array's elements */
    size_t n_missing;

    struct timer_queue deadlines;
    struct timer pause;   /* before the next statement, after one has failed */
    struct timer refresh; /* looks at the head now and then */
    struct deferred deferred;
};

static inline struct journal_request *request_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct journal_request, link, link);
}

/* Lets step run at the end of the loop's turn. */
void journal_kick(struct journal *journal);

/* Sends the next statement, if nothing is at PostgreSQL and something is to be done. */
void journal_step(struct journal *journal);

/* Sets why the journal cannot work (NULL: it can), and tells the owner. */
void journal_set_problem(struct journal *journal, const char *problem);

/* Waits a moment before the next statement. */
void journal_pause(struct journal *journal, uint64_t pause_ms);

/* Moves a request from the queue to those that the next statement is for. */
void journal_take(struct journal_request *request, enum journal_outcome outcome);

/* Puts what was taken back to the head of the queue, in its order. */
void journal_put_back(struct journal *journal);

/* Answers and frees requests, of a list that is not the queue; with what each was taken for, or all
 * with `JOURNAL_UNAVAILABLE`. */
void journal_answer(h2o_linklist_t *list);
void journal_answer_unavailable(h2o_linklist_t *list);

/* What is to be done when a statement was not answered with what it is for: a lost connection answers
 * what was taken, a refusal puts it back. Returns whether the answer is one to read. */
bool journal_is_done(struct journal *journal, const struct pg_answer *answer);

/* An answer that cannot be understood: drops the connection. As the last thing in a callback. */
void journal_reset(struct journal *journal, const char *reason);

/* --- append.c --- */

/* Takes what can leave together, and sends it. Returns false when nothing waits that could. */
bool append_send(struct journal *journal);

/* Forgets paths until there is no more of them than there may be, or the others are needed. */
void append_make_room(struct journal *journal);

/* --- read.c --- */

void load_send(struct journal *journal);
void catch_up_send(struct journal *journal);
void head_send(struct journal *journal);

/* Sends the paths of journal->missing. */
void look_up_send(struct journal *journal);

/* Notes a checkpoint that a statement has answered with. When it is behind what was known the state is
 * thrown away, and false returned. */
bool note_checkpoint(struct journal *journal, int64_t checkpoint)
    __attribute__((warn_unused_result));

#endif
