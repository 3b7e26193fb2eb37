/* The batches that leave in one entry. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "counter-svc/journal/journal_private.h"

#define N_PATHS 2048 /* as many as two batches may have */

static const struct journal_settings SETTINGS = {
    .max_paths = N_PATHS, .max_cached_bytes = 1000000000, .max_unfolded = 1000};
static char names[N_PATHS][8];
static struct journal *journal;
static struct gathering *gathering;

/* Makes a journal with two lanes and the counts of all paths. */
static int set_up(void **state)
{
    (void)state;
    journal = memory_allocate(1, sizeof(*journal));
    gathering = memory_allocate(1, sizeof(*gathering));
    gathering->journal = journal;
    journal->settings = &SETTINGS;
    h2o_linklist_init_anchor(&journal->queue);
    h2o_linklist_init_anchor(&journal->taken);
    state_init(&journal->state);
    state_set_lane(&journal->state, &(struct ledger_lane){.id = 1});
    state_set_lane(&journal->state, &(struct ledger_lane){.id = 2});
    for (size_t i = 0; i < N_PATHS; ++i) {
        int len = snprintf(names[i], sizeof(names[i]), "/%zu", i);
        state_add(&journal->state, names[i], (size_t)len, 0, 0, 0);
    }
    return 0;
}

static void free_requests(h2o_linklist_t *list)
{
    while (!h2o_linklist_is_empty(list)) {
        struct journal_request *request = journal_request_of(list->next);
        h2o_linklist_unlink(&request->link);
        free(request->hits.batch.entries);
        free(request->hit_counts);
        free(request);
    }
}

static int tear_down(void **state)
{
    (void)state;
    free_requests(&journal->queue);
    free_requests(&journal->taken);
    for (size_t i = 0; i < journal->entry.n_paths; ++i)
        journal->entry.paths[i].slot->entry_index = 0;
    state_fini(&journal->state);
    free(gathering);
    free(journal);
    return 0;
}

/* Queues the first batch of a lane, with one hit of each of `n` paths. */
static struct journal_request *queue_batch(int64_t lane, size_t first, size_t n)
{
    struct journal_request *request = memory_allocate(1, sizeof(*request));
    struct batch *batch = &request->hits.batch;

    *request = (struct journal_request){.journal = journal, .kind = REQUEST_BATCH};
    *batch = (struct batch){lane, 1, n, memory_allocate(n, sizeof(*batch->entries))};
    for (size_t i = 0; i < n; ++i)
        batch->entries[i] =
            (struct batch_entry){names[first + i], strlen(names[first + i]), .hits = 1};
    h2o_linklist_insert(&journal->queue, &request->link);
    ++journal->n_queued;
    return request;
}

static void an_entry_takes_batches_while_it_has_room_for_their_paths(void **state)
{
    const struct journal_request *first = queue_batch(1, 0, 1);
    const struct journal_request *second = queue_batch(2, 1, BATCH_MAX_PATHS - 1);

    (void)state;
    gather(gathering);
    assert_int_equal(first->state, REQUEST_TAKEN);
    assert_int_equal(second->state, REQUEST_TAKEN);
    assert_int_equal(journal->entry.n_paths, BATCH_MAX_PATHS);
}

/* Without this limit the entry would have too many paths, which would violate an invariant of
 * gather.c. */
static void a_batch_with_too_many_paths_for_this_entry_waits_for_the_next(void **state)
{
    const struct journal_request *first = queue_batch(1, 0, 2);
    const struct journal_request *second = queue_batch(2, 2, BATCH_MAX_PATHS);

    (void)state;
    gather(gathering);
    assert_int_equal(first->state, REQUEST_TAKEN);
    assert_int_equal(second->state, REQUEST_QUEUED);
    assert_int_equal(journal->entry.n_paths, 2);
    assert_int_equal(journal->n_queued, 1);
}

#define gather_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gather_test(an_entry_takes_batches_while_it_has_room_for_their_paths),
        gather_test(a_batch_with_too_many_paths_for_this_entry_waits_for_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
