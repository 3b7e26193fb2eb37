/* Append: sends an entry, and answers its requests after the commit. gather.c makes the entry. */
#include "counter-svc/journal/journal_private.h"

#include "counter-svc/ledger/pg_array.h"
#include "server/ops/log.h"

/* The number of parameters of append.sql. The last one is padding: the first bytes of PADDING, as
 * many as pg_padding says. */
#define N_PARAMETERS 14
#define PADDING      "     "
_Static_assert(N_PARAMETERS <= PG_MAX_PARAMETERS, "an append is a query");

static void on_appended(void *data, const struct pg_answer *answer);

/* Removes the paths that gather has added to the entry. */
static void remove_paths(struct journal_entry *entry)
{
    for (size_t i = 0; i < entry->n_paths; ++i)
        entry->paths[i].slot->entry_index = 0;
    entry->n_paths = 0;
}

/* --- the parameters of append.sql --- */

/* Ends a parameter that began at `from`. Its `bytes` are set last, when the buffer no longer
 * moves. */
static void end_parameter(const struct buffer *buffer, size_t *from, struct pg_parameter *parameter)
{
    parameter->len = buffer->len - *from;
    *from = buffer->len;
}

static void add_int8_array(struct buffer *to, const int64_t *values, size_t count)
{
    pg_add_int8_array_head(to, count);
    for (size_t i = 0; i < count; ++i)
        pg_add_int8_element(to, values[i]);
}

/* Adds the hits by bots. If there are none, the array has no elements. */
static void add_bot_hits(struct buffer *to, const struct journal_entry *entry)
{
    bool has_bots = false;

    for (size_t i = 0; i < entry->n_paths; ++i)
        has_bots |= entry->paths[i].bot_hits != 0;
    pg_add_int8_array_head(to, has_bots ? entry->n_paths : 0);
    for (size_t i = 0; has_bots && i < entry->n_paths; ++i)
        pg_add_int8_element(to, entry->paths[i].bot_hits);
}

/* Writes the parameters that append the entry after the last one, if the generation is still that
 * of the state. They point into journal->parameters. */
static void encode_entry(struct journal *journal, struct pg_parameter parameters[N_PARAMETERS])
{
    const struct journal_entry *entry = &journal->entry;
    struct buffer *buffer = &journal->parameters;
    const int64_t numbers[] = {entry->position - 1, journal->state.id, journal->state.generation,
                               entry->id, entry->writer};
    const struct {
        const int64_t *values;
        size_t count;
    } arrays[] = {{entry->lanes, entry->n_batches},
                  {entry->sequences, entry->n_batches},
                  {entry->opened, entry->n_opened},
                  {entry->ended, entry->n_ended}};
    size_t n = 0, from = 0;

    buffer->len = 0;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); ++i) {
        pg_add_int8(buffer, numbers[i]);
        end_parameter(buffer, &from, &parameters[n++]);
    }
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); ++i) {
        add_int8_array(buffer, arrays[i].values, arrays[i].count);
        end_parameter(buffer, &from, &parameters[n++]);
    }
    pg_add_text_array_head(buffer, entry->n_paths);
    for (size_t i = 0; i < entry->n_paths; ++i)
        pg_add_text_element(buffer, entry->paths[i].path, entry->paths[i].path_len);
    end_parameter(buffer, &from, &parameters[n++]);
    pg_add_int8_array_head(buffer, entry->n_paths);
    for (size_t i = 0; i < entry->n_paths; ++i)
        pg_add_int8_element(buffer, entry->paths[i].hits);
    end_parameter(buffer, &from, &parameters[n++]);
    add_bot_hits(buffer, entry);
    end_parameter(buffer, &from, &parameters[n++]);
    pg_add_int8(buffer, entry->new_paths);
    end_parameter(buffer, &from, &parameters[n++]);
    for (size_t i = 0, at = 0; i < n; at += parameters[i++].len)
        parameters[i].bytes = buffer->bytes + at;
    parameters[n] = (struct pg_parameter){PADDING, 0};
    parameters[n].len = session_padding(STATEMENT_APPEND, parameters, N_PARAMETERS);
}

/* --- sending --- */

/* Removes, from the lanes that end with the entry, those that have a batch in it. */
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

