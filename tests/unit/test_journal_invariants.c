/* The invariants of the journal: each test breaks one, and the program ends. test_state.c has the
 * rules of the state in memory. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/memory.h"
#include "counter-svc/journal/journal_private.h"
#include "counter-svc/ledger/pg_private.h"
#include "counter-svc/ledger/session_private.h"
#include "tests/unit/violates.h"

/* --- an entry and its requests --- */

static struct journal *journal;
static struct journal_request *batch;

/* Makes a journal with one batch, three hits of /a in lane 5, which is taken for the next entry. */
static int make_entry(void **unused)
{
    struct journal_entry *entry;

    (void)unused;
    journal = memory_allocate(1, sizeof(*journal));
    batch = memory_allocate(1, sizeof(*batch));
    state_init(&journal->state);
    journal->state.is_loaded = true;
    journal->state.position = 7;
    state_set_lane(&journal->state, &(struct ledger_lane){.id = 5, .sequence = 2});
    journal->state.overflow = state_add(&journal->state, "*", 1, 0, 0, 0);
    h2o_linklist_init_anchor(&journal->queue);
    h2o_linklist_init_anchor(&journal->taken);
    *batch = (struct journal_request){.journal = journal,
                                      .kind = REQUEST_BATCH,
                                      .state = REQUEST_TAKEN,
                                      .outcome = JOURNAL_APPLIED,
                                      .n_hits = 3};
    h2o_linklist_insert(&journal->taken, &batch->link);
    entry = &journal->entry;
    entry->position = 8;
    entry->n_batches = 1;
    entry->lanes[0] = 5;
    entry->sequences[0] = 3;
    entry->n_paths = 1;
    entry->new_paths = 1;
    entry->paths[0] =
        (struct entry_path){.slot = state_add(&journal->state, "/a", 2, -1, 0, 0), .hits = 3};
    entry->paths[0].slot->entry_index = 1;
    return 0;
}

static int free_entry(void **unused)
{
    (void)unused;
    journal->entry.paths[0].slot->entry_index = 0;
    state_fini(&journal->state);
    free(batch);
    free(journal);
    return 0;
}

static void check_entry(void)
{
    append_check_entry(journal);
}

static void an_entry_matches_its_requests(void **unused)
{
    (void)unused;
    check_entry();
}

static void an_entry_is_the_next_one(void **unused)
{
    (void)unused;
    journal->entry.position = 9;
    assert_violates(check_entry, "entry->position == state->position + 1");
}

static void an_entry_has_the_hits_of_its_batches(void **unused)
{
    (void)unused;
    journal->entry.paths[0].hits = 4;
    assert_violates(check_entry, "hits == 0");
}

static void an_entry_has_its_batches_and_no_other(void **unused)
{
    (void)unused;
    batch->outcome = JOURNAL_REPEAT;
    assert_violates(check_entry, "n_batches == entry->n_batches");
}

static void an_entry_opens_the_lanes_that_wait_for_it(void **unused)
{
    (void)unused;
    journal->entry.n_opened = 1;
    assert_violates(check_entry, "n_lanes == entry->n_opened");
}

static void a_batch_has_the_next_sequence_of_its_lane(void **unused)
{
    (void)unused;
    journal->entry.sequences[0] = 4;
    assert_violates(check_entry, "entry->sequences[i] == lane->sequence + 1");
    journal->entry.sequences[0] = 3;
    journal->entry.lanes[0] = 6;
    assert_violates(check_entry, "lane != NULL");
}

static void a_request_is_taken_before_it_is_sent(void **unused)
{
    (void)unused;
    batch->state = REQUEST_QUEUED;
    assert_violates(check_entry, "request->state == REQUEST_TAKEN");
}

static void a_path_has_its_place_in_the_entry(void **unused)
{
    (void)unused;
    journal->entry.paths[0].slot->entry_index = 2;
    assert_violates(check_entry, "slot->entry_index == i + 1");
}

static void an_entry_counts_its_new_paths(void **unused)
{
    (void)unused;
    journal->entry.new_paths = 0;
    assert_violates(check_entry, "new_paths == entry->new_paths");
}

static void apply_entry_twice(void)
{
    journal->entry.paths[0].slot->entry_index = 0;
    state_apply(&journal->state, &journal->entry, 0);
    state_apply(&journal->state, &journal->entry, 0);
}

static void apply_without_a_state(void)
{
    journal->entry.paths[0].slot->entry_index = 0;
    journal->state.is_loaded = false;
    state_apply(&journal->state, &journal->entry, 0);
}

static void an_entry_is_applied_to_a_loaded_state(void **unused)
{
    (void)unused;
    assert_violates(apply_without_a_state, "state->is_loaded");
}

static void an_entry_is_applied_once(void **unused)
{
    (void)unused;
    assert_violates(apply_entry_twice, "entry->position == state->position + 1");
}

static void apply_path_twice(void)
{
    journal->entry.paths[0].slot->position = 8;
    state_apply(&journal->state, &journal->entry, 0);
}

static void a_path_has_the_hits_of_an_entry_once(void **unused)
{
    (void)unused;
    assert_violates(apply_path_twice, "slot->position < entry->position");
}

