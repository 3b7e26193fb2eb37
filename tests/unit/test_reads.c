/* Reads from counter-svc: read requests and the reader of the ranking, with their invariants. A
 * test answers in the place of counter-svc and ends the turns of the loop (the linker's --wrap). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/api.h"
#include "render-svc/count/ranking_reader.h"
#include "render-svc/count/read_request.h"
#include "render-svc/count/render_metrics.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/violates.h"

#define MAX_CALLS   16
#define MAX_WAITING 10

static struct {
    struct worker worker;
    struct render_metrics metrics;
    struct read_queue *reads;
    struct ranking_reader *ranking;
    http_callback callback; /* of every call */
    void *calls[MAX_CALLS]; /* their data, in their order */
    size_t n_calls, n_cancelled;
    unsigned n_ended;      /* read requests and waits */
    unsigned n_unanswered; /* of them */
} world;

struct counter_call *__wrap_counter_call(struct counter_client *client,
                                         const struct http_request *request, http_callback callback,
                                         void *data)
{
    (void)client;
    assert_string_equal(request->method, "GET");
    assert_true(world.n_calls < MAX_CALLS);
    world.callback = callback;
    world.calls[world.n_calls++] = data;
    return (struct counter_call *)&world;
}

void __wrap_counter_call_cancel(struct counter_call *call)
{
    (void)call;
    ++world.n_cancelled;
}

static void answer(size_t call, int status)
{
    struct buffer body = {0};
    struct http_answer answer = {.outcome = status == 0 ? HTTP_UNKNOWN : HTTP_ANSWERED,
                                 .status = status,
                                 .encoding = ENCODING_JSON,
                                 .reason = status == 0 ? "it was cut off" : NULL};

    rows_encode(&body, ENCODING_JSON, &(struct rows){0});
    answer.body = body.bytes;
    answer.len = body.len;
    world.callback(world.calls[call], &answer);
    buffer_free(&body);
}

static bool on_read(struct read_request *read, const struct http_answer *answer)
{
    (void)read;
    ++world.n_ended;
    world.n_unanswered += answer == NULL;
    return true;
}

static void on_rows(struct ranking_wait *wait, struct shared_rows *rows)
{
    (void)wait;
    assert_int_equal(rows->rows->size, 0);
    ++world.n_ended;
}

