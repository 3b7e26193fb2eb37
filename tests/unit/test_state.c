/* The rules of the journal's state: eviction, the checkpoint, the limits of counts, lanes.
 * test_state_model.c compares its counts with a model. test_journal_invariants.c has its
 * invariants. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "counter-svc/journal/state.h"

#define N_PATHS 3000 /* more than the state keeps of the ranking */

static struct state state;
static struct journal_entry entry;
static char names[N_PATHS][8];

/* An empty state that is loaded. */
static int set_up(void **unused)
{
    (void)unused;
    state_init(&state);
    state.is_loaded = true;
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    state_fini(&state);
    return 0;
}

/* --- eviction --- */

/* Adds all paths. Those of the ranking have `top_count`, the others 1. */
static void add_paths(int64_t top_count)
{
    for (size_t i = 0; i < N_PATHS; ++i) {
        int len = snprintf(names[i], sizeof(names[i]), "/%zu", i);
        state_add(&state, names[i], (size_t)len, i < STATE_TOP_ROWS ? top_count : 1, 0, 0);
    }
}

static struct slot *find(const char *path)
{
    return state_find(&state, path, strlen(path));
}

static void slots_are_evicted_down_to_the_ranking(void **unused)
{
    size_t before;

    (void)unused;
    add_paths(1);
    before = state_bytes(&state);
    state_evict(&state, before / 2);
    assert_in_range(state_bytes(&state), before / 4, before / 2);
    state_evict(&state, 0);
    assert_int_equal(state_slots(&state), STATE_TOP_ROWS);
}

static void the_least_recently_hit_paths_are_evicted_first(void **unused)
{
    enum { FIRST_HIT = STATE_TOP_ROWS + 400, N_HIT = 1000 };
    size_t n_left = 0;

    (void)unused;
    add_paths(1000);
    for (int64_t p = 1; p <= N_HIT; ++p) {
        entry = (struct journal_entry){.position = p, .kind = ENTRY_KIND, .n_paths = 1};
        entry.paths[0] = (struct entry_path){.slot = find(names[FIRST_HIT + p - 1]), .hits = 1};
        state_apply(&state, &entry, 0);
    }
    assert_true(state_set_checkpoint(&state, N_HIT));
    state_evict(&state, state_bytes(&state) / 4);
    for (size_t i = STATE_TOP_ROWS; i < N_PATHS; ++i) {
        bool is_left = find(names[i]) != NULL;
        bool was_hit = i >= FIRST_HIT && i < FIRST_HIT + N_HIT;
        assert_true(was_hit ? is_left || n_left == 0 : !is_left);
        n_left += is_left;
    }
    assert_in_range(n_left, 1, N_HIT - 1);
}

static void a_slot_that_is_needed_is_never_evicted(void **unused)
{
    struct slot *in_top, *kept, *in_entry;

    (void)unused;
    add_paths(1000);
    in_top = find(names[0]);
    kept = find(names[STATE_TOP_ROWS]);
    kept->kept = true;
    in_entry = find(names[STATE_TOP_ROWS + 1]);
    in_entry->entry_index = 1;
    state_evict(&state, 0);
    assert_int_equal(state_slots(&state), STATE_TOP_ROWS + 2);
    assert_ptr_equal(find(names[0]), in_top);
    assert_ptr_equal(find(names[STATE_TOP_ROWS]), kept);
    assert_ptr_equal(find(names[STATE_TOP_ROWS + 1]), in_entry);
    in_entry->entry_index = 0;
}

/* --- the checkpoint, counts, lanes --- */

static void a_checkpoint_never_goes_back(void **unused)
{
    (void)unused;
    assert_true(state_set_checkpoint(&state, 1));
    assert_false(state_set_checkpoint(&state, 0));
    assert_int_equal(state.checkpoint, 1);
}

static void counts_saturate(void **unused)
{
    struct slot *slot = state_add(&state, "/full", 5, INT64_MAX - 1, INT64_MAX - 2, 0);

    (void)unused;
    entry = (struct journal_entry){.position = 1, .id = 7, .kind = ENTRY_KIND, .n_paths = 1};
    entry.paths[0] = (struct entry_path){.slot = slot, .hits = 5, .bot_hits = 5};
    state_apply(&state, &entry, 0);
    assert_int_equal(slot->count, INT64_MAX);
    assert_int_equal(slot->bots, INT64_MAX);
    assert_ptr_equal(state.top[0], slot);
}

static void lanes_are_opened_advance_and_end(void **unused)
{
    int64_t expired[4];

    (void)unused;
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
}

#define state_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        state_test(slots_are_evicted_down_to_the_ranking),
        state_test(the_least_recently_hit_paths_are_evicted_first),
        state_test(a_slot_that_is_needed_is_never_evicted),
        state_test(a_checkpoint_never_goes_back),
        state_test(counts_saturate),
        state_test(lanes_are_opened_advance_and_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
