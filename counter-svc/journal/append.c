/* Append: from the requests that wait to an entry, and from its commit to the answers. */

#include "counter-svc/journal/journal_private.h"

#include "base/memory.h"
#include "base/random.h"
#include "counter-svc/ledger/pg_array.h"
#include "server/ops/log.h"

#include <stdlib.h>

/* An entry that is being made. */
struct gathering {
    struct journal *journal;
    struct slot *slots[BATCH_MAX_PATHS]; /* of the present batch */
    int64_t lanes[ENTRY_MAX_BATCHES];    /* of all batches that were taken */
    size_t n_lanes;
    size_t path_bytes; /* in the entry */
    bool is_full;      /* no new batch may be appended until more is folded */
    bool has_content;  /* an append is needed, perhaps of an empty entry */
};

static void on_appended(void *data, const struct pg_answer *answer);

/* --- taking batches --- */

static bool lane_is_taken(const struct gathering *gathering, int64_t lane)
{
    for (size_t i = 0; i < gathering->n_lanes; ++i)
        if (gathering->lanes[i] == lane)
            return true;
    return false;
}

/* Finds the slots of a batch's paths. Notes the missing ones, to be looked up. */
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

static void take(struct gathering *gathering, struct journal_request *request,
                 enum journal_outcome outcome)
{
    gathering->lanes[gathering->n_lanes++] = request->hits.batch.lane;
    gathering->has_content = true;
    journal_take(request, outcome);
}

/* The count of a slot's row after the entry. */
static struct hit_count number_of(const struct journal *journal, const struct slot *slot)
{
    int64_t hits = slot->place != 0 ? journal->entry.paths[slot->place - 1].hits : 0;

    return (struct hit_count){saturating_add(slot->count, hits), slot == journal->state.overflow};
}

/* Adds a path's hits to the entry: to its own row, or to the overflow row if it has no row yet and
 * max_paths is reached. */
static struct hit_count add_path(struct gathering *gathering, struct slot *slot,
                                 const struct batch_entry *added)
{
    struct journal *journal = gathering->journal;
    struct journal_entry *entry = &journal->entry;
    struct entry_path *path;

    if (!slot->has_row && slot->place == 0 && slot != journal->state.overflow) {
        if (journal->state.paths + entry->new_paths < journal->settings->max_paths)
            ++entry->new_paths;
        else
            slot = journal->state.overflow;
    }
    if (slot->place == 0) {
        INVARIANT(entry->n_paths < ENTRY_MAX_PATHS);
        entry->paths[entry->n_paths++] =
            (struct entry_path){.slot = slot, .path = slot->path, .path_len = slot->path_len};
        slot->place = (uint16_t)entry->n_paths;
        gathering->path_bytes += slot->path_len;
    }
    path = &entry->paths[slot->place - 1];
    path->hits = saturating_add(path->hits, added->hits);
    path->bot_hits = saturating_add(path->bot_hits, added->bot_hits);
    return number_of(journal, slot);
}

/* Takes the next batch of its lane. */
static void take_next(struct gathering *gathering, struct journal_request *request)
{
    const struct batch *batch = &request->hits.batch;
    struct journal_entry *entry = &gathering->journal->entry;

    request->numbers = memory_allocate(batch->size, sizeof(*request->numbers));
    for (size_t i = 0; i < batch->size; ++i)
        request->numbers[i] = add_path(gathering, gathering->slots[i], &batch->entries[i]);
    entry->lanes[entry->n_batches] = batch->lane;
    entry->sequences[entry->n_batches++] = batch->sequence;
    take(gathering, request, JOURNAL_APPLIED);
}

