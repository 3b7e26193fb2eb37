/* The metrics of two workers, as Prometheus gets them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "server/ops/metrics.h"

#include <stdbool.h>
#include <string.h>

struct numbers {
    struct service_metrics service;
    atomic_uint_fast64_t plain;
    atomic_uint_fast64_t row[2];
    atomic_uint_fast64_t highest;
    struct histogram seconds;
    struct histogram sizes;
};

#define AT(field) .offset = offsetof(struct numbers, field)

static const char *const COLOURS[] = {"red", "blue", NULL};

static struct numbers one, two;
static const void *const WORKERS[] = {&one, &two};

static int clear(void **state)
{
    (void)state;
    memset(&one, 0, sizeof(one));
    memset(&two, 0, sizeof(two));
    return 0;
}

static void assert_exposed(const struct metric *table, const char *expected)
{
    struct buffer text = {0};

    metrics_add_table(&text, table, WORKERS, 2);
    buffer_add(&text, "", 1);
    assert_string_equal(text.bytes, expected);
    buffer_free(&text);
}

static bool is_in(const struct buffer *text, const char *line)
{
    return memmem(text->bytes, text->len, line, strlen(line)) != NULL;
}

static void workers_are_added_up(void **state)
{
    static const struct metric TABLE[] = {{"a_total", "A.", METRIC_COUNTER, AT(plain), NULL, NULL},
                                          {.name = NULL}};

    (void)state;
    metric_add(&one.plain, 2);
    metric_add(&two.plain, 40);
    metric_subtract(&two.plain, 1);
    assert_exposed(TABLE, "# HELP a_total A.\n# TYPE a_total counter\na_total 41\n");
}

/* One worker may release what another has taken. Only the sum matters. */
static void one_worker_may_be_below_zero(void **state)
{
    static const struct metric TABLE[] = {{"a", "A.", METRIC_GAUGE, AT(plain), NULL, NULL},
                                          {.name = NULL}};

    (void)state;
    metric_add(&one.plain, 5);
    metric_subtract(&two.plain, 3);
    assert_exposed(TABLE, "# HELP a A.\n# TYPE a gauge\na 2\n");
}

static void a_row_has_a_sample_for_each_value_of_its_label(void **state)
{
    static const struct metric TABLE[] = {
        {"a_total", "A.", METRIC_COUNTER, AT(row), "colour", COLOURS}, {.name = NULL}};

    (void)state;
    metric_set(&one.row[0], 7);
    metric_set(&two.row[1], 8);
    assert_exposed(TABLE, "# HELP a_total A.\n# TYPE a_total counter\n"
                          "a_total{colour=\"red\"} 7\na_total{colour=\"blue\"} 8\n");
}

static void unknown_values_are_omitted(void **state)
{
    static const struct metric TABLE[] = {{"a", "A.", METRIC_HIGHEST, AT(highest), NULL, NULL},
                                          {.name = NULL}};

    (void)state;
    assert_exposed(TABLE, "");
    metric_set(&one.highest, 3);
    metric_set(&two.highest, 2);
    assert_exposed(TABLE, "# HELP a A.\n# TYPE a gauge\na 3\n");
}

static void a_duration_is_in_every_bucket_from_its_own_on(void **state)
{
    static const struct metric TABLE[] = {
        {"a_seconds", "A.", METRIC_SECONDS, AT(seconds), NULL, NULL}, {.name = NULL}};
    struct buffer text = {0};

    (void)state;
    histogram_add_ns(&one.seconds, 1000000);        /* equal to a bound: in its bucket */
    histogram_add_ns(&one.seconds, 1000001);        /* just above the bound */
    histogram_add_ns(&two.seconds, 12000000000ULL); /* above all bounds */
    metrics_add_table(&text, TABLE, WORKERS, 2);
    assert_true(is_in(&text, "# TYPE a_seconds histogram\n"));
    assert_true(is_in(&text, "a_seconds_bucket{le=\"0.0005\"} 0\n"));
    assert_true(is_in(&text, "a_seconds_bucket{le=\"0.001\"} 1\n"));
    assert_true(is_in(&text, "a_seconds_bucket{le=\"0.0025\"} 2\n"));
    assert_true(is_in(&text, "a_seconds_bucket{le=\"5\"} 2\n"));
    assert_true(is_in(&text, "a_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_true(is_in(&text, "a_seconds_sum 12.002000001\n"));
    assert_true(is_in(&text, "a_seconds_count 3\n"));
    buffer_free(&text);
}

static void sizes_have_bounds_up_to_1024(void **state)
{
    static const struct metric TABLE[] = {{"a_hits", "A.", METRIC_SIZES, AT(sizes), NULL, NULL},
                                          {.name = NULL}};
    struct buffer text = {0};

    (void)state;
    histogram_add_size(&one.sizes, 1);
    histogram_add_size(&one.sizes, 3);
    histogram_add_size(&one.sizes, 1024);
    metrics_add_table(&text, TABLE, WORKERS, 2);
    assert_true(is_in(&text, "a_hits_bucket{le=\"1\"} 1\n"));
    assert_true(is_in(&text, "a_hits_bucket{le=\"2\"} 1\n"));
    assert_true(is_in(&text, "a_hits_bucket{le=\"4\"} 2\n"));
    assert_true(is_in(&text, "a_hits_bucket{le=\"1024\"} 3\na_hits_bucket{le=\"+Inf\"} 3\n"));
    assert_true(is_in(&text, "a_hits_sum 1028\na_hits_count 3\n"));
    buffer_free(&text);
}

static void requests_that_came_are_listed_by_route_and_status(void **state)
{
    struct buffer text = {0};

    (void)state;
    metric_add(&one.service.requests[0][0], 1);
    metric_add(&two.service.requests[1][303], 2);
    metrics_add_requests(&text, COLOURS, WORKERS, 2);
    assert_true(is_in(&text, "# TYPE pathcount_http_requests_total counter\n"
                             "pathcount_http_requests_total{route=\"red\",status=\"200\"} 1\n"
                             "pathcount_http_requests_total{route=\"blue\",status=\"503\"} 2\n"));
    buffer_free(&text);
}

static void the_process_has_metrics(void **state)
{
    static const char *const NAMES[] = {
        "\nprocess_resident_memory_bytes ", "\nprocess_virtual_memory_bytes ",
        "\nprocess_cpu_seconds_total ", "\nprocess_open_fds ", "\nprocess_start_time_seconds 17\n"};
    struct buffer text = {0};

    (void)state;
    metrics_add_process(&text, 17);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); ++i)
        assert_true(is_in(&text, NAMES[i]));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(workers_are_added_up, clear),
        cmocka_unit_test_setup(one_worker_may_be_below_zero, clear),
        cmocka_unit_test_setup(a_row_has_a_sample_for_each_value_of_its_label, clear),
        cmocka_unit_test_setup(unknown_values_are_omitted, clear),
        cmocka_unit_test_setup(a_duration_is_in_every_bucket_from_its_own_on, clear),
        cmocka_unit_test_setup(sizes_have_bounds_up_to_1024, clear),
        cmocka_unit_test_setup(requests_that_came_are_listed_by_route_and_status, clear),
        cmocka_unit_test(the_process_has_metrics),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
