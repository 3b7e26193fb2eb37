/* The journal's state against a plain model of the ledger. This process and others append entries,
 * folds run, paths are looked up and evicted, and the state is loaded again: every count in memory
 * equals the model's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counter-svc/journal/state.h"

#define N_PATHS     3000 /* more than the state keeps of the ranking */
#define MAX_ENTRIES 4000
#define ENTRY_PATHS 4

/* The ledger: the paths and hits of each entry, by position, and the checkpoint of the tables. */
struct ledger {
    int64_t head, checkpoint;
    int64_t hits[MAX_ENTRIES][ENTRY_PATHS];
    size_t paths[MAX_ENTRIES][ENTRY_PATHS];
    size_t n[MAX_ENTRIES];
    int64_t lanes[MAX_ENTRIES];
};

static struct ledger ledger;
static char names[N_PATHS][8];
static uint64_t seed;

static size_t random_below(size_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % limit;
}

/* Returns the count of a path after the entry at this position, or -1 if the path has no row. */
static int64_t count_at(size_t path, int64_t position)
{
    int64_t count = -1;

    for (int64_t p = 1; p <= position; p++)
        for (size_t i = 0; i < ledger.n[p]; i++)
            if (ledger.paths[p][i] == path)
                count = (count < 0 ? 0 : count) + ledger.hits[p][i];
    return count;
}

/* Returns how many of an entry's hits of a path are by bots. */
static int64_t bots_of(int64_t hits)
{
    return hits - 1;
}

/* Returns the hits by bots in the count of a path. */
static int64_t bots_at(size_t path, int64_t position)
{
    int64_t bots = 0;

    for (int64_t p = 1; p <= position; p++)
        for (size_t i = 0; i < ledger.n[p]; i++)
            if (ledger.paths[p][i] == path)
                bots += bots_of(ledger.hits[p][i]);
    return bots;
}

/* Returns the number of paths that have a row after the entry at this position. */
static int64_t rows_at(int64_t position)
{
    static bool seen[N_PATHS];
    int64_t rows = 0;

    memset(seen, 0, sizeof(seen));
    for (int64_t p = 1; p <= position; p++)
        for (size_t i = 0; i < ledger.n[p]; i++) {
            rows += !seen[ledger.paths[p][i]];
            seen[ledger.paths[p][i]] = true;
        }
    return rows;
}

/* Appends an entry to the model, with up to ENTRY_PATHS paths. About half of them are among the
 * first 20. */
static void append_to_ledger(void)
{
    int64_t p = ++ledger.head;

    assert_true(p < MAX_ENTRIES);
    ledger.n[p] = 0;
    for (size_t i = random_below(ENTRY_PATHS + 1); i > 0; i--) {
        size_t path = random_below(random_below(2) ? 20 : N_PATHS);
        bool again = false;
        for (size_t j = 0; j < ledger.n[p]; j++)
            again |= ledger.paths[p][j] == path;
        if (again)
            continue;
        ledger.paths[p][ledger.n[p]] = path;
        ledger.hits[p][ledger.n[p]++] = (int64_t)random_below(3) + 1;
    }
    ledger.lanes[p] = (int64_t)random_below(5) + 1;
}

/* Fills in the entry at a position: as it is read from the table (`as_read`), or as this process
 * makes it. */
static void fill_entry(struct journal_entry *entry, const struct state *state, int64_t p,
                       bool as_read)
{
    *entry = (struct journal_entry){.position = p, .id = p * 7, .kind = ENTRY_KIND, .at_ms = p};
    entry->n_paths = ledger.n[p];
    entry->n_batches = 1;
    entry->lanes[0] = ledger.lanes[p];
    entry->sequences[0] = p;
    entry->new_paths = rows_at(p) - rows_at(p - 1);
    for (size_t i = 0; i < ledger.n[p]; i++) {
        const char *name = names[ledger.paths[p][i]];
        entry->paths[i] =
            (struct entry_path){.hits = ledger.hits[p][i], .bot_hits = bots_of(ledger.hits[p][i])};
        if (as_read) {
            entry->paths[i].path = name;
            entry->paths[i].path_len = strlen(name);
            entry->paths[i].table_count = count_at(ledger.paths[p][i], ledger.checkpoint);
            entry->paths[i].table_bots = bots_at(ledger.paths[p][i], ledger.checkpoint);
        } else {
            entry->paths[i].slot = state_find(state, name, strlen(name));
        }
    }
}

