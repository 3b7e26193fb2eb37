/* The invariants of counter-svc's sessions, and of the modules that use them: folds, views and
 * changes. Each test breaks one, and the program ends.
 *
 * The session is the test's own (the linker's --wrap of session_open). It is ready but has no
 * connection: the test answers its queries. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "counter-svc/changes/changes.h"
#include "counter-svc/journal/fold_private.h"
#include "counter-svc/ledger/pg_private.h"
#include "counter-svc/ledger/session_private.h"
#include "counter-svc/read/views_private.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/violates.h"

static struct counter_metrics metrics;
static struct worker worker = {.metrics = &metrics.service};
static const struct session_settings SETTINGS = {.statement_timeout_ms = 1000};
static struct session *session; /* the last session that was opened */

__typeof__(session_open) __wrap_session_open;

struct session *__wrap_session_open(struct worker *on, const struct session_settings *settings,
                                    enum session_role role, const struct session_owner *owner)
{
    struct pg *pg = memory_allocate(1, sizeof(*pg));

    *pg = (struct pg){.worker = on, .connected = true};
    session = memory_allocate(1, sizeof(*session));
    *session = (struct session){.worker = on,
                                .metrics = &metrics,
                                .settings = settings,
                                .owner = *owner,
                                .role = role,
                                .pg = pg,
                                .state = SESSION_READY};
    return session;
}

static void open_session(enum session_role role)
{
    static const struct session_owner NO_OWNER = {0};

    session_open(&worker, &SETTINGS, role, &NO_OWNER);
}

/* Answers that the query in flight was refused, with an error that no module handles in its own
 * way. */
static void refuse_query(void)
{
    const struct pg *pg = session->pg;

    pg->callback(pg->data, &(struct pg_answer){
                               .outcome = PG_FAILED, .sqlstate = "40001", .message = "try again"});
}

/* --- sessions --- */

static void ignore_answer(void *data, const struct pg_answer *answer)
{
    (void)data, (void)answer;
}

static void use_before_set_up(void)
{
    struct session checked = {.state = SESSION_CHECKING};

    session_set_state(&checked, SESSION_READY);
}

static void a_session_is_set_up_before_it_is_used(void **unused)
{
    (void)unused;
    assert_violates(use_before_set_up, "FOLLOWING[session->state]");
}

static void run_while_setting_up(void)
{
    struct session unready = {.state = SESSION_SETTING_UP};

    session_run(&unready, STATEMENT_APPEND, NULL, 0, NULL, NULL);
}

static void run_text_while_setting_up(void)
{
    struct session unready = {.state = SESSION_SETTING_UP};

    session_run_text(&unready, "SELECT 1", NULL, NULL);
}

static void run_long_while_setting_up(void)
{
    struct session unready = {.state = SESSION_SETTING_UP};

    session_run_long(&unready, "SELECT 1", NULL, NULL);
}

static void a_statement_needs_a_session_that_is_ready(void **unused)
{
    (void)unused;
    assert_violates(run_while_setting_up, "session_is_idle(session)");
    assert_violates(run_text_while_setting_up, "session_is_idle(session)");
    assert_violates(run_long_while_setting_up, "session_is_idle(session)");
}

static void run_statement_of_other_role(void)
{
    open_session(SESSION_FOLDS);
    session_run(session, STATEMENT_APPEND, NULL, 0, ignore_answer, NULL);
}

static void a_session_runs_the_statements_of_its_role(void **unused)
{
    (void)unused;
    assert_violates(run_statement_of_other_role, "statement_role(statement) == session->role");
}

static void answer_step_when_ready(void)
{
    open_session(SESSION_FOLDS);
    session->state = SESSION_CHECKING;
    session_set_up(session, SETUP_PREPARE);
    session->state = SESSION_READY;
    refuse_query();
}

static void a_step_ends_while_its_session_is_set_up(void **unused)
{
    (void)unused;
    assert_violates(answer_step_when_ready, "session->state == SESSION_SETTING_UP");
}

/* --- folds --- */

static void fold_twice(void)
{
    struct fold fold = {0};

    fold_begin(&fold, FOLD_FOLDING);
    fold_begin(&fold, FOLD_CLEARING);
}

static void fold_nothing(void)
{
    struct fold fold = {0};

    fold_begin(&fold, FOLD_IDLE);
}

static void one_statement_of_folds_is_in_flight(void **unused)
{
    (void)unused;
    assert_violates(fold_twice, "fold->activity == FOLD_IDLE");
    assert_violates(fold_nothing, "activity != FOLD_IDLE");
}

static void end_another(void)
{
    struct fold fold = {0};

    fold_begin(&fold, FOLD_FOLDING);
    fold_end(&fold, FOLD_CLEARING);
}

static void an_answer_is_that_of_the_statement_in_flight(void **unused)
{
    (void)unused;
    assert_violates(end_another, "fold->activity == activity");
}

static struct state state;
static struct fold *fold;

/* Makes two entries that are not folded, and a fold of them that is due. */
static int make_fold(void **unused)
{
    static const struct fold_settings FOLD_SETTINGS = {.interval_ms = 1000};
    static const struct fold_owner NO_OWNER = {0};

    (void)unused;
    state = (struct state){.is_loaded = true, .position = 7, .checkpoint = 5};
    fold = fold_open(&worker, &SETTINGS, &FOLD_SETTINGS, &state, &NO_OWNER);
    end_pause(); /* the regular fold, so that no timer delays the next one */
    fold->target = 7;
    fold_schedule(fold);
    return 0;
}

