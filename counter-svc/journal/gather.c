/* Makes an entry from the requests that wait: judges each batch by the state in memory, and takes
 * the requests that one entry can answer. */
#include "counter-svc/journal/journal_private.h"

#include "base/memory.h"
#include "base/random.h"
#include "counter-svc/ledger/pg_array.h"
#include "server/ops/log.h"

/* Returns whether a batch of this lane was taken. An entry has at most one of each lane. */
static bool lane_is_taken(const struct gathering *gathering, int64_t lane)
{
    for (size_t i = 0; i < gathering->n_lanes; ++i)
        if (gathering->lanes[i] == lane)
            return true;
    return false;
}

/* Finds the slots of a batch's paths. Returns whether every path has one. The others are noted for
 * a look-up. */
static bool find_slots(struct gathering *gathering, const struct batch *batch)
{
    struct journal *journal = gathering->journal;
    bool all = true;

    for (size_t i = 0; i < batch->size; ++i) {
        const struct batch_entry *entry = &batch->entries[i];
        gathering->slots[i] = state_find(&journal->state, entry->path, entry->path_len);
        if (gathering->slots[i] != NULL)
            continue;
        all = false;
        if (journal->n_missing == BATCH_MAX_PATHS ||
            journal->missing.len + entry->path_len > 2 * BATCH_MAX_PATH_BYTES)
            continue;
        pg_add_text_element(&journal->missing, entry->path, entry->path_len);
        ++journal->n_missing;
    }
    return all;
}

/* Takes a batch: moves its request from the queue to the taken ones. */
static void take(struct gathering *gathering, struct journal_request *request,
                 enum journal_outcome outcome)
{
    gathering->lanes[gathering->n_lanes++] = request->hits.batch.lane;
    gathering->has_content = true;
    journal_take(request, outcome);
}

/* Returns the count that a slot's row has after the entry. */
static struct hit_count count_after(const struct journal *journal, const struct slot *slot)
{
    int64_t hits = slot->entry_index != 0 ? journal->entry.paths[slot->entry_index - 1].hits : 0;

    return (struct hit_count){saturating_add(slot->count, hits), slot == journal->state.overflow};
}

/* Adds a path's hits to the entry: to the path's own row, or to the overflow row if the path has no
 * row yet and max_paths is reached. Returns the count of that row. */
static struct hit_count add_path(struct gathering *gathering, struct slot *slot,
                                 const struct batch_entry *added)
{
    struct journal *journal = gathering->journal;
    struct journal_entry *entry = &journal->entry;
    struct entry_path *path;

    if (!slot->has_row && slot->entry_index == 0 && slot != journal->state.overflow) {
        if (journal->state.paths + entry->new_paths < journal->settings->max_paths)
            ++entry->new_paths;
        else
            slot = journal->state.overflow;
    }
    if (slot->entry_index == 0) {
        INVARIANT(entry->n_paths < ENTRY_MAX_PATHS);
        entry->paths[entry->n_paths++] =
            (struct entry_path){.slot = slot, .path = slot->path, .path_len = slot->path_len};
        slot->entry_index = (uint16_t)entry->n_paths;
        gathering->path_bytes += slot->path_len;
    }
    path = &entry->paths[slot->entry_index - 1];
    path->hits = saturating_add(path->hits, added->hits);
    path->bot_hits = saturating_add(path->bot_hits, added->bot_hits);
    return count_after(journal, slot);
}

/* Takes a batch that is the next of its lane: adds its hits to the entry. */
static void take_next(struct gathering *gathering, struct journal_request *request)
{
    const struct batch *batch = &request->hits.batch;
    struct journal_entry *entry = &gathering->journal->entry;

    request->hit_counts = memory_allocate(batch->size, sizeof(*request->hit_counts));
    for (size_t i = 0; i < batch->size; ++i)
        request->hit_counts[i] = add_path(gathering, gathering->slots[i], &batch->entries[i]);
    entry->lanes[entry->n_batches] = batch->lane;
    entry->sequences[entry->n_batches++] = batch->sequence;
    take(gathering, request, JOURNAL_APPLIED);
}

/* Takes a batch that was applied before. Its answer has the current counts. */
static void take_repeat(struct gathering *gathering, struct journal_request *request)
{
    const struct batch *batch = &request->hits.batch;
    struct journal *journal = gathering->journal;

    request->hit_counts = memory_allocate(batch->size, sizeof(*request->hit_counts));
    for (size_t i = 0; i < batch->size; ++i)
        request->hit_counts[i] = count_after(
            journal, gathering->slots[i]->has_row ? gathering->slots[i] : journal->state.overflow);
    take(gathering, request, JOURNAL_REPEAT);
}