/* Compares the hits, batches and lanes of the taken requests with those of the entry. */
static void check_requests(const struct journal *journal)
{
    const struct journal_entry *entry = &journal->entry;
    size_t n_batches = 0, n_lanes = 0;
    int64_t hits = 0;

    for (h2o_linklist_t *link = journal->taken.next; link != &journal->taken; link = link->next) {
        const struct journal_request *request = journal_request_of(link);
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
        INVARIANT(slot->entry_index == i + 1);
        new_paths += !slot->has_row && slot != state->overflow;
    }
    INVARIANT(new_paths == entry->new_paths);
}

/* Adds the expired lanes to the entry, checks it and sends it. */
static void send_entry(struct journal *journal)
{
    struct journal_entry *entry = &journal->entry;
    struct pg_parameter parameters[N_PARAMETERS];
    int64_t used_before_ms = journal->state.now_ms - journal->settings->lane_ttl_s * 1000;

    append_check_entry(journal);
    if (journal->lanes_expired)
        entry->n_ended =
            state_expired_lanes(&journal->state, used_before_ms, entry->ended, ENTRY_MAX_LANES);
    journal->lanes_expired = entry->n_ended == ENTRY_MAX_LANES;
    keep_used_lanes(entry);
    encode_entry(journal, parameters);
    histogram_add_size(&journal->metrics->commit_batches, entry->n_batches);
    histogram_add_size(&journal->metrics->commit_paths, entry->n_paths);
    journal_begin(journal, JOURNAL_APPENDING);
    journal->just_looked_up = false;
    session_run(journal->session, STATEMENT_APPEND, parameters, N_PARAMETERS, on_appended, journal);
}

/* Returns whether paths must be looked up before the append. After a look-up, complete batches
 * leave first. Otherwise an endless stream of new paths would stop all counting. */
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
    /* 1. Take the requests that can leave together. */
    gather(&gathering);
    /* 2. Send the statement that they need: a look-up, */
    if (must_look_up(&gathering)) {
        remove_paths(&journal->entry);
        journal_put_back(journal);
        look_up_send(journal);
        return true;
    }
    journal->just_looked_up = false;
    /* an append, */
    if (gathering.has_content || journal->lanes_expired) {
        send_entry(journal);
        return true;
    }
    /* or a read of the head, because only reads wait. */
    if (!h2o_linklist_is_empty(&journal->taken)) {
        head_send(journal);
        return true;
    }
    if (must_look_up(&gathering))
        journal_schedule(journal);
    return false;
}

/* --- the answer --- */

/* Applies the entry, which is on disk, to the state. */
static void apply_entry(struct journal *journal)
{
    struct journal_entry *entry = &journal->entry;
    size_t n_paths = entry->n_paths, pinned;
    bool overflowed = false;

    for (size_t i = 0; i < n_paths; ++i) {
        entry->paths[i].slot->entry_index = 0;
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

/* The entry is committed, but a standby may lack it, so nothing is confirmed. The renderers send
 * the batches again. They are then repeats, unless another server has taken over. */
static void on_warned(struct journal *journal)
{
    metric_add(&journal->metrics->commit_failures[FAILURE_STANDBY], 1);
    journal_answer_unavailable(&journal->taken);
    session_leave_host(journal->session, "a commit may not be safe on a standby");
}

/* The Sync of the append is answered, or the append has failed. */
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
    /* 1. No row: another process has appended. Catch up, and judge all batches again. */
    if (PQntuples(answer->result) == 0) {
        metric_add(&journal->metrics->conflicts, 1);
        remove_paths(&journal->entry);
        journal_put_back(journal);
        journal->is_behind = true;
        journal_step(journal);
        return;
    }
    /* 2. Apply the entry to the state. */
    histogram_add_ns(&journal->metrics->commit_seconds, monotonic_ns() - journal->sent_ns);
    journal->entry.at_ms = pg_int8(PQgetvalue(answer->result, 0, 0));
    checkpoint = pg_int8(PQgetvalue(answer->result, 0, 1));
    apply_entry(journal);
    if (answer->warned) {
        on_warned(journal);
        return;
    }
    /* 3. Send the next entry, then answer the requests of this one. */
    h2o_linklist_init_anchor(&confirmed);
    h2o_linklist_insert_list(&confirmed, &journal->taken);
    if (journal_note_checkpoint(journal, checkpoint))
        journal_step(journal); /* the next entry is in flight while this one is answered */
    else
        journal_schedule(journal);
    journal_answer(&confirmed);
}
