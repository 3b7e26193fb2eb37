/* The statements that read: everything (load), entries of others (catch up), whether there are any
 * (head), and counts of paths that are not in memory (look up). */

#include "counter-svc/journal/journal_private.h"

#include "counter-svc/ledger/pg_array.h"
#include "server/ops/log.h"

#include <stdlib.h>

/* Entries that one statement reads. */
#define CATCH_UP_ENTRIES 128

/* The pause before a journal that cannot be read is looked at again. */
#define BROKEN_PAUSE_MS 1000

/* A load that finds the checkpoint's entry gone may have met a fold that was cleared away in between.
 * So many in a row have not. */
#define MAX_BROKEN_LOADS 5

static void on_loaded(void *data, const struct pg_answer *answer);
static void on_caught_up(void *data, const struct pg_answer *answer);
static void on_head(void *data, const struct pg_answer *answer);
static void on_looked_up(void *data, const struct pg_answer *answer);

static void run(struct journal *journal, enum journal_activity activity, enum statement statement,
                const struct pg_parameter *parameters, int count, pg_callback callback)
{
    journal->activity = activity;
    session_run(journal->session, statement, parameters, count, callback, journal);
}

/* A BIGINT; 0 for NULL. */
static int64_t number_at(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? 0 : pg_int8(PQgetvalue(result, row, column));
}

/* Throws the state away, to be read anew. */
static void forget_state(struct journal *journal, const char *reason)
{
    metric_add(&journal->metrics->reloads, 1);
    log_event(LOG_LEVEL_INFO, "journal-reload", "reason=%s position=%lld", LOG_QUOTED(reason),
              (long long)journal->state.position);
    journal_put_back(journal);
    state_clear(&journal->state);
    journal_kick(journal);
}

bool note_checkpoint(struct journal *journal, int64_t checkpoint)
{
    struct counter_metrics *metrics = journal->metrics;
    struct state *state = &journal->state;

    if (!state_set_checkpoint(state, checkpoint)) {
        forget_state(journal, "the checkpoint has gone back");
        return false;
    }
    metric_set(&metrics->unfolded_entries,
               state->position > checkpoint ? (uint64_t)(state->position - checkpoint) : 0);
    metric_set(&metrics->cached_paths, state_slots(state));
    metric_set(&metrics->cached_bytes, state_bytes(state));
    metric_set(&metrics->lanes, state_lanes(state));
    return true;
}

/* Whether the tables are those that the state was read from. */
static bool is_generation(struct journal *journal, int64_t generation)
{
    if (generation == journal->state.generation)
        return true;
    forget_state(journal, "the tables were changed by other means than a fold");
    return false;
}

/* The journal cannot be used as it is: an operator has to look at it. */
static void set_broken(struct journal *journal, const char *problem)
{
    if (journal->problem != problem)
        log_event(LOG_LEVEL_ERROR, "journal-broken", "reason=%s position=%lld", LOG_QUOTED(problem),
                  (long long)journal->state.position);
    journal_answer_unavailable(&journal->taken);
    journal_set_problem(journal, problem);
    journal_pause(journal, BROKEN_PAUSE_MS);
}

/* --- load --- */

/* Columns of load.sql. */
enum load_column {
    LOAD_POSITION,
    LOAD_ID,
    LOAD_GENERATION,
    LOAD_TOTAL_PATHS,
    LOAD_TOTAL_HITS,
    LOAD_TOTAL_BOTS,
    LOAD_LANES,
    LOAD_SEQUENCES,
    LOAD_USED,
    LOAD_TOP_PATHS,
    LOAD_TOP_COUNTS,
    LOAD_TOP_BOTS,
    LOAD_OVERFLOW,
    LOAD_OVERFLOW_BOTS,
    LOAD_NOW
};

void load_send(struct journal *journal)
{
    struct buffer rows = {0};

    pg_add_int8(&rows, STATE_TOP_ROWS);
    run(journal, JOURNAL_LOADING, STATEMENT_LOAD,
        (struct pg_parameter[]){{rows.bytes, rows.len}, {PATH_OVERFLOW, sizeof(PATH_OVERFLOW) - 1}},
        2, on_loaded);
    buffer_free(&rows);
}

