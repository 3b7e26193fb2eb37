/* Load: reads the whole state from the tables, in one statement. */
#include "counter-svc/journal/journal_private.h"

#include "counter-svc/ledger/pg_array.h"

static void on_loaded(void *data, const struct pg_answer *answer);

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
    read_send(
        journal, JOURNAL_LOADING, STATEMENT_LOAD,
        (struct pg_parameter[]){{rows.bytes, rows.len}, {PATH_OVERFLOW, sizeof(PATH_OVERFLOW) - 1}},
        2, on_loaded);
    buffer_free(&rows);
}

/* Opens an array of BIGINT; NULL is an array without elements. */
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
    struct ledger_lane lane;

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
        read_set_broken(journal, "The ledger has no checkpoint. Restore a backup.");
        return;
    }
    state->position = state->checkpoint = read_number(result, 0, LOAD_POSITION);
    state->id = read_number(result, 0, LOAD_ID);
    state->generation = read_number(result, 0, LOAD_GENERATION);
    state->paths = read_number(result, 0, LOAD_TOTAL_PATHS);
    state->hits = read_number(result, 0, LOAD_TOTAL_HITS);
    state->bots = read_number(result, 0, LOAD_TOTAL_BOTS);
    state->now_ms = read_number(result, 0, LOAD_NOW);
    if (!read_lanes(state, result) || !read_top(state, result)) {
        state_clear(state);
        journal_reset(journal, "the ledger's tables have an answer of another form");
        return;
    }
    state->overflow = state_find(state, PATH_OVERFLOW, sizeof(PATH_OVERFLOW) - 1);
    if (state->overflow == NULL)
        state->overflow = state_add(
            state, PATH_OVERFLOW, sizeof(PATH_OVERFLOW) - 1,
            PQgetisnull(result, 0, LOAD_OVERFLOW) ? -1 : read_number(result, 0, LOAD_OVERFLOW),
            read_number(result, 0, LOAD_OVERFLOW_BOTS), state->checkpoint);
    state->overflow->kept = true;
    state->is_loaded = true;
    journal->is_behind = true; /* catch up with the entries after the checkpoint */
    fold_note_load(journal->fold);
    journal_step(journal);
}