/* Takes a batch that was applied before; its answer has the present counts. */
static void take_repeat(struct gathering *gathering, struct journal_request *request)
{
    const struct batch *batch = &request->hits.batch;
    struct journal *journal = gathering->journal;

    request->numbers = memory_allocate(batch->size, sizeof(*request->numbers));
    for (size_t i = 0; i < batch->size; ++i)
        request->numbers[i] = number_of(
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

/* The new lane is random: after a restore of a backup a serial number could come again, and two
 * renderers would share a lane. */
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

/* A read needs an append only if another server may have replaced this one. */
static void gather_read(struct gathering *gathering, struct journal_request *request)
{
    if (session_has_several_hosts(gathering->journal->session))
        gathering->has_content = true;
    journal_take(request, JOURNAL_APPLIED);
}

void append_make_room(struct journal *journal)
{
    size_t max_bytes = (size_t)journal->settings->max_cached_bytes;

    if (state_bytes(&journal->state) > max_bytes)
        state_evict(&journal->state, max_bytes - max_bytes / 16);
}

/* Whether the entries or the pinned paths have reached their limit: then new batches wait for a
 * fold. */
static bool is_full(struct journal *journal)
{
    struct state *state = &journal->state;
    size_t max_bytes = (size_t)journal->settings->max_cached_bytes;

    /* paths that were looked up for this entry stay, whatever the limit */
    if (!journal->just_looked_up)
        append_make_room(journal);
    if (state->position - state->checkpoint < journal->settings->max_unfolded &&
        (journal->just_looked_up || state_bytes(state) <= max_bytes))
        return false;
    fold_soon(journal->fold);
    if (!journal->was_full)
        log_event(LOG_LEVEL_WARNING, "journal-full", "unfolded=%lld max_unfolded=%lld bytes=%zu",
                  (long long)(state->position - state->checkpoint),
                  (long long)journal->settings->max_unfolded, state_bytes(state));
    return true;
}

/* Makes the entry an empty one behind the last one. */
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

/* Takes the requests of the queue that can leave together. */
static void gather(struct gathering *gathering)
{
    struct journal *journal = gathering->journal;
    h2o_linklist_t *next;

    begin_entry(journal);
    journal->missing.len = journal->n_missing = 0;
    gathering->is_full = journal->was_full = is_full(journal);
    for (h2o_linklist_t *link = journal->queue.next; link != &journal->queue; link = next) {
        struct journal_request *request = request_of(link);
        next = link->next;
        if (request->kind == REQUEST_BATCH)
            gather_batch(gathering, request);
        else if (request->kind == REQUEST_LANE)
            gather_lane(gathering, request);
        else
            gather_read(gathering, request);
    }
}

/* Removes the paths that gather has added. */
static void remove_paths(struct journal_entry *entry)
{
    for (size_t i = 0; i < entry->n_paths; ++i)
        entry->paths[i].slot->place = 0;
    entry->n_paths = 0;
}

/* --- sending --- */

/* A lane with a batch in the entry does not expire. */
static void keep_used_lanes(struct journal_entry *entry)
{
    size_t n = 0;

    for (size_t i = 0; i < entry->n_ended; ++i) {
        bool is_used = false;
        for (size_t j = 0; j < entry->n_batches; ++j)
            is_used |= entry->lanes[j] == entry->ended[i];
        if (!is_used)
            entry->ended[n++] = entry->ended[i];
    }
    entry->n_ended = n;
}

/* The hits, batches and lanes of the taken requests, against those of the entry. */
static void check_requests(const struct journal *journal)
{
    const struct journal_entry *entry = &journal->entry;
    size_t n_batches = 0, n_lanes = 0;
    int64_t hits = 0;

    for (h2o_linklist_t *link = journal->taken.next; link != &journal->taken; link = link->next) {
        const struct journal_request *request = request_of(link);
        INVARIANT(request->state == REQUEST_TAKEN);
        n_lanes += request->kind == REQUEST_LANE;
        if (request->kind != REQUEST_BATCH || request->outcome != JOURNAL_APPLIED)
            continue;
        ++n_batches;
        hits += request->n_hits;
    }
    for (size_t i = 0; i < entry->n_paths; ++i)
        hits -= entry->paths[i].hits;
    INVARIANT(n_batches == entry->n_batches);
    INVARIANT(n_lanes == entry->n_opened);
    INVARIANT(hits == 0);
}

void append_check_entry(const struct journal *journal)
{
    const struct journal_entry *entry = &journal->entry;
    const struct state *state = &journal->state;
    int64_t new_paths = 0;

    INVARIANT(entry->position == state->position + 1);
    check_requests(journal);
    for (size_t i = 0; i < entry->n_batches; ++i) {
        const struct ledger_lane *lane = state_lane(state, entry->lanes[i]);
        INVARIANT(lane != NULL && entry->sequences[i] == lane->sequence + 1);
    }
    for (size_t i = 0; i < entry->n_paths; ++i) {
        const struct slot *slot = entry->paths[i].slot;
        INVARIANT(slot->place == i + 1);
        new_paths += !slot->has_row && slot != state->overflow;
    }
    INVARIANT(new_paths == entry->new_paths);
}

static void send_entry(struct journal *journal)
{
    struct journal_entry *entry = &journal->entry;
    struct pg_parameter parameters[ENTRY_N_PARAMETERS];
    int64_t silent_ms = journal->state.now_ms - journal->settings->lane_forget_s * 1000;

    append_check_entry(journal);
    if (journal->lanes_expired)
        entry->n_ended =
            state_silent_lanes(&journal->state, silent_ms, entry->ended, ENTRY_MAX_LANES);
    journal->lanes_expired = entry->n_ended == ENTRY_MAX_LANES;
    keep_used_lanes(entry);
    entry_encode(entry, journal->state.id, journal->state.generation, &journal->parameters,
                 parameters);
    parameters[ENTRY_N_PARAMETERS - 1] = (struct pg_parameter){
        "     ", session_padding(STATEMENT_APPEND, parameters, ENTRY_N_PARAMETERS)};
    histogram_add_size(&journal->metrics->commit_batches, entry->n_batches);
    histogram_add_size(&journal->metrics->commit_paths, entry->n_paths);
    journal_begin(journal, JOURNAL_APPENDING);
    journal->just_looked_up = false;
    session_run(journal->session, STATEMENT_APPEND, parameters, ENTRY_N_PARAMETERS, on_appended,
                journal);
}

/* Whether to look up paths before the append. After a look-up the complete batches leave first:
 * otherwise an endless stream of new paths would stop all counting. */
static bool must_look_up(const struct gathering *gathering)
{
    const struct journal *journal = gathering->journal;

    return journal->n_missing != 0 && !journal->just_looked_up && !gathering->is_full &&
           monotonic_ms() >= journal->look_up_after_ms;
}

bool append_send(struct journal *journal)
{
    struct gathering gathering = {.journal = journal};

    if (h2o_linklist_is_empty(&journal->queue) && !journal->lanes_expired)
        return false;
    gather(&gathering);
    if (must_look_up(&gathering)) {
        remove_paths(&journal->entry);
        journal_put_back(journal);
        look_up_send(journal);
        return true;
    }
    journal->just_looked_up = false;
    if (gathering.has_content || journal->lanes_expired) {
        send_entry(journal);
        return true;
    }
    if (!h2o_linklist_is_empty(&journal->taken)) {
        head_send(journal); /* only reads wait */
        return true;
    }
    if (must_look_up(&gathering))
        journal_kick(journal);
    return false;
}

/* --- the answer --- */

/* The entry is on this server's disk: applies it to the state. */
static void apply_entry(struct journal *journal)
{
    struct journal_entry *entry = &journal->entry;
    size_t n_paths = entry->n_paths, pinned;
    bool overflowed = false;

    for (size_t i = 0; i < n_paths; ++i) {
        entry->paths[i].slot->place = 0;
        overflowed |= entry->paths[i].slot == journal->state.overflow;
    }
    if (overflowed)
        log_event(LOG_LEVEL_WARNING, "paths-full", "max_paths=%lld",
                  (long long)journal->settings->max_paths);
    pinned = state_apply(&journal->state, entry, journal->state.checkpoint);
    entry->n_paths = 0;
    fold_note_entry(journal->fold, n_paths, pinned, true);
    metric_set(&journal->metrics->ledger_paths, (uint64_t)journal->state.paths);
    metric_set(&journal->metrics->ledger_hits, (uint64_t)journal->state.hits);
}

/* The entry is committed here, but a standby may lack it, so nothing is confirmed. The renderers
 * send the batches again: they are repeats unless another server takes over. */
static void on_warned(struct journal *journal)
{
    metric_add(&journal->metrics->commit_failures[FAILURE_STANDBY], 1);
    journal_answer_unavailable(&journal->taken);
    session_leave_host(journal->session, "a commit may not be safe on a standby");
}

static void on_appended(void *data, const struct pg_answer *answer)
{
    struct journal *journal = data;
    h2o_linklist_t confirmed;
    int64_t checkpoint;

    if (answer->outcome != PG_DONE)
        remove_paths(&journal->entry);
    if (!journal_is_done(journal, answer))
        return;
    journal->refused_since_ms = 0;
    if (PQntuples(answer->result) == 0) {
        metric_add(&journal->metrics->conflicts, 1);
        remove_paths(&journal->entry);
        journal_put_back(journal);
        journal->is_behind = true;
        journal_step(journal);
        return;
    }
    histogram_add_ns(&journal->metrics->commit_seconds, monotonic_ns() - journal->sent_ns);
    journal->entry.at_ms = pg_int8(PQgetvalue(answer->result, 0, 0));
    checkpoint = pg_int8(PQgetvalue(answer->result, 0, 1));
    apply_entry(journal);
    if (answer->warned) {
        on_warned(journal);
        return;
    }
    h2o_linklist_init_anchor(&confirmed);
    h2o_linklist_insert_list(&confirmed, &journal->taken);
    if (note_checkpoint(journal, checkpoint))
        journal_step(journal); /* the next entry is in flight while this one is answered */
    else
        journal_kick(journal);
    journal_answer(&confirmed);
}