/* Reads the entries that the state does not have yet. */
static void catch_up(struct state *state)
{
    static struct journal_entry entry;

    assert_true(state_set_checkpoint(state, ledger.checkpoint));
    while (state->position < ledger.head) {
        fill_entry(&entry, state, state->position + 1, true);
        state_apply(state, &entry, ledger.checkpoint);
    }
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return path_compare(x->path, x->path_len, y->path, y->path_len);
}

/* Writes the ranking after the entry at this position. Returns the number of rows. */
static size_t ranking_at(int64_t position, struct row *rows)
{
    static int64_t counts[N_PATHS], bots[N_PATHS];
    size_t n = 0;

    memset(counts, 0, sizeof(counts));
    memset(bots, 0, sizeof(bots));
    for (int64_t p = 1; p <= position; p++)
        for (size_t i = 0; i < ledger.n[p]; i++) {
            counts[ledger.paths[p][i]] += ledger.hits[p][i];
            bots[ledger.paths[p][i]] += bots_of(ledger.hits[p][i]);
        }
    for (size_t path = 0; path < N_PATHS; path++)
        if (counts[path] != 0)
            rows[n++] = (struct row){names[path], strlen(names[path]), counts[path], bots[path]};
    qsort(rows, n, sizeof(*rows), compare_rows);
    return n;
}

/* Loads the state from the tables, at the checkpoint, and catches up. */
static void load(struct state *state)
{
    static struct row rows[N_PATHS];
    size_t n = ranking_at(ledger.checkpoint, rows);

    state_clear(state);
    state->position = state->checkpoint = ledger.checkpoint;
    state->id = ledger.checkpoint * 7;
    state->paths = (int64_t)n;
    state->hits = state->bots = 0;
    for (size_t i = 0; i < n; i++) {
        state->hits += rows[i].count;
        state->bots += rows[i].bots;
        if (i < STATE_TOP_ROWS)
            state_add(state, rows[i].path, rows[i].path_len, rows[i].count, rows[i].bots,
                      ledger.checkpoint);
    }
    state->is_loaded = true;
    catch_up(state);
}

/* Appends an entry of this process. Looks up the paths that are not in memory first. */
static void append_here(struct state *state)
{
    static struct journal_entry entry;

    catch_up(state);
    append_to_ledger();
    for (size_t i = 0; i < ledger.n[ledger.head]; i++) {
        size_t path = ledger.paths[ledger.head][i];
        if (state_find(state, names[path], strlen(names[path])) == NULL)
            state_add(state, names[path], strlen(names[path]), count_at(path, ledger.checkpoint),
                      bots_at(path, ledger.checkpoint), ledger.checkpoint);
    }
    fill_entry(&entry, state, ledger.head, false);
    state_apply(state, &entry, state->checkpoint);
}

/* Looks up a path, perhaps after other processes have appended and folded. */
static void look_up(struct state *state)
{
    size_t path = random_below(N_PATHS);

    assert_true(state_set_checkpoint(state, ledger.checkpoint));
    if (state_find(state, names[path], strlen(names[path])) == NULL)
        state_add(state, names[path], strlen(names[path]), count_at(path, ledger.checkpoint),
                  bots_at(path, ledger.checkpoint), ledger.checkpoint);
}