static void apply_to_wrong_ranking(void)
{
    struct slot *first = state_add(&journal->state, "/first", 6, 20, 0, 0);

    state_add(&journal->state, "/second", 7, 10, 0, 0);
    first->count = 5;
    journal->entry.paths[0].slot = first;
    state_apply(&journal->state, &journal->entry, 0);
}

static void the_ranking_is_ordered_by_the_counts(void **unused)
{
    (void)unused;
    assert_violates(apply_to_wrong_ranking, "state->top[from] == slot");
}

static void clear_during_append(void)
{
    state_clear(&journal->state);
}

static void a_slot_stays_while_an_entry_has_it(void **unused)
{
    (void)unused;
    assert_violates(clear_during_append, "slot->entry_index == 0");
}

/* --- the journal's statements and requests --- */

static void begin_twice(void)
{
    journal_begin(journal, JOURNAL_APPENDING);
    journal_begin(journal, JOURNAL_READING_HEAD);
}

static void begin_nothing(void)
{
    journal_begin(journal, JOURNAL_IDLE);
}

static void one_statement_is_in_flight(void **unused)
{
    (void)unused;
    assert_violates(begin_twice, "journal->activity == JOURNAL_IDLE");
    assert_violates(begin_nothing, "activity != JOURNAL_IDLE");
}

static void append_without_a_state(void)
{
    journal->state.is_loaded = false;
    journal_begin(journal, JOURNAL_APPENDING);
}

static void nothing_is_appended_without_a_state(void **unused)
{
    (void)unused;
    assert_violates(append_without_a_state, "journal->state.is_loaded");
}

static void end_nothing(void)
{
    if (journal_is_done(journal, &(struct pg_answer){.outcome = PG_DONE}))
        exit(1);
}

static void an_answer_belongs_to_a_statement(void **unused)
{
    (void)unused;
    assert_violates(end_nothing, "journal->activity != JOURNAL_IDLE");
}

static void take_twice(void)
{
    journal_take(batch, JOURNAL_APPLIED);
}

static void a_request_is_taken_once(void **unused)
{
    (void)unused;
    assert_violates(take_twice, "request->state == REQUEST_QUEUED");
}

static void cancel_unlinked_request(void)
{
    batch->state = REQUEST_QUEUED;
    journal->n_queued = 1;
    h2o_linklist_unlink(&batch->link);
    journal_cancel(batch);
}

static void cancel_uncounted_request(void)
{
    batch->state = REQUEST_QUEUED;
    journal_cancel(batch);
}

static void a_queued_request_is_in_the_queue(void **unused)
{
    (void)unused;
    assert_violates(cancel_uncounted_request, "request->journal->n_queued > 0");
    assert_violates(cancel_unlinked_request, "h2o_linklist_is_linked(&request->link)");
}

static void answer_queued_request(void)
{
    batch->state = REQUEST_QUEUED;
    journal_answer(&journal->taken);
}

static void a_request_is_taken_before_it_is_confirmed(void **unused)
{
    (void)unused;
    assert_violates(answer_queued_request, "request->state == REQUEST_TAKEN");
}

static void begin_with_taken_requests(void)
{
    struct pg pg = {.connected = true};
    struct session session = {.state = SESSION_READY, .pg = &pg};

    journal->session = &session;
    journal_step(journal);
}

static void taken_requests_are_answered_before_the_next_statement(void **unused)
{
    (void)unused;
    assert_violates(begin_with_taken_requests, "h2o_linklist_is_empty(&journal->taken)");
}

static void confirm_without_counts(void)
{
    journal_answer(&journal->taken);
}

static void a_confirmed_batch_has_counts(void **unused)
{
    (void)unused;
    assert_violates(confirm_without_counts, "request->hit_counts != NULL");
}

#define WITH_ENTRY(test) cmocka_unit_test_setup_teardown(test, make_entry, free_entry)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ENTRY(an_entry_matches_its_requests),
        WITH_ENTRY(an_entry_is_the_next_one),
        WITH_ENTRY(an_entry_has_the_hits_of_its_batches),
        WITH_ENTRY(an_entry_has_its_batches_and_no_other),
        WITH_ENTRY(an_entry_opens_the_lanes_that_wait_for_it),
        WITH_ENTRY(a_batch_has_the_next_sequence_of_its_lane),
        WITH_ENTRY(a_request_is_taken_before_it_is_sent),
        WITH_ENTRY(a_path_has_its_place_in_the_entry),
        WITH_ENTRY(an_entry_counts_its_new_paths),
        WITH_ENTRY(an_entry_is_applied_to_a_loaded_state),
        WITH_ENTRY(an_entry_is_applied_once),
        WITH_ENTRY(a_path_has_the_hits_of_an_entry_once),
        WITH_ENTRY(the_ranking_is_ordered_by_the_counts),
        WITH_ENTRY(a_slot_stays_while_an_entry_has_it),
        WITH_ENTRY(one_statement_is_in_flight),
        WITH_ENTRY(nothing_is_appended_without_a_state),
        WITH_ENTRY(an_answer_belongs_to_a_statement),
        WITH_ENTRY(a_request_is_taken_once),
        WITH_ENTRY(a_queued_request_is_in_the_queue),
        WITH_ENTRY(a_request_is_taken_before_it_is_confirmed),
        WITH_ENTRY(taken_requests_are_answered_before_the_next_statement),
        WITH_ENTRY(a_confirmed_batch_has_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
