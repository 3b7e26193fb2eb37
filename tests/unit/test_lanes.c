/* The invariants of the lanes, which protect exactly-once counting: each test breaks one, and the
 * program ends. fuzz_lanes.c tests the lanes themselves. A test answers in the place of counter-svc
 * and ends the turns of the loop (the linker's --wrap). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/api.h"
#include "render-svc/count/lanes_private.h"
#include "render-svc/count/render_metrics.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/violates.h"

static struct {
    struct worker worker;
    struct render_metrics metrics;
    struct lanes_settings settings;
    struct lanes *lanes;
    http_callback callback; /* of the only call */
    void *data;
    int64_t count; /* of the last hit that was answered */
} world;

static const struct trace TRACE = {.id = "4bf92f3577b34da6a3ce929d0e0e4736"};

struct counter_call *__wrap_counter_call(struct counter_client *client,
                                         const struct http_request *request, http_callback callback,
                                         void *data)
{
    (void)client, (void)request;
    world.callback = callback;
    world.data = data;
    return (struct counter_call *)&world;
}

void __wrap_counter_call_cancel(struct counter_call *call)
{
    (void)call;
}

/* Damages a batch after it is sorted; NULL: no damage. */
static size_t (*damage)(struct batch_entry *entries, size_t size);

__typeof__(batch_sort) __real_batch_sort, __wrap_batch_sort;

size_t __wrap_batch_sort(struct batch_entry *entries, size_t size)
{
    size = __real_batch_sort(entries, size);
    return damage != NULL ? damage(entries, size) : size;
}

/* Answers the call. Status 0: the outcome is unknown. */
static void answer(int status, const char *body)
{
    struct http_answer answer = {.outcome = status == 0 ? HTTP_UNKNOWN : HTTP_ANSWERED,
                                 .status = status,
                                 .body = body,
                                 .len = strlen(body),
                                 .encoding = ENCODING_JSON,
                                 .reason = "it was cut off"};

    world.callback(world.data, &answer);
}

static void on_counted(struct hit *hit, struct hit_count count, struct shared_rows *rows)
{
    (void)hit, (void)rows;
    world.count = count.count;
}

static struct hit a_hit(void)
{
    return (struct hit){.path = "/a", .path_len = 2, .trace = &TRACE};
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    memset(&loop, 0, sizeof(loop));
    world.worker.metrics = &world.metrics.service;
    world.settings = (struct lanes_settings){.lanes = 1, .max_waiting = 10, .max_wait_ms = 1000};
    world.lanes = lanes_create(&world.worker, NULL, &world.settings);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lanes_destroy(world.lanes);
    return 0;
}

static void add(struct hit *hit)
{
    assert_true(lanes_add(world.lanes, hit, on_counted));
}

/* Opens the lane, and sends this hit in a batch. */
static void dispatch(struct hit *hit)
{
    answer(201, "{\"lane\":7,\"sequence\":0}");
    add(hit);
    end_turn();
}

static void test_a_hit_is_counted(void **state)
{
    struct hit hit = a_hit();

    (void)state;
    dispatch(&hit);
    assert_int_equal(hit.state, HIT_IN_FLIGHT);
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
    assert_int_equal(hit.state, HIT_NONE);
    assert_int_equal(world.count, 5);
}

static void add_twice(void)
{
    struct hit hit = a_hit();

    add(&hit);
    add(&hit);
}

static void test_a_hit_is_in_one_batch(void **state)
{
    (void)state;
    assert_violates(add_twice, "hit->state == HIT_NONE");
}

static void answer_twice(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
}

static void test_a_batch_has_one_answer(void **state)
{
    (void)state;
    assert_violates(answer_twice, "lane->state == LANE_IN_FLIGHT");
}

static void open_twice(void)
{
    answer(201, "{\"lane\":7,\"sequence\":0}");
    answer(201, "{\"lane\":8,\"sequence\":0}");
}

static void test_a_lane_is_opened_once(void **state)
{
    (void)state;
    assert_violates(open_twice, "lane->state == LANE_OPENING");
}

static void resume_twice(void)
{
    struct hit hit = a_hit();
    struct timer *pause;

    dispatch(&hit);
    answer(0, "");
    pause = loop.timer;
    end_pause();
    pause->_on_due(pause);
}

static void test_a_batch_is_in_flight_once(void **state)
{
    (void)state;
    assert_violates(resume_twice, "FOLLOWING[lane->state] & BIT(state)");
}

/* An answer with two counts to a batch of one path: the decoder refuses it, and the batch is
 * repeated. */
static void test_an_answer_to_another_batch_confirms_nothing(void **state)
{
    struct hit hit = a_hit();

    (void)state;
    dispatch(&hit);
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5,6]}");
    assert_int_equal(hit.state, HIT_IN_FLIGHT);
    end_pause();
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":true,\"counts\":[5]}");
    assert_int_equal(world.count, 5);
}

static void change_path(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    hit.path = "/b";
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
}

static void test_a_hit_keeps_its_path(void **state)
{
    (void)state;
    assert_violates(change_path, "entry != NULL");
}

static void answer_from_callback(struct hit *hit, struct hit_count count, struct shared_rows *rows)
{
    (void)hit, (void)count, (void)rows;
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
}

/* A second answer arrives while the hits of the first one are answered. */
static void answer_while_confirming(void)
{
    struct hit hits[] = {a_hit(), a_hit()};

    answer(201, "{\"lane\":7,\"sequence\":0}");
    assert_true(lanes_add(world.lanes, &hits[0], answer_from_callback));
    add(&hits[1]);
    end_turn();
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
}

