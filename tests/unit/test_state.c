/* The journal's state against a plain model of the ledger: whatever is appended here or elsewhere,
 * folded, looked up, forgotten and read anew, every count in memory is the model's. */
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

/* The ledger: who hit what at which position, and how far the tables are. */
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

/* The count of a path with everything up to a position; -1: it has no row. */
static int64_t count_at(size_t path, int64_t position)
{
    int64_t count = -1;

    for (int64_t p = 1; p <= position; p++)
        for (size_t i = 0; i < ledger.n[p]; i++)
            if (ledger.paths[p][i] == path)
                count = (count < 0 ? 0 : count) + ledger.hits[p][i];
    return count;
}

/* How many hits of an entry's path are of bots. */
static int64_t bots_of(int64_t hits)
{
    return hits - 1;
}

/* Hits of bots in the count of a path. */
static int64_t bots_at(size_t path, int64_t position)
{
    int64_t bots = 0;

    for (int64_t p = 1; p <= position; p++)
        for (size_t i = 0; i < ledger.n[p]; i++)
            if (ledger.paths[p][i] == path)
                bots += bots_of(ledger.hits[p][i]);
    return bots;
}

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

/* Appends an entry to the model: paths that differ, most of them often hit. */
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

/* The entry at a position, as it is read (`as_read`) or as this process has made it. */
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

/* The ranking with everything up to a position. */
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

/* Reads everything anew, as of the checkpoint, and catches up. */
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

/* Appends as this process: what is not in memory is looked up before. */
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

/* Looks up a path at any time, also when others have appended and folded since. */
static void look_up(struct state *state)
{
    size_t path = random_below(N_PATHS);

    assert_true(state_set_checkpoint(state, ledger.checkpoint));
    if (state_find(state, names[path], strlen(names[path])) == NULL)
        state_add(state, names[path], strlen(names[path]), count_at(path, ledger.checkpoint),
                  bots_at(path, ledger.checkpoint), ledger.checkpoint);
}

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

static void every_count_is_the_models_whatever_happens(void **unused)
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

static void what_the_tables_do_not_have_is_never_forgotten(void **unused)
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

static void memory_is_given_back_down_to_the_ranking(void **unused)
{
    struct state state;
    size_t before;

    (void)unused;
    begin(&state, 7);
    for (size_t i = 0; i < N_PATHS; i++)
        state_add(&state, names[i], strlen(names[i]), 1, 0, 0);
    before = state_bytes(&state);
    state_evict(&state, before / 2);
    assert_in_range(state_bytes(&state), before / 4, before / 2);
    state_evict(&state, 0);
    assert_int_equal(state_slots(&state), STATE_TOP_ROWS);
    state_fini(&state);
}

static void the_least_recently_hit_are_forgotten_first(void **unused)
{
    enum { FIRST_HIT = STATE_TOP_ROWS + 400, N_HIT = 1000 };
    static struct journal_entry entry;
    struct state state;
    size_t n_left = 0;

    (void)unused;
    begin(&state, 1);
    for (size_t i = 0; i < N_PATHS; i++)
        state_add(&state, names[i], strlen(names[i]), i < STATE_TOP_ROWS ? 1000 : 1, 0, 0);
    for (int64_t p = 1; p <= N_HIT; p++) {
        const char *name = names[FIRST_HIT + p - 1];
        entry = (struct journal_entry){.position = p, .kind = ENTRY_KIND, .n_paths = 1};
        entry.paths[0] =
            (struct entry_path){.slot = state_find(&state, name, strlen(name)), .hits = 1};
        state_apply(&state, &entry, 0);
    }
    assert_true(state_set_checkpoint(&state, N_HIT));
    state_evict(&state, state_bytes(&state) / 4);
    for (size_t i = STATE_TOP_ROWS; i < N_PATHS; i++) {
        bool is_left = state_find(&state, names[i], strlen(names[i])) != NULL;
        bool was_hit = i >= FIRST_HIT && i < FIRST_HIT + N_HIT;
        assert_true(was_hit ? is_left || n_left == 0 : !is_left);
        n_left += is_left;
    }
    assert_in_range(n_left, 1, N_HIT - 1);
    state_fini(&state);
}

static void a_checkpoint_does_not_go_back(void **unused)
{
    struct state state;

    (void)unused;
    begin(&state, 1);
    append_here(&state);
    assert_true(state_set_checkpoint(&state, 1));
    assert_false(state_set_checkpoint(&state, 0));
    assert_int_equal(state.checkpoint, 1);
    state_fini(&state);
}

static void counts_stay_at_the_end_of_their_range(void **unused)
{
    static struct journal_entry entry;
    struct state state;
    struct slot *slot;

    (void)unused;
    begin(&state, 1);
    slot = state_add(&state, "/full", 5, INT64_MAX - 1, INT64_MAX - 2, 0);
    entry = (struct journal_entry){.position = 1, .id = 7, .kind = ENTRY_KIND, .n_paths = 1};
    entry.paths[0] = (struct entry_path){.slot = slot, .hits = 5, .bot_hits = 5};
    state_apply(&state, &entry, 0);
    assert_int_equal(slot->count, INT64_MAX);
    assert_int_equal(slot->bots, INT64_MAX);
    assert_ptr_equal(state.top[0], slot);
    state_fini(&state);
}

static void lanes_begin_move_on_and_end(void **unused)
{
    static struct journal_entry entry;
    struct state state;
    int64_t expired[4];

    (void)unused;
    begin(&state, 1);
    entry = (struct journal_entry){
        .position = 1, .kind = ENTRY_KIND, .at_ms = 1000, .n_opened = 2, .opened = {5, 9}};
    state_apply(&state, &entry, 0);
    assert_int_equal(state_lane(&state, 5)->sequence, 0);
    assert_int_equal(state_lanes(&state), 2);
    assert_null(state_lane(&state, 6));
    entry = (struct journal_entry){.position = 2,
                                   .kind = ENTRY_KIND,
                                   .at_ms = 2000,
                                   .n_batches = 1,
                                   .lanes = {9},
                                   .sequences = {1}};
    state_apply(&state, &entry, 0);
    assert_int_equal(state_lane(&state, 9)->sequence, 1);
    assert_int_equal(state_expired_lanes(&state, 1001, expired, 4), 1);
    assert_int_equal(expired[0], 5);
    assert_int_equal(state_expired_lanes(&state, 3000, expired, 1), 1);
    entry = (struct journal_entry){
        .position = 3, .kind = ENTRY_KIND, .at_ms = 3000, .n_ended = 2, .ended = {5, 77}};
    state_apply(&state, &entry, 0);
    assert_null(state_lane(&state, 5));
    assert_int_equal(state_lanes(&state), 1);
    assert_int_equal(state.now_ms, 3000);
    state_fini(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_count_is_the_models_whatever_happens),
        cmocka_unit_test(what_the_tables_do_not_have_is_never_forgotten),
        cmocka_unit_test(memory_is_given_back_down_to_the_ranking),
        cmocka_unit_test(the_least_recently_hit_are_forgotten_first),
        cmocka_unit_test(a_checkpoint_does_not_go_back),
        cmocka_unit_test(counts_stay_at_the_end_of_their_range),
        cmocka_unit_test(lanes_begin_move_on_and_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
