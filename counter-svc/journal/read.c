/* The statements that read: catch up (entries of other processes), head (whether there are any),
 * look up (counts of paths that are not in memory). */

#include "counter-svc/journal/journal_private.h"

#include "counter-svc/ledger/pg_array.h"
#include "server/ops/log.h"

/* The most entries that one statement reads. */
#define CATCH_UP_ENTRIES 128

/* The pause before a broken journal is read again, in milliseconds; jitter is added. */
#define BROKEN_PAUSE_MS 1000

/* Further folds may have cleared the checkpoint's entry since the load. If it is missing after this
 * many loads in a row, the journal is broken. */
#define MAX_BROKEN_LOADS 5

static void on_caught_up(void *data, const struct pg_answer *answer);
static void on_head(void *data, const struct pg_answer *answer);
static void on_looked_up(void *data, const struct pg_answer *answer);

void read_send(struct journal *journal, enum journal_activity activity, enum statement statement,
               const struct pg_parameter *parameters, int count, pg_callback callback)
{
    journal_begin(journal, activity);
    session_run(journal->session, statement, parameters, count, callback, journal);
}

int64_t read_number(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? 0 : pg_int8(PQgetvalue(result, row, column));
}

/* Returns whether the generation is that of the state. If not, discards the state. */
static bool is_generation(struct journal *journal, int64_t generation)
{
    if (generation == journal->state.generation)
        return true;
    journal_discard_state(journal, "the tables were changed by other means than a fold");
    return false;
}

void read_set_broken(struct journal *journal, const char *problem)
{
    if (journal->problem != problem)
        log_event(LOG_LEVEL_ERROR, "journal-broken", "reason=%s position=%lld", LOG_QUOTED(problem),
                  (long long)journal->state.position);
    journal_answer_unavailable(&journal->taken);
    journal_set_problem(journal, problem);
    journal_pause(journal, BROKEN_PAUSE_MS);
}

/* --- catch up --- */

/* Takes the reads that wait. They are answered once the state is the newest. */
static void take_reads(struct journal *journal)
{
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = journal->queue.next; link != &journal->queue; link = next) {
        next = link->next;
        if (journal_request_of(link)->kind == REQUEST_READ)
            journal_take(journal_request_of(link), JOURNAL_APPLIED);
    }
}

void catch_up_send(struct journal *journal)
{
    struct buffer numbers = {0};

    /* With several hosts, reads wait for an append. */
    if (!session_has_several_hosts(journal->session))
        take_reads(journal);
    pg_add_int8(&numbers, journal->state.position);
    pg_add_int8(&numbers, CATCH_UP_ENTRIES + 1); /* and the last one known */
    read_send(journal, JOURNAL_CATCHING_UP, STATEMENT_CATCH_UP,
              (struct pg_parameter[]){{numbers.bytes, 8}, {numbers.bytes + 8, 8}}, 2, on_caught_up);
    buffer_free(&numbers);
}

/* The state's last entry is not in the journal, or another entry has its position. */
static void on_chain_broken(struct journal *journal)
{
    if (++journal->broken_loads <= MAX_BROKEN_LOADS) {
        journal_discard_state(journal, "the last entry known is not in the journal");
        return;
    }
    state_clear(&journal->state);
    read_set_broken(journal, "The journal does not have the entry that the checkpoint names. "
                             "Restore a backup.");
}

/* Applies the entries of an answer. Returns false if one of them is invalid. */
static bool apply_all(struct journal *journal, const PGresult *result, int64_t checkpoint)
{
    const char *error = "The journal has a gap between two entries. Restore a backup.";

    for (int row = 1; row < PQntuples(result); ++row) {
        size_t pinned;
        if (entry_decode(result, row, &journal->entry, &error) != 0 ||
            journal->entry.position != journal->state.position + 1) {
            journal->entry.n_paths = 0;
            read_set_broken(journal, error);
            return false;
        }
        pinned = state_apply(&journal->state, &journal->entry, checkpoint);
        fold_note_entry(journal->fold, journal->entry.n_paths, pinned, false);
        journal->entry.n_paths = 0;
    }
    gather_make_room(journal); /* an idle process applies the paths of all others */
    return true;
}

/* The state was the newest when the statement ran. */
static void set_newest(struct journal *journal, const PGresult *result, int now_column)
{
    journal->is_behind = journal->head_wanted = false;
    journal->broken_loads = 0;
    journal->state.now_ms = read_number(result, 0, now_column);
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
        read_set_broken(journal, "The ledger has no checkpoint. Restore a backup.");
        return;
    }
    checkpoint = read_number(result, 0, ENTRY_CHECKPOINT);
    if (!is_generation(journal, read_number(result, 0, ENTRY_GENERATION)))
        return;
    if (PQgetisnull(result, 0, ENTRY_POSITION) ||
        read_number(result, 0, ENTRY_POSITION) != journal->state.position ||
        read_number(result, 0, ENTRY_ID) != journal->state.id) {
        on_chain_broken(journal);
        return;
    }
    if (!journal_note_checkpoint(journal, checkpoint) || !apply_all(journal, result, checkpoint))
        return;
    if (PQntuples(result) > CATCH_UP_ENTRIES) {
        journal_put_back(journal); /* there are more entries */
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
    read_send(journal, JOURNAL_READING_HEAD, STATEMENT_HEAD,
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
        read_number(result, 0, HEAD_GENERATION) != journal->state.generation ||
        read_number(result, 0, HEAD_LAST) != journal->state.position ||
        PQgetisnull(result, 0, HEAD_ID) || read_number(result, 0, HEAD_ID) != journal->state.id) {
        journal_put_back(journal);
        journal->is_behind = true; /* catching up determines the reason */
        journal_step(journal);
        return;
    }
    metric_set(&journal->metrics->quarantined_paths,
               (uint64_t)read_number(result, 0, HEAD_QUARANTINED));
    h2o_linklist_init_anchor(&confirmed);
    h2o_linklist_insert_list(&confirmed, &journal->taken);
    if (journal_note_checkpoint(journal, read_number(result, 0, HEAD_CHECKPOINT)))
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
    read_send(journal, JOURNAL_LOOKING_UP, STATEMENT_LOOK_UP,
              (struct pg_parameter[]){{paths->bytes, paths->len}, {position.bytes, position.len}},
              2, on_looked_up);
    buffer_free(&position);
}

/* Adds the slots of the paths that were looked up; journal->parameters still holds them. */
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
    checkpoint = read_number(result, 0, LOOK_UP_CHECKPOINT);
    if (!is_generation(journal, read_number(result, 0, LOOK_UP_GENERATION)))
        return;
    if (PQgetisnull(result, 0, LOOK_UP_ID) ||
        read_number(result, 0, LOOK_UP_ID) != journal->state.id) {
        on_chain_broken(journal);
        return;
    }
    if (!journal_note_checkpoint(journal, checkpoint))
        return;
    if (!add_slots(journal, result, checkpoint)) {
        journal_reset(journal, "counts were answered in another form");
        return;
    }
    journal_step(journal);
}
