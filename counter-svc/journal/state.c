/* The state in memory: slots of paths in a hash table, the ranking, lanes in a tree. */
#include "counter-svc/journal/state.h"

#include "base/memory.h"
#include "base/random.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* A library in a header. The hash is seeded, because visitors choose the paths. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MIN_BUCKETS 1024

static struct slot *slot_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct slot, link, link);
}

/* The memory of a slot, its bucket included, without its path. */
#define SLOT_BYTES (sizeof(struct slot) + sizeof(void *))
_Static_assert(sizeof(void *) != 8 || SLOT_BYTES == 64, "--help says so (max_cached_bytes)");

static size_t slot_bytes(const struct slot *slot)
{
    return SLOT_BYTES + slot->path_len;
}

void state_init(struct state *state)
{
    *state = (struct state){0};
    state->_seed = random_bits();
    h2o_linklist_init_anchor(&state->_slots);
    state->_n_buckets = MIN_BUCKETS;
    state->_buckets = memory_allocate(MIN_BUCKETS, sizeof(struct slot *));
    state->top = memory_allocate(STATE_TOP_ROWS, sizeof(struct slot *));
}

void state_clear(struct state *state)
{
    while (!h2o_linklist_is_empty(&state->_slots)) {
        struct slot *slot = slot_of(state->_slots.next);
        INVARIANT(slot->entry_index == 0);
        h2o_linklist_unlink(&slot->link);
        free(slot);
    }
    memset(state->_buckets, 0, state->_n_buckets * sizeof(struct slot *));
    tdestroy(state->_lanes, free);
    state->_lanes = NULL;
    state->is_loaded = false;
    state->overflow = NULL;
    state->n_top = state->_n_slots = state->_n_lanes = state->_bytes = 0;
}

void state_fini(struct state *state)
{
    state_clear(state);
    free(state->_buckets);
    free(state->top);
}

size_t state_bytes(const struct state *state)
{
    return state->_bytes;
}

size_t state_slots(const struct state *state)
{
    return state->_n_slots;
}

size_t state_lanes(const struct state *state)
{
    return state->_n_lanes;
}

/* --- paths --- */

static struct slot **bucket_of(const struct state *state, const char *path, size_t len)
{
    return &state
                ->_buckets[XXH3_64bits_withSeed(path, len, state->_seed) & (state->_n_buckets - 1)];
}

struct slot *state_find(const struct state *state, const char *path, size_t len)
{
    struct slot *slot = *bucket_of(state, path, len);

    while (slot != NULL && (slot->path_len != len || memcmp(slot->path, path, len) != 0))
        slot = slot->next;
    return slot;
}

/* Doubles the buckets when there are as many slots. */
static void grow(struct state *state)
{
    if (state->_n_slots < state->_n_buckets)
        return;
    state->_n_buckets *= 2;
    free(state->_buckets);
    state->_buckets = memory_allocate(state->_n_buckets, sizeof(struct slot *));
    for (h2o_linklist_t *link = state->_slots.next; link != &state->_slots; link = link->next) {
        struct slot *slot = slot_of(link), **bucket = bucket_of(state, slot->path, slot->path_len);
        slot->next = *bucket;
        *bucket = slot;
    }
}

/* Frees a slot. Its caller has checked that nothing needs it. */
static void evict(struct state *state, struct slot *slot)
{
    struct slot **at = bucket_of(state, slot->path, slot->path_len);

    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    h2o_linklist_unlink(&slot->link);
    --state->_n_slots;
    state->_bytes -= slot_bytes(slot);
    free(slot);
}

/* --- the ranking's first rows --- */

/* Returns whether `path` with this count ranks before `slot`. */
static bool is_before(int64_t count, const struct slot *path, const struct slot *slot)
{
    if (count != slot->count)
        return count > slot->count;
    return path_compare(path->path, path->path_len, slot->path, slot->path_len) < 0;
}

/* Returns the index that a slot with this count has among the first `n` rows. */
static size_t top_index(const struct state *state, const struct slot *slot, int64_t count, size_t n)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (state->top[middle] != slot && !is_before(count, slot, state->top[middle]))
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* Notes whether a slot is among the first rows. Those are never evicted, so their bytes do not
 * count. */
static void set_in_top(struct state *state, struct slot *slot, bool in_top)
{
    slot->in_top = in_top;
    state->_bytes += in_top ? -slot_bytes(slot) : slot_bytes(slot);
}

/* Sets a slot's count, which only grows, and moves the slot to its place in the ranking. */
static void rank(struct state *state, struct slot *slot, int64_t new_count)
{
    size_t from, to;

    if (slot->in_top) {
        from = top_index(state, slot, slot->count, state->n_top);
        INVARIANT(from < state->n_top && state->top[from] == slot);
    } else if (state->n_top < STATE_TOP_ROWS) {
        from = state->n_top++;
        set_in_top(state, slot, true);
    } else if (is_before(new_count, slot, state->top[STATE_TOP_ROWS - 1])) {
        from = STATE_TOP_ROWS - 1;
        set_in_top(state, state->top[from], false);
        set_in_top(state, slot, true);
    } else {
        slot->count = new_count;
        return;
    }
    to = top_index(state, slot, new_count, from);
    memmove(&state->top[to + 1], &state->top[to], (from - to) * sizeof(struct slot *));
    state->top[to] = slot;
    slot->count = new_count;
}

