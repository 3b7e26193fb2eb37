/* The state: what the ledger is after an entry of the journal, as far as counter-svc needs it to count
 * and to answer from memory.
 *
 *     state at position p = the tables at the checkpoint, and the entries behind it up to p
 *
 * It holds the last sequence of every lane, how many paths and hits there are, the first rows of the
 * ranking, and the counts of paths: of all that were hit behind the checkpoint, and of as many others
 * as there is memory for, the least recently hit ones being forgotten first. It can be thrown away at
 * any time, and read anew.
 *
 * A slot's count is exact as of the slot's position: no entry between that and the state's position
 * has the path. Everything else follows:
 *   - A slot that was read from the tables has the position of the checkpoint that they were read at,
 *     which may be behind or ahead of the state. An entry that the slot's count has already is skipped.
 *   - A slot with a position behind the checkpoint is pinned: the tables do not have its hits yet.
 *   - A path without a slot was not hit between the checkpoint and the state, so that its count in the
 *     tables is its count.
 *
 * No I/O, no clock. One thread.
 */
#ifndef COUNTER_JOURNAL_STATE_H
#define COUNTER_JOURNAL_STATE_H

#include "base/invariant.h"
#include "counter-svc/journal/entry.h"
#include "proto/api.h"

#include <h2o.h>

/* Rows of the ranking that are kept: one more than a page has tells whether there is a next one. */
#define STATE_TOP_ROWS (VIEW_MAX_ROWS + 1)

/* A path in memory. */
struct slot {
    h2o_linklist_t link; /* by the position of the last hit, the oldest first */
    struct slot *next;   /* in its bucket */
    int64_t count;       /* as of `position`; at the end of int64_t it stays there */
    int64_t bots;        /* hits of bots in it, the same */
    int64_t position;
    uint32_t path_len;
    uint16_t place;   /* in the entry that is being made, from 1; 0: it is not in it */
    bool has_row : 1; /* false: no row, not even one with a count of 0 */
    bool in_top : 1;
    bool kept : 1; /* is never forgotten */
    char path[];
};

/* A lane that has begun and not ended. */
struct lane {
    int64_t id;
    int64_t sequence; /* of its last batch, 0: none yet */
    int64_t used_ms;  /* PostgreSQL's time, since 1970 */
};

struct state {
    bool is_loaded;
    int64_t position, id; /* of the last entry in it */
    int64_t generation;
    int64_t checkpoint; /* the tables have everything up to it, as far as is known */
    int64_t paths, hits, bots;
    int64_t now_ms; /* PostgreSQL's time, as last read */

    struct slot *overflow; /* the row of paths that have none of their own */
    struct slot **top;     /* the first rows of the ranking */
    size_t n_top;

    /* private */
    struct slot **_buckets;
    size_t _n_buckets, _n_slots, _bytes;
    h2o_linklist_t _slots;
    void *_lanes; /* a tree, see tsearch(3) */
    size_t _n_lanes;
    uint64_t _seed;
};

void state_init(struct state *state);
void state_fini(struct state *state);

/* Forgets everything. */
void state_clear(struct state *state);

/* The slot of a path, or NULL: its count is not in memory. */
struct slot *state_find(const struct state *state, const char *path, size_t len);

/* Adds what the tables have of a path at a checkpoint; `count` is -1 when they have no row, and `bots` then 0. The
 * path must not have a slot yet. */
struct slot *state_add(struct state *state, const char *path, size_t len, int64_t count,
                       int64_t bots, int64_t checkpoint);

/* The lane with this id, or NULL. Good until the next change of the state. */
struct lane *state_lane(const struct state *state, int64_t id);

/* Adds a lane, or changes it. */
void state_set_lane(struct state *state, const struct lane *lane);

/* Up to `most` lanes that were last used before a time. Returns how many. */
size_t state_silent_lanes(const struct state *state, int64_t before_ms, int64_t *ids, size_t most);

/* Moves on by an entry, which must be the next one. For an entry of our own its paths name their slots;
 * for one that was read they have their counts in the tables at `checkpoint`. Returns how many slots it
 * has pinned that were not pinned before. */
size_t state_apply(struct state *state, const struct journal_entry *entry, int64_t checkpoint);

/* Notes that the tables have everything up to `checkpoint`. Returns false, and changes nothing, when
 * more was known to be in them: a crash or another server has taken it back. */
bool state_set_checkpoint(struct state *state, int64_t checkpoint)
    __attribute__((warn_unused_result));

/* Forgets slots until they take up at most `max_bytes`, or all others are needed. */
void state_evict(struct state *state, size_t max_bytes);

/* Memory that slots take up besides those of the ranking, in bytes, without what the allocator adds. */
size_t state_bytes(const struct state *state);

/* How many paths have a slot. */
size_t state_slots(const struct state *state);

/* How many lanes there are. */
size_t state_lanes(const struct state *state);

/* a + b, at most INT64_MAX. */
static inline int64_t saturating_add(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

#endif
