/* The invariants of a connection to PostgreSQL: each test breaks one, and the program ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "counter-svc/ledger/pg_private.h"
#include "tests/unit/violates.h"

static struct worker worker;

static void ignore_answer(void *data, const struct pg_answer *answer)
{
    (void)data, (void)answer;
}

static void connect_during_a_query(void)
{
    struct pg pg = {.worker = &worker, .callback = ignore_answer};

    pg_connect(&pg);
}

static void a_round_of_attempts_begins_without_a_connection(void **unused)
{
    (void)unused;
    assert_violates(connect_during_a_query, "pg->conn == NULL && pg->callback == NULL");
}

static void attach_twice(void)
{
    struct pg pg = {.worker = &worker, .connected = true};

    pg_attach(&pg);
}

static void a_connection_is_attached_once(void **unused)
{
    (void)unused;
    assert_violates(attach_twice, "!pg->connected && pg->callback == NULL");
}

/* A connection whose query is in flight. */
static struct pg busy(void)
{
    return (struct pg){.worker = &worker, .connected = true, .callback = ignore_answer};
}

static void run_text_during_a_query(void)
{
    struct pg pg = busy();

    pg_run_text(&pg, "SELECT 1", 1, ignore_answer, NULL);
}

static void prepare_during_a_query(void)
{
    struct pg pg = busy();

    pg_run_prepare(&pg, "name", "SELECT 1", 1, ignore_answer, NULL);
}

static void run_prepared_during_a_query(void)
{
    struct pg pg = busy();

    pg_run_prepared(&pg, "name", NULL, 0, 1, ignore_answer, NULL);
}

static void run_without_a_connection(void)
{
    struct pg pg = {.worker = &worker};

    pg_run_text(&pg, "SELECT 1", 1, ignore_answer, NULL);
}

static void a_query_needs_an_idle_connection(void **unused)
{
    (void)unused;
    assert_violates(run_text_during_a_query, "pg_is_idle(pg)");
    assert_violates(prepare_during_a_query, "pg_is_idle(pg)");
    assert_violates(run_prepared_during_a_query, "pg_is_idle(pg)");
    assert_violates(run_without_a_connection, "pg_is_idle(pg)");
}

static void run_with_too_many_parameters(void)
{
    static const struct pg_parameter PARAMETERS[PG_MAX_PARAMETERS + 1];
    struct pg pg = {.worker = &worker, .connected = true};

    pg_run_prepared(&pg, "name", PARAMETERS, PG_MAX_PARAMETERS + 1, 1, ignore_answer, NULL);
}

static void a_query_has_a_limited_number_of_parameters(void **unused)
{
    (void)unused;
    assert_violates(run_with_too_many_parameters, "count <= PG_MAX_PARAMETERS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_of_attempts_begins_without_a_connection),
        cmocka_unit_test(a_connection_is_attached_once),
        cmocka_unit_test(a_query_needs_an_idle_connection),
        cmocka_unit_test(a_query_has_a_limited_number_of_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