/* Judges a batch by its lane and sequence, and takes it if this entry can answer it. */
static void gather_batch(struct gathering *gathering, struct journal_request *request)
{
    struct journal *journal = gathering->journal;
    const struct batch *batch = &request->hits.batch;
    const struct ledger_lane *lane = state_lane(&journal->state, batch->lane);
    size_t bytes = 0;

    if (gathering->n_lanes == ENTRY_MAX_BATCHES || lane_is_taken(gathering, batch->lane))
        return;
    if (lane == NULL ||
        (batch->sequence != lane->sequence && batch->sequence != lane->sequence + 1)) {
        take(gathering, request, JOURNAL_CONFLICT);
        return;
    }
    for (size_t i = 0; i < batch->size; ++i)
        bytes += batch->entries[i].path_len;
    if (batch->sequence == lane->sequence) {
        if (find_slots(gathering, batch))
            take_repeat(gathering, request);
    } else if (!gathering->is_full && journal->entry.n_paths + batch->size < ENTRY_MAX_PATHS &&
               gathering->path_bytes + bytes <= ENTRY_MAX_PATH_BYTES &&
               find_slots(gathering, batch)) {
        take_next(gathering, request);
    }
}

/* Takes a request for a lane. The id of a lane is random. Consecutive ids would be issued again
 * after a backup was restored, and two renderers would share a lane. */
static void gather_lane(struct gathering *gathering, struct journal_request *request)
{
    struct journal_entry *entry = &gathering->journal->entry;

    if (entry->n_opened == ENTRY_MAX_LANES)
        return;
    do
        request->lane = (int64_t)(random_bits() & (uint64_t)(LANE_MAX - 1));
    while (request->lane == 0 || state_lane(&gathering->journal->state, request->lane) != NULL);
    entry->opened[entry->n_opened++] = request->lane;
    gathering->has_content = true;
    journal_take(request, JOURNAL_APPLIED);
}

/* Takes a read. A read needs an append only if another server may have replaced this one. */
static void gather_read(struct gathering *gathering, struct journal_request *request)
{
    if (session_has_several_hosts(gathering->journal->session))
        gathering->has_content = true;
    journal_take(request, JOURNAL_APPLIED);
}

void gather_make_room(struct journal *journal)
{
    size_t max_bytes = (size_t)journal->settings->max_cached_bytes;

    if (state_bytes(&journal->state) > max_bytes)
        state_evict(&journal->state, max_bytes - max_bytes / 16);
}

/* Returns whether the unfolded entries or the pinned paths have reached their limit. New batches
 * then wait for a fold. */
static bool is_full(struct journal *journal)
{
    struct state *state = &journal->state;
    size_t max_bytes = (size_t)journal->settings->max_cached_bytes;

    /* Paths that were looked up for this entry stay in memory, even beyond the limit. */
    if (!journal->just_looked_up)
        gather_make_room(journal);
    if (state->position - state->checkpoint < journal->settings->max_unfolded &&
        (journal->just_looked_up || state_bytes(state) <= max_bytes))
        return false;
    fold_force(journal->fold);
    if (!journal->was_full)
        log_event(LOG_LEVEL_WARNING, "journal-full", "unfolded=%lld max_unfolded=%lld bytes=%zu",
                  (long long)(state->position - state->checkpoint),
                  (long long)journal->settings->max_unfolded, state_bytes(state));
    return true;
}

/* Begins an empty entry, chained to the last one. */
static void begin_entry(struct journal *journal)
{
    struct journal_entry *entry = &journal->entry;

    entry->position = journal->state.position + 1;
    entry->id = (int64_t)(random_bits() >> 1);
    entry->kind = ENTRY_KIND;
    entry->writer = journal->writer;
    entry->n_batches = entry->n_opened = entry->n_ended = entry->n_paths = 0;
    entry->new_paths = 0;
}

void gather(struct gathering *gathering)
{
    struct journal *journal = gathering->journal;
    h2o_linklist_t *next;

    begin_entry(journal);
    journal->missing.len = journal->n_missing = 0;
    gathering->is_full = journal->was_full = is_full(journal);
    for (h2o_linklist_t *link = journal->queue.next; link != &journal->queue; link = next) {
        struct journal_request *request = journal_request_of(link);
        next = link->next;
        if (request->kind == REQUEST_BATCH)
            gather_batch(gathering, request);
        else if (request->kind == REQUEST_LANE)
            gather_lane(gathering, request);
        else
            gather_read(gathering, request);
    }
}
