/* The invariants of hits and of the open batch, which protect exactly-once counting: each test breaks
 * one, and the program ends. fuzz_lanes.c tests the lanes themselves. */
#include "tests/unit/lanes_fixture.h"

static void a_hit_is_counted(void **state)
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

static void a_hit_is_in_one_batch(void **state)
{
    (void)state;
    assert_violates(add_twice, "hit->state == HIT_NONE");
}

static void change_path(void)
{
    struct hit hit = a_hit();

    dispatch(&hit);
    hit.path = "/b";
    answer(200, "{\"lane\":7,\"sequence\":1,\"repeat\":false,\"counts\":[5]}");
}

static void a_hit_keeps_its_path(void **state)
{
    (void)state;
    assert_violates(change_path, "entry != NULL");
}

static void move_in_flight(void)
{
    struct hit hit = a_hit();

    answer(201, "{\"lane\":7,\"sequence\":0}");
    add(&hit);
    hit.state = HIT_IN_FLIGHT;
    end_turn();
}

static void a_hit_leaves_once(void **state)
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

static void a_hit_is_in_flight_when_it_is_answered(void **state)
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

static void the_open_hits_are_those_in_the_open_batch(void **state)
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

static void an_open_hit_was_counted(void **state)
{
    (void)state;
    assert_violates(cancel_uncounted, "n_open >= 0");
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

static void no_count_is_given_twice(void **state)
{
    (void)state;
    assert_violates(join_path, "entry->hits > 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        lanes_test(a_hit_is_counted),
        lanes_test(a_hit_is_in_one_batch),
        lanes_test(a_hit_keeps_its_path),
        lanes_test(a_hit_leaves_once),
        lanes_test(a_hit_is_in_flight_when_it_is_answered),
        lanes_test(the_open_hits_are_those_in_the_open_batch),
        lanes_test(an_open_hit_was_counted),
        lanes_test(no_count_is_given_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
