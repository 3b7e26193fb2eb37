/* The state: the ledger after an entry of the journal, in memory.
 *
 *     state at position p = tables at the checkpoint + entries after the checkpoint, up to p
 *
 * It holds the last sequence of every lane, the totals of paths and hits, the first rows of the
 * ranking, and counts of paths: of all paths that were hit after the checkpoint, and of as many
 * others as fit into memory. The path whose last hit is the oldest is evicted first. The state can
 * be discarded and loaded again at any time.
 *
 * A slot's count is exact as of the slot's position: no entry between this position and the state's
 * has the path. This implies:
 *   - A slot that was read from the tables has the position of their checkpoint, which may be
 *     before or after the state's position. An entry that the count already includes is skipped.
 *   - A slot whose position is after the checkpoint is pinned: the tables lack its last hits.
 *   - A path without a slot was not hit between the checkpoint and the state's position: its count
 *     in the tables is its count.
 *
 * No I/O, no clock. One thread.
 */
#ifndef COUNTER_JOURNAL_STATE_H
#define COUNTER_JOURNAL_STATE_H

#include "base/invariant.h"
#include "counter-svc/journal/entry.h"
#include "proto/api.h"

#include <h2o.h>

/* The rows of the ranking in memory: a page, and one more row that shows whether there is a next
 * page. */
#define STATE_TOP_ROWS (VIEW_MAX_ROWS + 1)

/* A path in memory. */
struct slot {
    h2o_linklist_t link; /* by the position of the last hit, the oldest first */
    struct slot *next;   /* in its bucket */
    int64_t count;       /* as of `position`; saturates */
    int64_t bots;        /* of `count`, hits by bots; saturates */
    int64_t position;
    uint32_t path_len;
    uint16_t entry_index; /* in the entry that is being made, from 1; 0: not in it */
    bool has_row : 1;     /* false: the tables have no row, not even one with a count of 0 */
    bool in_top : 1;
    bool kept : 1; /* never evicted: the overflow row */
    char path[];
};

/* An open lane. */
struct ledger_lane {
    int64_t id;
    int64_t sequence; /* of its last batch; 0: none yet */
    int64_t used_ms;  /* PostgreSQL's time, since 1970 */
};

struct state {
    bool is_loaded;
    int64_t position, id; /* of the last entry that was applied */
    int64_t generation;
    int64_t checkpoint; /* the last checkpoint that was read */
    int64_t paths, hits, bots;
    int64_t now_ms; /* PostgreSQL's time, as last read */

    struct slot *overflow; /* the row of paths without their own row */
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

/* Discards everything. */
void state_clear(struct state *state);

/* Returns the slot of a path, or NULL if its count is not in memory. */
struct slot *state_find(const struct state *state, const char *path, size_t len);

/* Adds a path with its count in the tables at a checkpoint. A path without a row has `count` -1 and
 * `bots` 0. The path must not have a slot. */
struct slot *state_add(struct state *state, const char *path, size_t len, int64_t count,
                       int64_t bots, int64_t checkpoint);

/* Returns the lane with this id, or NULL. Valid until the next change of the state. */
struct ledger_lane *state_lane(const struct state *state, int64_t id);

/* Adds or updates a lane. */
void state_set_lane(struct state *state, const struct ledger_lane *lane);

/* Writes the ids of up to `most` lanes that were last used before this time. Returns their
 * number. */
size_t state_expired_lanes(const struct state *state, int64_t before_ms, int64_t *ids, size_t most);

/* Applies the next entry. The paths of an entry that this process has made have slots. The paths of
 * an entry that was read have their counts in the tables at `checkpoint`. Returns the number of
 * newly pinned slots. */
size_t state_apply(struct state *state, const struct journal_entry *entry, int64_t checkpoint);

/* Notes the checkpoint. Returns false, and changes nothing, if it is before the known one: after a
 * crash, or on another server. */
bool state_set_checkpoint(struct state *state, int64_t checkpoint)
    __attribute__((warn_unused_result));

/* Evicts slots until the rest take at most `max_bytes`, or none can be evicted. */
void state_evict(struct state *state, size_t max_bytes);

/* Returns the memory of the slots outside the first rows of the ranking, in bytes, without the
 * allocator's overhead. */
size_t state_bytes(const struct state *state);

/* Returns the number of slots. */
size_t state_slots(const struct state *state);

/* Returns the number of open lanes. */
size_t state_lanes(const struct state *state);

/* Returns a + b, at most INT64_MAX. */
static inline int64_t saturating_add(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

#endif