struct slot *state_add(struct state *state, const char *path, size_t len, int64_t count,
                       int64_t bots, int64_t checkpoint)
{
    struct slot *slot = memory_resize(NULL, sizeof(*slot) + len), **bucket;

    grow(state);
    bucket = bucket_of(state, path, len);
    *slot = (struct slot){.next = *bucket,
                          .bots = bots,
                          .position = checkpoint,
                          .path_len = (uint32_t)len,
                          .has_row = count >= 0};
    memcpy(slot->path, path, len);
    *bucket = slot;
    /* The list is in the order of positions. Its head is evicted first. */
    h2o_linklist_insert(checkpoint <= state->checkpoint ? state->_slots.next : &state->_slots,
                        &slot->link);
    ++state->_n_slots;
    state->_bytes += slot_bytes(slot);
    if (slot->has_row)
        rank(state, slot, count);
    return slot;
}

/* --- lanes --- */

static int compare_lanes(const void *a, const void *b)
{
    const struct ledger_lane *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

struct ledger_lane *state_lane(const struct state *state, int64_t id)
{
    struct ledger_lane key = {.id = id}, **found = tfind(&key, &state->_lanes, compare_lanes);

    return found != NULL ? *found : NULL;
}

void state_set_lane(struct state *state, const struct ledger_lane *lane)
{
    struct ledger_lane *found = state_lane(state, lane->id);

    if (found == NULL) {
        found = memory_allocate(1, sizeof(*found));
        *found = *lane;
        if (tsearch(found, &state->_lanes, compare_lanes) == NULL)
            h2o_fatal("no memory");
        ++state->_n_lanes;
    }
    *found = *lane;
}

static void end_lane(struct state *state, int64_t id)
{
    struct ledger_lane *lane = state_lane(state, id);

    if (lane == NULL)
        return;
    tdelete(lane, &state->_lanes, compare_lanes);
    free(lane);
    --state->_n_lanes;
}

/* The argument of add_if_expired. */
struct expired {
    int64_t before_ms;
    int64_t *ids;
    size_t most, count;
};

static void add_if_expired(const void *node, VISIT visit, void *data)
{
    const struct ledger_lane *lane = *(struct ledger_lane *const *)node;
    struct expired *expired = data;

    if ((visit == postorder || visit == leaf) && expired->count < expired->most &&
        lane->used_ms < expired->before_ms)
        expired->ids[expired->count++] = lane->id;
}

size_t state_expired_lanes(const struct state *state, int64_t before_ms, int64_t *ids, size_t most)
{
    struct expired expired = {before_ms, ids, most, 0};

    twalk_r(state->_lanes, add_if_expired, &expired);
    return expired.count;
}

/* --- entries --- */

/* Applies one path of an entry. Returns whether its slot becomes pinned. */
static bool apply_path(struct state *state, const struct journal_entry *entry,
                       const struct entry_path *path, int64_t checkpoint)
{
    struct slot *slot = path->slot;
    bool was_pinned;

    if (slot == NULL)
        slot = state_find(state, path->path, path->path_len);
    if (slot == NULL)
        slot = state_add(state, path->path, path->path_len, path->table_count, path->table_bots,
                         checkpoint);
    INVARIANT(path->slot == NULL || slot->position < entry->position);
    if (slot->position >= entry->position)
        return false; /* its count already includes these hits */
    was_pinned = slot->position > state->checkpoint;
    rank(state, slot, saturating_add(slot->count, path->hits));
    slot->bots = saturating_add(slot->bots, path->bot_hits);
    slot->has_row = true;
    slot->position = entry->position;
    h2o_linklist_unlink(&slot->link);
    h2o_linklist_insert(&state->_slots, &slot->link);
    return !was_pinned;
}

size_t state_apply(struct state *state, const struct journal_entry *entry, int64_t checkpoint)
{
    size_t pinned = 0;

    INVARIANT(state->is_loaded && entry->position == state->position + 1);
    for (size_t i = 0; i < entry->n_paths; ++i) {
        pinned += apply_path(state, entry, &entry->paths[i], checkpoint);
        state->hits = saturating_add(state->hits, entry->paths[i].hits);
        state->bots = saturating_add(state->bots, entry->paths[i].bot_hits);
    }
    state->paths += entry->new_paths;
    for (size_t i = 0; i < entry->n_opened; ++i)
        state_set_lane(state,
                       &(struct ledger_lane){.id = entry->opened[i], .used_ms = entry->at_ms});
    for (size_t i = 0; i < entry->n_batches; ++i)
        state_set_lane(state,
                       &(struct ledger_lane){entry->lanes[i], entry->sequences[i], entry->at_ms});
    for (size_t i = 0; i < entry->n_ended; ++i)
        end_lane(state, entry->ended[i]);
    state->position = entry->position;
    state->id = entry->id;
    if (entry->at_ms > state->now_ms)
        state->now_ms = entry->at_ms;
    return pinned;
}

bool state_set_checkpoint(struct state *state, int64_t checkpoint)
{
    if (checkpoint < state->checkpoint)
        return false;
    state->checkpoint = checkpoint;
    return true;
}

/* The list begins with the oldest position, so nearly all slots that are not pinned come first. A
 * slot that is kept for another reason moves to the end of the list. There are at most
 * STATE_TOP_ROWS + 1 of those. */
void state_evict(struct state *state, size_t max_bytes)
{
    for (size_t needed = 0; state->_bytes > max_bytes && needed <= STATE_TOP_ROWS + 1;) {
        struct slot *slot = slot_of(state->_slots.next);
        if (h2o_linklist_is_empty(&state->_slots) || slot->position > state->checkpoint)
            return;
        if (slot->in_top || slot->kept || slot->entry_index != 0) {
            ++needed;
            h2o_linklist_unlink(&slot->link);
            h2o_linklist_insert(&state->_slots, &slot->link);
        } else {
            evict(state, slot);
        }
    }
}