static void start(struct read_request *read)
{
    static char target[] = "/v1/paths";

    read_request_start(world.reads, read, &(struct buffer){.bytes = target, .len = 9}, NULL,
                       on_read);
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
    world.reads = read_queue_create(&world.worker, NULL, 1000, MAX_WAITING);
    world.ranking = ranking_reader_create(&world.worker, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ranking_reader_destroy(world.ranking);
    read_queue_destroy(world.reads);
    timers_fini(&world.worker.timers);
    h2o_evloop_destroy(world.worker.loop);
    return 0;
}

/* --- read requests --- */

static void eight_read_requests_are_in_flight_at_most(void **state)
{
    struct read_request reads[9] = {0};

    (void)state;
    for (size_t i = 0; i < 9; ++i)
        start(&reads[i]);
    end_turn();
    assert_int_equal(world.n_calls, 8);
    answer(0, 404);
    assert_int_equal(world.n_ended, 1);
    end_turn();
    assert_int_equal(world.n_calls, 9);
    for (size_t i = 1; i < 9; ++i)
        answer(i, 200);
    assert_int_equal(world.n_ended, 9);
    assert_int_equal(world.n_unanswered, 0);
    assert_int_equal(world.metrics.reads_waiting, 0);
}

static void a_failed_read_request_is_sent_again_after_a_pause(void **state)
{
    struct read_request read = {0};

    (void)state;
    start(&read);
    end_turn();
    answer(0, 0);
    end_turn();
    assert_int_equal(world.n_calls, 1);
    end_pause();
    end_turn();
    assert_int_equal(world.n_calls, 2);
    answer(1, 503);
    end_pause();
    end_turn();
    answer(2, 200);
    assert_int_equal(world.n_ended, 1);
    assert_int_equal(world.n_unanswered, 0);
}

/* It ends even if others leave the queue in the same turn, and new ones join it. */
static void a_read_request_that_finds_the_queue_full_ends_unanswered(void **state)
{
    struct read_request reads[MAX_WAITING] = {0}, refused = {0}, later = {0};

    (void)state;
    for (size_t i = 0; i < MAX_WAITING; ++i)
        start(&reads[i]);
    start(&refused);
    read_request_cancel(&reads[0]);
    read_request_cancel(&reads[1]);
    start(&later);
    assert_int_equal(world.n_ended, 0);
    end_turn();
    assert_int_equal(world.n_ended, 1);
    assert_int_equal(world.n_unanswered, 1);
    assert_null(refused._target);
    assert_non_null(later._target);
    for (size_t i = 0; i < MAX_WAITING; ++i)
        read_request_cancel(&reads[i]);
    read_request_cancel(&later);
    read_request_cancel(&refused);
    assert_int_equal(world.n_cancelled, 8);
    assert_int_equal(world.n_ended, 1);
    assert_int_equal(world.metrics.reads_waiting, 0);
}

static void start_twice(void)
{
    struct read_request read = {0};

    start(&read);
    start(&read);
}

static void a_read_request_is_started_once(void **state)
{
    (void)state;
    assert_violates(start_twice, "read->_target == NULL");
}

static void answer_read_twice(void)
{
    struct read_request read = {0};

    start(&read);
    end_turn();
    answer(0, 503);
    answer(0, 503);
}

static void a_read_request_has_one_answer(void **state)
{
    (void)state;
    assert_violates(answer_read_twice, "read->_call != NULL");
}

static void send_unqueued_read(void)
{
    struct read_request read = {0};

    start(&read);
    read._is_queued = false;
    end_turn();
}

static void a_read_request_leaves_the_queue_once(void **state)
{
    (void)state;
    assert_violates(send_unqueued_read, "read->_is_queued && read->_queue->n_queued > 0");
}

static void send_read_in_flight(void)
{
    struct read_request read = {0};

    start(&read);
    read._call = (struct counter_call *)&world;
    end_turn();
}

static void a_read_request_is_in_flight_once(void **state)
{
    (void)state;
    assert_violates(send_read_in_flight, "read->_call == NULL");
}

static void cancel_uncounted_read(void)
{
    struct read_request read = {0};

    start(&read);
    read._call = (struct counter_call *)&world;
    read_request_cancel(&read);
}

static void answer_uncounted_read(void)
{
    struct read_request counted = {0}, uncounted = {0};

    start(&counted);
    end_turn();
    answer(0, 200);
    start(&uncounted);
    uncounted._call = (struct counter_call *)&world;
    world.calls[0] = &uncounted;
    answer(0, 200);
}

static void a_read_request_in_flight_was_counted(void **state)
{
    (void)state;
    assert_violates(cancel_uncounted_read, "read->_queue->n_in_flight > 0");
    assert_violates(answer_uncounted_read, "reads->n_in_flight > 0");
}

/* --- the ranking --- */

static void one_read_serves_all_that_wait_when_it_is_sent(void **state)
{
    struct ranking_wait first = {0}, second = {0}, later = {0};

    (void)state;
    ranking_wait_start(world.ranking, &first, on_rows);
    ranking_wait_start(world.ranking, &second, on_rows);
    end_turn();
    ranking_wait_start(world.ranking, &later, on_rows);
    end_turn();
    assert_int_equal(world.n_calls, 2);
    answer(0, 200);
    assert_int_equal(world.n_ended, 2);
    answer(1, 200);
    assert_int_equal(world.n_ended, 3);
}

static void
a_failed_read_of_the_ranking_is_repeated_and_a_cancelled_wait_is_not_served(void **state)
{
    struct ranking_wait first = {0}, second = {0};

    (void)state;
    ranking_wait_start(world.ranking, &first, on_rows);
    ranking_wait_start(world.ranking, &second, on_rows);
    end_turn();
    answer(0, 503);
    ranking_wait_cancel(&first);
    end_pause();
    end_turn();
    answer(1, 200);
    assert_int_equal(world.n_calls, 2);
    assert_int_equal(world.n_ended, 1);
}

static void wait_twice(void)
{
    struct ranking_wait wait = {0};

    ranking_wait_start(world.ranking, &wait, on_rows);
    ranking_wait_start(world.ranking, &wait, on_rows);
}

static void a_wait_is_started_once(void **state)
{
    (void)state;
    assert_violates(wait_twice, "!h2o_linklist_is_linked(&wait->_link)");
}

static void answer_ranking_twice(void)
{
    struct ranking_wait wait = {0};

    ranking_wait_start(world.ranking, &wait, on_rows);
    end_turn();
    answer(0, 503);
    answer(0, 503);
}

static void a_read_of_the_ranking_has_one_answer(void **state)
{
    (void)state;
    assert_violates(answer_ranking_twice, "read->call != NULL");
}

/* Lets the next read leave while the answer is being given to those that wait. */
static void on_rows_send_next(struct ranking_wait *wait, struct shared_rows *rows)
{
    (void)rows;
    ranking_wait_start(world.ranking, wait, on_rows);
    end_turn();
}

static void read_while_serving(void)
{
    struct ranking_wait first = {0}, second = {0};

    ranking_wait_start(world.ranking, &first, on_rows_send_next);
    ranking_wait_start(world.ranking, &second, on_rows);
    end_turn();
    answer(0, 200);
}

static void a_read_of_the_ranking_has_served_all_before_the_next(void **state)
{
    (void)state;
    assert_violates(read_while_serving, "h2o_linklist_is_empty(&read->waits)");
}

#define reads_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        reads_test(eight_read_requests_are_in_flight_at_most),
        reads_test(a_failed_read_request_is_sent_again_after_a_pause),
        reads_test(a_read_request_that_finds_the_queue_full_ends_unanswered),
        reads_test(a_read_request_is_started_once),
        reads_test(a_read_request_has_one_answer),
        reads_test(a_read_request_leaves_the_queue_once),
        reads_test(a_read_request_is_in_flight_once),
        reads_test(a_read_request_in_flight_was_counted),
        reads_test(one_read_serves_all_that_wait_when_it_is_sent),
        reads_test(a_failed_read_of_the_ranking_is_repeated_and_a_cancelled_wait_is_not_served),
        reads_test(a_wait_is_started_once),
        reads_test(a_read_of_the_ranking_has_one_answer),
        reads_test(a_read_of_the_ranking_has_served_all_before_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
