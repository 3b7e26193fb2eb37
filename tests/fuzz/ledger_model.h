/* A model of counter-svc and its journal with respect to lanes, and of batches on their way there. A
 * failover may lose the last entry, unless a later answer has proved that it is safe. The model
 * itself checks that no batch is ever stored twice.
 */
#ifndef TESTS_LEDGER_MODEL_H
#define TESTS_LEDGER_MODEL_H

#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <string.h>

#define N_PATHS    8
#define MAX_ISSUED 4096
#define MAX_LATE   64

/* A batch, as long as it is referenced. */
struct model_batch {
    int64_t lane, sequence;
    int64_t hits[N_PATHS];
    int64_t bot_hits[N_PATHS]; /* among these hits */
    int64_t counts[N_PATHS];   /* right after the batch was stored */
    int64_t told[N_PATHS];     /* hits that have got their count */
    size_t stored;             /* how often it was stored */
    bool may_be_done;          /* an attempt may have been stored, or may still be */

    /* the last answer that render-svc got */
    bool confirmed; /* 200 */
    bool repeated;  /* as a repeat */
    bool refused;   /* 409, and the batch will certainly never be stored */
    bool dropped;   /* its hits are never confirmed */

    size_t _users;
};

struct ledger {
    int64_t issued;
    int64_t sequences[MAX_ISSUED + 1];        /* of each lane; -1: not issued, or deleted */
    struct model_batch *last[MAX_ISSUED + 1]; /* stored on each lane */
    int64_t counts[N_PATHS];
    int64_t sent[N_PATHS], stored[N_PATHS]; /* hits */
    struct model_batch *latest;             /* the batch of the last entry, if that is not safe */
    struct model_batch *before;             /* stored on its lane before it */
    int64_t counts_before[N_PATHS];
    struct model_batch *late[MAX_LATE]; /* requests without a waiting caller */
    size_t n_late;
};

/* Counts references. The last one frees the batch. */
static inline struct model_batch *batch_keep(struct model_batch *batch)
{
    ++batch->_users;
    return batch;
}

static inline void batch_leave(struct model_batch *batch)
{
    if (batch != NULL && --batch->_users == 0)
        free(batch);
}

static inline void ledger_init(struct ledger *ledger)
{
    memset(ledger, 0, sizeof(*ledger));
    memset(ledger->sequences, 0xff, sizeof(ledger->sequences));
}

/* An answer proves that its entry is safe, and with it all entries before. */
static inline void ledger_confirm(struct ledger *ledger)
{
    batch_leave(ledger->latest);
    batch_leave(ledger->before);
    ledger->latest = ledger->before = NULL;
}

/* A standby without the last entry takes over. */
static inline void ledger_lose(struct ledger *ledger)
{
    struct model_batch *batch = ledger->latest;

    if (batch == NULL)
        return;
    MUST(!batch->confirmed && --batch->stored == 0);
    --ledger->sequences[batch->lane];
    batch_leave(ledger->last[batch->lane]);
    ledger->last[batch->lane] = ledger->before;
    ledger->before = NULL;
    memcpy(ledger->counts, ledger->counts_before, sizeof(ledger->counts));
    for (size_t i = 0; i < N_PATHS; ++i)
        ledger->stored[i] -= batch->hits[i];
    ledger_confirm(ledger);
}

/* Returns a new lane, or 0 after MAX_ISSUED lanes. */
static inline int64_t ledger_issue(struct ledger *ledger)
{
    if (ledger->issued == MAX_ISSUED)
        return 0;
    ledger_confirm(ledger);
    ledger->sequences[++ledger->issued] = 0;
    return ledger->issued;
}

static inline void ledger_forget(struct ledger *ledger, int64_t lane)
{
    ledger_confirm(ledger);
    ledger->sequences[lane] = -1;
    batch_leave(ledger->last[lane]);
    ledger->last[lane] = NULL;
}

static inline bool ledger_expects(const struct ledger *ledger, const struct model_batch *batch)
{
    int64_t last = ledger->sequences[batch->lane];

    return last >= 0 && last + 1 == batch->sequence;
}

/* Returns 200 or 409. */
static inline int ledger_apply(struct ledger *ledger, struct model_batch *batch)
{
    batch->repeated = ledger->sequences[batch->lane] == batch->sequence;
    if (batch->repeated) {
        MUST(ledger->last[batch->lane] == batch); /* a sequence number identifies a batch */
        return 200;
    }
    if (!ledger_expects(ledger, batch))
        return 409;
    ledger_confirm(ledger); /* only the last entry can be lost */
    ledger->latest = batch_keep(batch);
    ledger->before = ledger->last[batch->lane];
    memcpy(ledger->counts_before, ledger->counts, sizeof(ledger->counts));
    ledger->sequences[batch->lane] = batch->sequence;
    ledger->last[batch->lane] = batch_keep(batch);
    MUST(++batch->stored == 1);
    for (size_t i = 0; i < N_PATHS; ++i) {
        int64_t room = INT64_MAX - ledger->counts[i];
        ledger->counts[i] += batch->hits[i] < room ? batch->hits[i] : room;
        batch->counts[i] = ledger->counts[i];
        ledger->stored[i] += batch->hits[i];
        MUST(ledger->stored[i] <= ledger->sent[i]);
    }
    return 200;
}

/* A request that render-svc has given up is still in flight. It arrives as it was sent, because a batch
 * with an unknown outcome does not change. */
static inline void ledger_delay(struct ledger *ledger, struct model_batch *batch)
{
    if (ledger->n_late != MAX_LATE)
        ledger->late[ledger->n_late++] = batch_keep(batch);
}

static inline void ledger_arrive(struct ledger *ledger, size_t which)
{
    struct model_batch *batch;
    bool repeated;

    if (ledger->n_late == 0)
        return;
    which %= ledger->n_late;
    batch = ledger->late[which];
    ledger->late[which] = ledger->late[--ledger->n_late];
    repeated = batch->repeated; /* in the answer that render-svc got */
    (void)ledger_apply(ledger, batch);
    batch->repeated = repeated;
    batch_leave(batch);
}

static inline void ledger_fini(struct ledger *ledger)
{
    while (ledger->n_late != 0)
        ledger_arrive(ledger, 0);
    ledger_confirm(ledger);
    for (int64_t lane = 1; lane <= ledger->issued; ++lane)
        batch_leave(ledger->last[lane]);
}

#endif