/* Opens an array of BIGINT; one that is NULL has no elements. */
static bool open_numbers(const PGresult *result, int column, struct pg_array *array)
{
    *array = (struct pg_array){0};
    return PQgetisnull(result, 0, column) ||
           pg_int8_array_open(array, PQgetvalue(result, 0, column), PQgetlength(result, 0, column));
}

static bool next_number(struct pg_array *array, int64_t *number)
{
    const char *bytes;
    size_t len;

    if (!pg_array_next(array, &bytes, &len) || len != 8)
        return false;
    *number = pg_int8(bytes);
    return true;
}

static bool read_lanes(struct state *state, const PGresult *result)
{
    struct pg_array ids, sequences, used;
    struct lane lane;

    if (!open_numbers(result, LOAD_LANES, &ids) ||
        !open_numbers(result, LOAD_SEQUENCES, &sequences) ||
        !open_numbers(result, LOAD_USED, &used) || sequences.count != ids.count ||
        used.count != ids.count)
        return false;
    for (size_t i = 0; i < ids.count; ++i) {
        if (!next_number(&ids, &lane.id) || !next_number(&sequences, &lane.sequence) ||
            !next_number(&used, &lane.used_ms))
            return false;
        state_set_lane(state, &lane);
    }
    return true;
}

static bool read_top(struct state *state, const PGresult *result)
{
    struct pg_array paths = {0}, counts, all_bots;
    const char *path;
    size_t len;
    int64_t count, bots;

    if (!open_numbers(result, LOAD_TOP_COUNTS, &counts) ||
        !open_numbers(result, LOAD_TOP_BOTS, &all_bots))
        return false;
    if (!PQgetisnull(result, 0, LOAD_TOP_PATHS) &&
        !pg_text_array_open(&paths, PQgetvalue(result, 0, LOAD_TOP_PATHS),
                            PQgetlength(result, 0, LOAD_TOP_PATHS)))
        return false;
    for (size_t i = 0; i < paths.count; ++i) {
        if (!pg_array_next(&paths, &path, &len) || path == NULL || !next_number(&counts, &count) ||
            !next_number(&all_bots, &bots))
            return false;
        if (state_find(state, path, len) == NULL)
            state_add(state, path, len, count, bots, state->checkpoint);
    }
    return true;
}

static void on_loaded(void *data, const struct pg_answer *answer)
{
    struct journal *journal = data;
    struct state *state = &journal->state;
    const PGresult *result = answer->result;

    if (!journal_is_done(journal, answer))
        return;
    if (PQntuples(result) != 1) {
        set_broken(journal, "The ledger has no checkpoint. Restore a backup.");
        return;
    }
    state->position = state->checkpoint = number_at(result, 0, LOAD_POSITION);
    state->id = number_at(result, 0, LOAD_ID);
    state->generation = number_at(result, 0, LOAD_GENERATION);
    state->paths = number_at(result, 0, LOAD_TOTAL_PATHS);
    state->hits = number_at(result, 0, LOAD_TOTAL_HITS);
    state->bots = number_at(result, 0, LOAD_TOTAL_BOTS);
    state->now_ms = number_at(result, 0, LOAD_NOW);
    if (!read_lanes(state, result) || !read_top(state, result)) {
        state_clear(state);
        journal_reset(journal, "the ledger's tables have an answer of another form");
        return;
    }
    state->overflow = state_find(state, PATH_OVERFLOW, sizeof(PATH_OVERFLOW) - 1);
    if (state->overflow == NULL)
        state->overflow = state_add(
            state, PATH_OVERFLOW, sizeof(PATH_OVERFLOW) - 1,
            PQgetisnull(result, 0, LOAD_OVERFLOW) ? -1 : number_at(result, 0, LOAD_OVERFLOW),
            number_at(result, 0, LOAD_OVERFLOW_BOTS), state->checkpoint);
    state->overflow->kept = true;
    state->is_loaded = true;
    journal->is_behind = true; /* what stands behind the checkpoint comes next */
    fold_note_load(journal->fold);
    journal_step(journal);
}

/* --- catch up --- */

/* Takes the reads that wait, to be answered when the state is the newest. */
static void take_reads(struct journal *journal)
{
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = journal->queue.next; link != &journal->queue; link = next) {
        next = link->next;
        if (request_of(link)->kind == REQUEST_READ)
            journal_take(request_of(link), JOURNAL_APPLIED);
    }
}