static int free_fold(void **unused)
{
    (void)unused;
    fold_close(fold);
    return 0;
}

static void a_fold_is_of_the_entries_after_the_checkpoint(void **unused)
{
    (void)unused;
    end_turn();
    assert_int_equal(fold->activity, FOLD_FOLDING);
    assert_int_equal(fold->start, 5);
    assert_int_equal(fold->upto, 7);
}

static void fold_an_entry_of_the_future(void)
{
    fold->slice_ends = memory_allocate(1, sizeof(*fold->slice_ends));
    fold->slice_ends[0] = 8;
    fold->n_slices = fold->max_slices = 1;
    end_turn();
}

static void only_entries_that_exist_are_folded(void **unused)
{
    (void)unused;
    assert_violates(fold_an_entry_of_the_future,
                    "fold->start < fold->upto && fold->upto <= fold->state->position");
}

static void answer_a_fold_of_nothing(void)
{
    end_turn();
    fold->upto = fold->start;
    refuse_query();
}

static void a_fold_has_entries(void **unused)
{
    (void)unused;
    assert_violates(answer_a_fold_of_nothing, "entries > 0");
}

static void restart_during_a_fold(void)
{
    end_turn();
    session->owner.on_lost(session->owner.data);
}

static void a_lost_session_has_no_fold_in_flight(void **unused)
{
    (void)unused;
    assert_violates(restart_during_a_fold, "fold->activity == FOLD_IDLE");
}

/* --- views --- */

static struct views views;
static struct history_query query;
static struct view_request request;

/* Makes a request for a history that is in flight. */
static int make_view(void **unused)
{
    (void)unused;
    open_session(SESSION_VIEWS);
    views = (struct views){.worker = &worker, .metrics = &metrics, .session = session};
    request = (struct view_request){
        .views = &views, .kind = VIEW_OF_HISTORY, .query = &query, .state = VIEW_IN_FLIGHT};
    h2o_linklist_init_anchor(&views.in_flight);
    h2o_linklist_insert(&views.in_flight, &request.link);
    return 0;
}

static int free_view(void **unused)
{
    (void)unused;
    session_close(session);
    return 0;
}

static void send_before_fold(void)
{
    request.state = VIEW_FOLDING;
    view_set_state(&request, VIEW_IN_FLIGHT);
}

static void a_view_waits_before_it_is_sent(void **unused)
{
    (void)unused;
    assert_violates(send_before_fold, "FOLLOWING[request->state]");
}

static void send_from_queue(void)
{
    request.state = VIEW_QUEUED;
    view_send(&views, &request);
}

static void a_view_is_taken_before_it_is_sent(void **unused)
{
    (void)unused;
    assert_violates(send_from_queue, "request->state == VIEW_IN_FLIGHT");
}

static void answer_no_view(void)
{
    view_send(&views, &request);
    h2o_linklist_unlink(&request.link);
    refuse_query();
}

static void an_answer_belongs_to_views_in_flight(void **unused)
{
    (void)unused;
    assert_violates(answer_no_view, "!h2o_linklist_is_empty(&views->in_flight)");
}

/* --- changes --- */

static struct changes *changes;
static unsigned n_unavailable;

static void note_change(void *data, const struct change_result *result)
{
    (void)data;
    n_unavailable += result->outcome == CHANGE_UNAVAILABLE;
}

/* Makes a change that is in flight. */
static int make_change(void **unused)
{
    struct buffer json = {0};

    (void)unused;
    n_unavailable = 0;
    changes = changes_open(&worker, &SETTINGS, 10, 0);
    buffer_add_literal(&json, "{}");
    changes_make(changes, &json, note_change, NULL);
    end_turn();
    return 0;
}

static int free_change(void **unused)
{
    (void)unused;
    changes_close(changes);
    return 0;
}

static void a_change_that_may_succeed_later_is_unavailable(void **unused)
{
    (void)unused;
    refuse_query();
    assert_int_equal(n_unavailable, 1);
}

static void answer_change_twice(void)
{
    refuse_query();
    refuse_query();
}

static void a_change_has_one_answer(void **unused)
{
    (void)unused;
    assert_violates(answer_change_twice, "changes->is_in_flight");
}

#define WITH_FOLD(test)   cmocka_unit_test_setup_teardown(test, make_fold, free_fold)
#define WITH_VIEW(test)   cmocka_unit_test_setup_teardown(test, make_view, free_view)
#define WITH_CHANGE(test) cmocka_unit_test_setup_teardown(test, make_change, free_change)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_set_up_before_it_is_used),
        cmocka_unit_test(a_statement_needs_a_session_that_is_ready),
        cmocka_unit_test(a_session_runs_the_statements_of_its_role),
        cmocka_unit_test(a_step_ends_while_its_session_is_set_up),
        cmocka_unit_test(one_statement_of_folds_is_in_flight),
        cmocka_unit_test(an_answer_is_that_of_the_statement_in_flight),
        WITH_FOLD(a_fold_is_of_the_entries_after_the_checkpoint),
        WITH_FOLD(only_entries_that_exist_are_folded),
        WITH_FOLD(a_fold_has_entries),
        WITH_FOLD(a_lost_session_has_no_fold_in_flight),
        WITH_VIEW(a_view_waits_before_it_is_sent),
        WITH_VIEW(a_view_is_taken_before_it_is_sent),
        WITH_VIEW(an_answer_belongs_to_views_in_flight),
        WITH_CHANGE(a_change_that_may_succeed_later_is_unavailable),
        WITH_CHANGE(a_change_has_one_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