static void test_a_batch_is_confirmed_once(void **state)
{
    (void)state;
    assert_violates(answer_while_confirming, "lane->call != NULL");
}

static void move_in_flight(void)
{
    struct hit hit = a_hit();

    answer(201, "{\"lane\":7,\"sequence\":0}");
    add(&hit);
    hit.state = HIT_IN_FLIGHT;
    end_turn();
}

static void test_a_hit_leaves_once(void **state)
{
    (void)state;
    assert_violates(move_in_flight, "hit->state == HIT_OPEN");
}

static void answer_open_hit(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    hit.state = HIT_OPEN;
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
}

static void test_a_hit_is_in_flight_when_it_is_answered(void **state)
{
    (void)state;
    assert_violates(answer_open_hit, "hit->state == HIT_IN_FLIGHT");
}

static void cancel_one_of_two(void)
{
    struct hit hits[] = {a_hit(), a_hit()};

    add(&hits[0]);
    add(&hits[1]);
    h2o_linklist_unlink(&hits[1]._link);
    hit_cancel(&hits[0]);
}

static void test_the_open_hits_are_those_in_the_open_batch(void **state)
{
    (void)state;
    assert_violates(cancel_one_of_two, "(n_open == 0) == h2o_linklist_is_empty(&lanes->open)");
}

static void cancel_uncounted(void)
{
    struct hit hit = a_hit();

    add(&hit);
    world.lanes->n_open = 0;
    hit_cancel(&hit);
}

static void test_an_open_hit_was_counted(void **state)
{
    (void)state;
    assert_violates(cancel_uncounted, "n_open >= 0");
}

static void open_during_a_call(void)
{
    answer(0, "");
    world.lanes->lanes[0].call = (struct counter_call *)&world;
    end_pause();
}

static void test_a_lane_is_opened_when_no_call_is_in_flight(void **state)
{
    (void)state;
    assert_violates(open_during_a_call, "lane->call == NULL && lane->id == 0");
}

static void dispatch_damaged(size_t (*with)(struct batch_entry *, size_t))
{
    struct hit hit = a_hit();

    damage = with;
    dispatch(&hit);
}

static size_t lose_an_entry(struct batch_entry *entries, size_t size)
{
    (void)entries;
    return size - 1;
}

static void lose_a_hit(void)
{
    dispatch_damaged(lose_an_entry);
}

static size_t add_bots(struct batch_entry *entries, size_t size)
{
    entries[0].bot_hits = entries[0].hits + 1;
    return size;
}

static void count_too_many_bots(void)
{
    dispatch_damaged(add_bots);
}

static void test_a_batch_has_the_hits_that_left_with_it(void **state)
{
    (void)state;
    assert_violates(lose_a_hit, "hits_of(&lane->batch) == (int64_t)lane->n_hits");
    assert_violates(count_too_many_bots, "batch->entries[i].bot_hits <= batch->entries[i].hits");
}

static void repeat_during_a_call(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    answer(0, "");
    world.lanes->lanes[0].call = (struct counter_call *)&world;
    end_pause();
}

static void test_a_batch_has_one_call_in_flight(void **state)
{
    (void)state;
    assert_violates(repeat_during_a_call, "lane->call == NULL && lane->id > 0");
}

static void depart_in_flight(void)
{
    struct hit hits[] = {a_hit(), a_hit()};

    answer(201, "{\"lane\":7,\"sequence\":0}");
    add(&hits[0]);
    end_turn();
    add(&hits[1]);
    lane_dispatch(&world.lanes->lanes[0]);
}

static void test_a_lane_has_one_batch(void **state)
{
    (void)state;
    assert_violates(depart_in_flight, "lane->batch.size == 0");
}

static void repeat_as_the_next_batch(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    answer(0, "");
    ++world.lanes->lanes[0].sequence;
    end_pause();
}

static void test_a_repeated_batch_keeps_its_sequence(void **state)
{
    (void)state;
    assert_violates(repeat_as_the_next_batch,
                    "lane->batch.lane == lane->id && lane->batch.sequence == lane->sequence + 1");
}

static void join_path(void)
{
    struct hit hits[] = {a_hit(), a_hit()};

    hits[1].path = "/b";
    answer(201, "{\"lane\":7,\"sequence\":0}");
    add(&hits[0]);
    add(&hits[1]);
    end_turn();
    hits[1].path = "/a";
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5,6]}");
}

static void test_no_count_is_given_twice(void **state)
{
    (void)state;
    assert_violates(join_path, "entry->hits > 0");
}

#define lanes_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        lanes_test(test_a_hit_is_counted),
        lanes_test(test_a_hit_is_in_one_batch),
        lanes_test(test_a_batch_has_one_answer),
        lanes_test(test_a_lane_is_opened_once),
        lanes_test(test_a_batch_is_in_flight_once),
        lanes_test(test_an_answer_to_another_batch_confirms_nothing),
        lanes_test(test_a_hit_keeps_its_path),
        lanes_test(test_a_batch_is_confirmed_once),
        lanes_test(test_a_hit_leaves_once),
        lanes_test(test_a_hit_is_in_flight_when_it_is_answered),
        lanes_test(test_the_open_hits_are_those_in_the_open_batch),
        lanes_test(test_an_open_hit_was_counted),
        lanes_test(test_a_lane_is_opened_when_no_call_is_in_flight),
        lanes_test(test_a_batch_has_the_hits_that_left_with_it),
        lanes_test(test_a_batch_has_one_call_in_flight),
        lanes_test(test_a_lane_has_one_batch),
        lanes_test(test_a_repeated_batch_keeps_its_sequence),
        lanes_test(test_no_count_is_given_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
