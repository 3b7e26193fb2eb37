/* The stop of a server, and the invariants of its connections and of its output budget. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/unit/server_fixture.h"
#include "tests/unit/violates.h"

static struct service_metrics metrics;
static int handle(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self, (void)req;
    return -1;
}

static void a_server_that_closes_stops_without_its_last_connection(void **state)
{
    int client = start_with_client(&metrics, handle);

    (void)state;
    http_server_want(&server, HTTP_SERVER_CLOSING);
    while (server._state != HTTP_SERVER_CLOSING)
        worker_turn(&server.worker);
    assert_null(server._listener);
    assert_int_equal(server._connections, 1);
    close(client);
    http_server_run(&server);
    assert_int_equal(server._connections, 0);
    assert_int_equal(metrics.connections, 0);
    assert_int_equal(metrics.connections_accepted, 1);
    http_server_fini(&server);
    http_server_joined(&server);
}

/* --- invariants --- */

static void close_an_uncounted_connection(void)
{
    int client = start_with_client(&metrics, handle);

    server._connections = 0;
    close(client);
    while (server._connections == 0)
        worker_turn(&server.worker);
}

static void a_connection_that_closes_was_counted(void **state)
{
    (void)state;
    assert_violates(close_an_uncounted_connection, "server->_connections > 0");
}

static void close_without_a_listener(void)
{
    start_with_client(&metrics, handle);
    server._listener = NULL;
    http_server_want(&server, HTTP_SERVER_CLOSING);
    while (server._state != HTTP_SERVER_CLOSING)
        worker_turn(&server.worker);
}

static void the_listener_is_closed_once(void **state)
{
    (void)state;
    assert_violates(close_without_a_listener, "server->_listener != NULL");
}

static void give_back_too_much(void)
{
    struct output_budget budget;
    void *share;

    output_budget_init(&budget, 1000, &metrics.unsent_bytes);
    share = output_budget_share(&budget, 100);
    budget.bytes = 99;
    h2o_mem_release_shared(share);
}

static void an_output_budget_gets_its_room_back(void **state)
{
    struct output_budget budget;
    void *share;

    (void)state;
    output_budget_init(&budget, 1000, &metrics.unsent_bytes);
    share = output_budget_share(&budget, 100);
    assert_int_equal(metrics.unsent_bytes, 100);
    h2o_mem_release_shared(share);
    assert_int_equal(metrics.unsent_bytes, 0);
    assert_violates(give_back_too_much, "bytes <= budget->bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_closes_was_counted),
        cmocka_unit_test(the_listener_is_closed_once),
        cmocka_unit_test(an_output_budget_gets_its_room_back),
        cmocka_unit_test(a_server_that_closes_stops_without_its_last_connection),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