void catch_up_send(struct journal *journal)
{
    struct buffer numbers = {0};

    if (!session_has_several_hosts(journal->session)) /* otherwise reads wait for an append */
        take_reads(journal);
    pg_add_int8(&numbers, journal->state.position);
    pg_add_int8(&numbers, CATCH_UP_ENTRIES + 1); /* with the one that is known */
    run(journal, JOURNAL_CATCHING_UP, STATEMENT_CATCH_UP,
        (struct pg_parameter[]){{numbers.bytes, 8}, {numbers.bytes + 8, 8}}, 2, on_caught_up);
    buffer_free(&numbers);
}

/* The entry that the state was derived from is gone, or another one: the state is of no use. */
static void on_chain_broken(struct journal *journal)
{
    if (++journal->broken_loads <= MAX_BROKEN_LOADS) {
        forget_state(journal, "the last entry known is not in the journal");
        return;
    }
    state_clear(&journal->state);
    set_broken(journal, "The journal does not have the entry that the checkpoint names. "
                        "Restore a backup.");
}

/* Applies the entries of an answer. Returns false when one cannot be read. */
static bool apply_all(struct journal *journal, const PGresult *result, int64_t checkpoint)
{
    const char *error = "an entry of the journal is not the next one";

    for (int row = 1; row < PQntuples(result); ++row) {
        size_t pinned;
        if (entry_decode(result, row, &journal->entry, &error) != 0 ||
            journal->entry.position != journal->state.position + 1) {
            journal->entry.n_paths = 0;
            set_broken(journal, error);
            return false;
        }
        pinned = state_apply(&journal->state, &journal->entry, checkpoint);
        fold_note_entry(journal->fold, journal->entry.n_paths, pinned, false);
        journal->entry.n_paths = 0;
    }
    append_make_room(journal); /* a process that is asked for nothing learns of every path */
    return true;
}

/* The state was the newest when the statement ran: reads that were taken for it are answered. */
static void set_newest(struct journal *journal, const PGresult *result, int now_column)
{
    journal->is_behind = journal->head_wanted = false;
    journal->broken_loads = 0;
    journal->state.now_ms = number_at(result, 0, now_column);
    metric_set(&journal->metrics->ledger_paths, (uint64_t)journal->state.paths);
    metric_set(&journal->metrics->ledger_hits, (uint64_t)journal->state.hits);
    journal_set_problem(journal, NULL);
}

static void on_caught_up(void *data, const struct pg_answer *answer)
{
    struct journal *journal = data;
    const PGresult *result = answer->result;
    h2o_linklist_t confirmed;
    int64_t checkpoint;

    if (!journal_is_done(journal, answer))
        return;
    if (PQntuples(result) == 0) {
        state_clear(&journal->state);
        set_broken(journal, "The ledger has no checkpoint. Restore a backup.");
        return;
    }
    checkpoint = number_at(result, 0, ENTRY_CHECKPOINT);
    if (!is_generation(journal, number_at(result, 0, ENTRY_GENERATION)))
        return;
    if (PQgetisnull(result, 0, ENTRY_POSITION) ||
        number_at(result, 0, ENTRY_POSITION) != journal->state.position ||
        number_at(result, 0, ENTRY_ID) != journal->state.id) {
        on_chain_broken(journal);
        return;
    }
    if (!note_checkpoint(journal, checkpoint) || !apply_all(journal, result, checkpoint))
        return;
    if (PQntuples(result) > CATCH_UP_ENTRIES) {
        journal_put_back(journal); /* there is more to come */
        journal_step(journal);
        return;
    }
    set_newest(journal, result, ENTRY_NOW);
    h2o_linklist_init_anchor(&confirmed);
    h2o_linklist_insert_list(&confirmed, &journal->taken);
    journal_step(journal);
    journal_answer(&confirmed);
}

/* --- head --- */

/* Columns of head.sql. */
enum head_column {
    HEAD_CHECKPOINT,
    HEAD_GENERATION,
    HEAD_NOW,
    HEAD_LAST,
    HEAD_ID,
    HEAD_QUARANTINED
};

void head_send(struct journal *journal)
{
    struct buffer position = {0};

    pg_add_int8(&position, journal->state.position);
    run(journal, JOURNAL_READING_HEAD, STATEMENT_HEAD,
        &(struct pg_parameter){position.bytes, position.len}, 1, on_head);
    buffer_free(&position);
}

