/* The invariants of a lane and its batch, which protect exactly-once counting: each test breaks one,
 * and the program ends. fuzz_lanes.c tests the lanes themselves. */
#include "tests/unit/lanes_fixture.h"

/* Damages a batch after it is sorted; NULL: no damage. */
static size_t (*damage)(struct batch_entry *entries, size_t size);

__typeof__(batch_sort) __real_batch_sort, __wrap_batch_sort;

size_t __wrap_batch_sort(struct batch_entry *entries, size_t size)
{
    size = __real_batch_sort(entries, size);
    return damage != NULL ? damage(entries, size) : size;
}

static void answer_twice(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
}

static void a_batch_has_one_answer(void **state)
{
    (void)state;
    assert_violates(answer_twice, "lane->state == LANE_IN_FLIGHT");
}

static void open_twice(void)
{
    answer(201, "{\"lane\":7,\"sequence\":0}");
    answer(201, "{\"lane\":8,\"sequence\":0}");
}

static void open_without_a_call(void)
{
    world.lanes->lanes[0].call = NULL;
    answer(201, "{\"lane\":7,\"sequence\":0}");
}

static void a_lane_is_opened_once(void **state)
{
    (void)state;
    assert_violates(open_twice, "lane->state == LANE_OPENING");
    assert_violates(open_without_a_call, "lane->state == LANE_OPENING && lane->call != NULL");
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

static void a_batch_is_in_flight_once(void **state)
{
    (void)state;
    assert_violates(resume_twice, "FOLLOWING[lane->state] & BIT(state)");
}

/* An answer with two counts to a batch of one path: the decoder refuses it, and the batch is
 * repeated. */

static void an_answer_to_another_batch_confirms_nothing(void **state)
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

static void a_batch_is_confirmed_once(void **state)
{
    (void)state;
    assert_violates(answer_while_confirming, "lane->call != NULL");
}

static void open_during_a_call(void)
{
    answer(0, "");
    world.lanes->lanes[0].call = (struct counter_call *)&world;
    end_pause();
}

static void a_lane_is_opened_when_no_call_is_in_flight(void **state)
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

static void a_batch_has_the_hits_that_left_with_it(void **state)
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

static void repeat_without_a_batch(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    answer(0, "");
    world.lanes->lanes[0].batch.size = 0;
    end_pause();
}

static void a_batch_has_one_call_in_flight(void **state)
{
    (void)state;
    assert_violates(repeat_during_a_call, "lane->call == NULL && lane->id > 0");
    assert_violates(repeat_without_a_batch, "lane->id > 0 && lane->batch.size > 0");
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

static void depart_with_the_hits_of_another_batch(void)
{
    struct hit hits[] = {a_hit(), a_hit()};

    dispatch(&hits[0]);
    add(&hits[1]);
    world.lanes->lanes[0].batch.size = 0;
    lane_dispatch(&world.lanes->lanes[0]);
}

static void a_lane_has_one_batch(void **state)
{
    (void)state;
    assert_violates(depart_in_flight, "lane->batch.size == 0");
    assert_violates(depart_with_the_hits_of_another_batch, "h2o_linklist_is_empty(&lane->hits)");
}

static void repeat_as_the_next_batch(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    answer(0, "");
    ++world.lanes->lanes[0].sequence;
    end_pause();
}

static void a_repeated_batch_keeps_its_sequence(void **state)
{
    (void)state;
    assert_violates(repeat_as_the_next_batch,
                    "lane->batch.lane == lane->id && lane->batch.sequence == lane->sequence + 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        lanes_test(a_batch_has_one_answer),
        lanes_test(a_lane_is_opened_once),
        lanes_test(a_batch_is_in_flight_once),
        lanes_test(an_answer_to_another_batch_confirms_nothing),
        lanes_test(a_batch_is_confirmed_once),
        lanes_test(a_lane_is_opened_when_no_call_is_in_flight),
        lanes_test(a_batch_has_the_hits_that_left_with_it),
        lanes_test(a_batch_has_one_call_in_flight),
        lanes_test(a_lane_has_one_batch),
        lanes_test(a_repeated_batch_keeps_its_sequence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
