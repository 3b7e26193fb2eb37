/* Tests of the lanes: one lane and one call to counter-svc. The test answers the call, and ends the
 * turns of the loop (the linker's --wrap). */
#ifndef TESTS_UNIT_LANES_FIXTURE_H
#define TESTS_UNIT_LANES_FIXTURE_H

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

/* Answers the call. Status 0: the outcome is unknown. */
static inline void answer(int status, const char *body)
{
    struct http_answer answer = {.outcome = status == 0 ? HTTP_UNKNOWN : HTTP_ANSWERED,
                                 .status = status,
                                 .body = body,
                                 .len = strlen(body),
                                 .encoding = ENCODING_JSON,
                                 .reason = "it was cut off"};

    world.callback(world.data, &answer);
}

static inline void on_counted(struct hit *hit, struct hit_count count, struct shared_rows *rows)
{
    (void)hit, (void)rows;
    world.count = count.count;
}

static inline struct hit a_hit(void)
{
    return (struct hit){.path = "/a", .path_len = 2, .trace = &TRACE};
}

static inline int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    memset(&loop, 0, sizeof(loop));
    world.worker.metrics = &world.metrics.service;
    world.settings = (struct lanes_settings){.lanes = 1, .max_waiting = 10, .max_wait_ms = 1000};
    world.lanes = lanes_create(&world.worker, NULL, &world.settings);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    lanes_destroy(world.lanes);
    return 0;
}

static inline void add(struct hit *hit)
{
    assert_true(lanes_add(world.lanes, hit, on_counted));
}

/* Opens the lane, and sends this hit in a batch. */
static inline void dispatch(struct hit *hit)
{
    answer(201, "{\"lane\":7,\"sequence\":0}");
    add(hit);
    end_turn();
}

#define lanes_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