static void on_head(void *data, const struct pg_answer *answer)
{
    struct journal *journal = data;
    const PGresult *result = answer->result;
    h2o_linklist_t confirmed;

    if (!journal_is_done(journal, answer))
        return;
    if (PQntuples(result) != 1 ||
        number_at(result, 0, HEAD_GENERATION) != journal->state.generation ||
        number_at(result, 0, HEAD_LAST) != journal->state.position ||
        PQgetisnull(result, 0, HEAD_ID) || number_at(result, 0, HEAD_ID) != journal->state.id) {
        journal_put_back(journal);
        journal->is_behind = true; /* which finds out why */
        journal_step(journal);
        return;
    }
    metric_set(&journal->metrics->quarantined_paths,
               (uint64_t)number_at(result, 0, HEAD_QUARANTINED));
    h2o_linklist_init_anchor(&confirmed);
    h2o_linklist_insert_list(&confirmed, &journal->taken);
    if (note_checkpoint(journal, number_at(result, 0, HEAD_CHECKPOINT)))
        set_newest(journal, result, HEAD_NOW);
    journal_step(journal);
    journal_answer(&confirmed);
}

/* --- look up --- */

/* Columns of look_up.sql. */
enum look_up_column {
    LOOK_UP_CHECKPOINT,
    LOOK_UP_GENERATION,
    LOOK_UP_ID,
    LOOK_UP_COUNTS,
    LOOK_UP_BOTS
};

void look_up_send(struct journal *journal)
{
    struct buffer *paths = &journal->parameters, position = {0};

    paths->len = 0;
    pg_add_text_array_head(paths, journal->n_missing);
    buffer_add(paths, journal->missing.bytes, journal->missing.len);
    pg_add_int8(&position, journal->state.position);
    journal->just_looked_up = true;
    run(journal, JOURNAL_LOOKING_UP, STATEMENT_LOOK_UP,
        (struct pg_parameter[]){{paths->bytes, paths->len}, {position.bytes, position.len}}, 2,
        on_looked_up);
    buffer_free(&position);
}

/* Adds the slots of the paths that were asked for, which journal->parameters still holds. */
static bool add_slots(struct journal *journal, const PGresult *result, int64_t checkpoint)
{
    struct state *state = &journal->state;
    int64_t counts[BATCH_MAX_PATHS], bots[BATCH_MAX_PATHS];
    struct pg_array paths;
    const char *path;
    size_t len;
    int count = pg_int8_array(PQgetvalue(result, 0, LOOK_UP_COUNTS),
                              PQgetlength(result, 0, LOOK_UP_COUNTS), counts, BATCH_MAX_PATHS, -1);
    int n_bots = pg_int8_array(PQgetvalue(result, 0, LOOK_UP_BOTS),
                               PQgetlength(result, 0, LOOK_UP_BOTS), bots, BATCH_MAX_PATHS, 0);

    if (!pg_text_array_open(&paths, journal->parameters.bytes, (int)journal->parameters.len) ||
        count < 0 || (size_t)count != paths.count || n_bots != count)
        return false;
    for (size_t i = 0; i < paths.count; ++i) {
        if (!pg_array_next(&paths, &path, &len))
            return false;
        if (state_find(state, path, len) == NULL)
            state_add(state, path, len, counts[i], bots[i], checkpoint);
    }
    metric_add(&journal->metrics->looked_up_paths, paths.count);
    return true;
}

static void on_looked_up(void *data, const struct pg_answer *answer)
{
    struct journal *journal = data;
    const PGresult *result = answer->result;
    int64_t checkpoint;

    if (!journal_is_done(journal, answer))
        return;
    if (PQntuples(result) != 1) {
        journal->is_behind = true;
        journal_step(journal);
        return;
    }
    checkpoint = number_at(result, 0, LOOK_UP_CHECKPOINT);
    if (!is_generation(journal, number_at(result, 0, LOOK_UP_GENERATION)))
        return;
    if (PQgetisnull(result, 0, LOOK_UP_ID) ||
        number_at(result, 0, LOOK_UP_ID) != journal->state.id) {
        on_chain_broken(journal);
        return;
    }
    if (!note_checkpoint(journal, checkpoint))
        return;
    if (!add_slots(journal, result, checkpoint)) {
        journal_reset(journal, "counts were answered in another form");
        return;
    }
    journal_step(journal);
}