/* Checks the counts of a random selection of paths. */
static void check_counts(const struct state *state)
{
    for (size_t path = 0; path < N_PATHS; path += 1 + random_below(40)) {
        const struct slot *slot = state_find(state, names[path], strlen(names[path]));
        int64_t count, position;
        if (slot == NULL)
            continue;
        position = slot->position > state->position ? slot->position : state->position;
        count = count_at(path, position);
        assert_int_equal(slot->bots, bots_at(path, position));
        assert_int_equal(slot->has_row, count >= 0);
        assert_int_equal(slot->count, count < 0 ? 0 : count);
    }
}

/* Checks the totals and the ranking of a state that has caught up. */
static void check_all(const struct state *state)
{
    static struct row rows[N_PATHS];
    size_t n = ranking_at(ledger.head, rows);
    int64_t hits = 0, bots = 0;

    assert_int_equal(state->position, ledger.head);
    assert_int_equal(state->id, ledger.head * 7);
    assert_int_equal(state->paths, (int64_t)n);
    assert_int_equal(state->n_top, n < STATE_TOP_ROWS ? n : STATE_TOP_ROWS);
    for (size_t i = 0; i < state->n_top; i++) {
        assert_int_equal(state->top[i]->count, rows[i].count);
        assert_int_equal(state->top[i]->bots, rows[i].bots);
        assert_int_equal(state->top[i]->path_len, rows[i].path_len);
        assert_memory_equal(state->top[i]->path, rows[i].path, rows[i].path_len);
    }
    for (size_t i = 0; i < n; i++) {
        hits += rows[i].count;
        bots += rows[i].bots;
    }
    assert_int_equal(state->hits, hits);
    assert_int_equal(state->bots, bots);
}

static void begin(struct state *state, uint64_t with_seed)
{
    memset(&ledger, 0, sizeof(ledger));
    seed = with_seed;
    for (size_t i = 0; i < N_PATHS; i++)
        snprintf(names[i], sizeof(names[i]), "/%zu", i);
    state_init(state);
    load(state);
}

static void every_count_equals_the_models(void **unused)
{
    (void)unused;
    for (uint64_t round = 1; round <= 3; round++) {
        struct state state;

        begin(&state, round);
        for (int step = 0; step < 5000; step++) {
            switch (random_below(9)) {
            case 0:
            case 1:
            case 2:
            case 3:
                append_here(&state);
                break;
            case 4:
                append_to_ledger();
                break;
            case 5:
                if (ledger.checkpoint < ledger.head && random_below(3) == 0)
                    ledger.checkpoint +=
                        1 + (int64_t)random_below((size_t)(ledger.head - ledger.checkpoint));
                break;
            case 6:
                look_up(&state);
                break;
            case 7:
                state_evict(&state, random_below(state_bytes(&state) + 1));
                break;
            case 8:
                if (random_below(40) == 0)
                    load(&state);
                else
                    catch_up(&state);
                break;
            }
            if (step % 10 == 0)
                check_counts(&state);
        }
        catch_up(&state);
        check_counts(&state);
        check_all(&state);
        state_fini(&state);
    }
}

static void unfolded_paths_are_never_evicted(void **unused)
{
    struct state state;

    (void)unused;
    begin(&state, 99);
    for (int i = 0; i < 3500; i++)
        append_here(&state);
    ledger.checkpoint = 2000;
    assert_true(state_set_checkpoint(&state, 2000));
    state_evict(&state, 0);
    assert_true(state_slots(&state) > STATE_TOP_ROWS);
    for (int64_t p = 2001; p <= ledger.head; p++)
        for (size_t i = 0; i < ledger.n[p]; i++) {
            const char *name = names[ledger.paths[p][i]];
            assert_non_null(state_find(&state, name, strlen(name)));
        }
    check_counts(&state);
    check_all(&state);
    state_fini(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_count_equals_the_models),
        cmocka_unit_test(unfolded_paths_are_never_evicted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
