/* Calls to counter-svc: which address gets them, and their invariants. A test gives the name its
 * addresses and answers the calls (the linker's --wrap). test_replicas.c tests the choice of an
 * address. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "render-svc/count/counter_client.h"
#include "render-svc/count/render_metrics.h"
#include "server/loop/resolver.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/violates.h"

#define MAX_CALLS 4

__typeof__(resolver_start) __wrap_resolver_start;
__typeof__(http_call) __wrap_http_call;
__typeof__(http_call_cancel) __wrap_http_call_cancel;

static const struct counter_client_settings SETTINGS = {.port = 8081};

static struct {
    struct worker worker;
    struct render_metrics metrics;
    struct counter_client *client;
    /* the calls to an address, in their order */
    struct {
        struct http_address address;
        http_callback callback;
        void *data;
    } calls[MAX_CALLS];
    size_t n_calls;
    bool answers_at_once;
    /* the answers to calls of counter_call */
    unsigned n_answers;
    enum http_outcome outcome; /* of the last one */
} world;

static const struct http_answer OK = {.outcome = HTTP_ANSWERED, .status = 200};
static const struct http_answer NOT_SENT = {.outcome = HTTP_NOT_SENT, .reason = "it was refused"};
static const struct http_request REQUEST = {.method = "POST", .target = "/v1/hits"};

/* The name has two addresses. */
void __wrap_resolver_start(struct resolver *resolver, struct worker *worker, const char *host,
                           uint64_t deadline_ms, resolver_callback callback, void *data)
{
    static const struct addresses FOUND = {2, {"10.0.0.1", "10.0.0.2"}};

    (void)resolver, (void)worker, (void)host, (void)deadline_ms;
    callback(data, &FOUND, NULL);
}

struct http_call *__wrap_http_call(struct http_client *client, const struct http_address *address,
                                   const struct http_request *request, http_callback callback,
                                   void *data)
{
    (void)client, (void)request;
    assert_true(world.n_calls < MAX_CALLS);
    world.calls[world.n_calls].address = *address;
    world.calls[world.n_calls].callback = callback;
    world.calls[world.n_calls++].data = data;
    if (world.answers_at_once)
        callback(data, &OK);
    return (struct http_call *)&world;
}

void __wrap_http_call_cancel(struct http_call *call)
{
    (void)call;
}

static void answer(size_t call, const struct http_answer *with)
{
    world.calls[call].callback(world.calls[call].data, with);
}

static bool on_answer(void *data, const struct http_answer *with)
{
    (void)data;
    ++world.n_answers;
    world.outcome = with->outcome;
    return true;
}

static void assert_called(size_t call, const char *address)
{
    assert_true(call < world.n_calls);
    assert_string_equal(world.calls[call].address.host, address);
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    memset(&loop, 0, sizeof(loop));
    world.worker.metrics = &world.metrics.service;
    world.worker.loop = h2o_evloop_create();
    if (timers_init(&world.worker.timers, world.worker.loop) != 0)
        return -1;
    world.client = counter_client_create(&world.worker, &SETTINGS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    counter_client_destroy(world.client);
    timers_fini(&world.worker.timers);
    h2o_evloop_destroy(world.worker.loop);
    return 0;
}

static void a_call_goes_to_the_first_address(void **state)
{
    (void)state;
    counter_call(world.client, &REQUEST, on_answer, NULL);
    assert_called(0, "10.0.0.1:8081");
    answer(0, &OK);
    assert_int_equal(world.n_answers, 1);
    assert_int_equal(world.outcome, HTTP_ANSWERED);
}

static void a_call_that_was_not_sent_goes_to_each_address_once(void **state)
{
    (void)state;
    counter_call(world.client, &REQUEST, on_answer, NULL);
    answer(0, &NOT_SENT);
    assert_called(1, "10.0.0.2:8081");
    assert_int_equal(world.n_answers, 0);
    answer(1, &NOT_SENT);
    assert_int_equal(world.n_calls, 2);
    assert_int_equal(world.n_answers, 1);
    assert_int_equal(world.outcome, HTTP_NOT_SENT);
}

static void a_call_that_may_have_been_sent_is_not_repeated(void **state)
{
    static const struct http_answer CUT_OFF = {.outcome = HTTP_UNKNOWN, .reason = "it was cut off"};

    (void)state;
    counter_call(world.client, &REQUEST, on_answer, NULL);
    answer(0, &CUT_OFF);
    assert_int_equal(world.n_calls, 1);
    assert_int_equal(world.n_answers, 1);
    assert_int_equal(world.outcome, HTTP_UNKNOWN);
}

/* --- invariants --- */

static void answer_at_once(void)
{
    world.answers_at_once = true;
    counter_call(world.client, &REQUEST, on_answer, NULL);
}

static void an_answer_follows_its_call(void **state)
{
    (void)state;
    assert_violates(answer_at_once, "call->call != NULL");
}

static struct counter_call *own_call;

static bool on_answer_cancel_itself(void *data, const struct http_answer *with)
{
    (void)data, (void)with;
    counter_call_cancel(own_call);
    return true;
}

static void cancel_the_answered_call(void)
{
    own_call = counter_call(world.client, &REQUEST, on_answer_cancel_itself, NULL);
    answer(0, &OK);
}

static void a_call_that_was_answered_is_not_cancelled(void **state)
{
    (void)state;
    assert_violates(cancel_the_answered_call, "h2o_linklist_is_linked(&call->link)");
}

#define client_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(a_call_goes_to_the_first_address),
        client_test(a_call_that_was_not_sent_goes_to_each_address_once),
        client_test(a_call_that_may_have_been_sent_is_not_repeated),
        client_test(an_answer_follows_its_call),
        client_test(a_call_that_was_answered_is_not_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
