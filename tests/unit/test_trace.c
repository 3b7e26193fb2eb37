#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/ops/trace.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define ID     "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void a_valid_header_is_taken_over(void **state)
{
    static const struct {
        const char *header;
        bool sampled;
    } cases[] = {
        {"00-" ID "-" PARENT "-01", true},
        {"00-" ID "-" PARENT "-00", false},
        {"00-" ID "-" PARENT "-03", true},
        {"00-" ID "-" PARENT "-02", false},
        {"00-" ID "-" PARENT "-ff", true},
        {"00-" ID "-" PARENT "-fe", false},
        /* future versions */
        {"01-" ID "-" PARENT "-01", true},
        {"cc-" ID "-" PARENT "-00-", false},
        {"fe-" ID "-" PARENT "-09-what-will-be=1", true},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); ++i) {
        struct trace trace;

        memset(&trace, 'x', sizeof(trace));
        assert_true(trace_take(&trace, cases[i].header, strlen(cases[i].header)));
        assert_string_equal(trace.id, ID);
        assert_int_equal(trace.sampled, cases[i].sampled);
    }
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
    static const char *const headers[] = {
        "",
        "00",
        "ff-" ID "-" PARENT "-01",
        "FE-" ID "-" PARENT "-01",
        "0x-" ID "-" PARENT "-01",
        "00-" ID "-" PARENT "-01-",
        "00-" ID "-" PARENT "-01-more",
        "00-" ID "-" PARENT "-01 ",
        " 00-" ID "-" PARENT "-01",
        "01-" ID "-" PARENT "-01x",
        "01-" ID "-" PARENT "-01.more",
        "00-" ID "-" PARENT "-0",
        "00-" ID "-" PARENT "-",
        "00-" ID "-" PARENT "-0g",
        "00-" ID "-" PARENT "-A1",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" ID "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-" PARENT "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-" PARENT "-011",
        "00-" ID "-00F067AA0BA902B7-01",
        "00_" ID "-" PARENT "-01",
        "00-" ID "_" PARENT "-01",
        "00-" ID "-" PARENT "_01",
        "00-" ID "-" PARENT "-01, 00-" ID "-" PARENT "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47\"=-" PARENT "-01",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(headers); ++i) {
        struct trace trace = {"before", true};
        /* of exactly this length, so that AddressSanitizer finds reads beyond it */
        char *copy = strndup(headers[i], strlen(headers[i]));

        assert_false(trace_take(&trace, copy, strlen(copy)));
        assert_string_equal(trace.id, "before");
        assert_true(trace.sampled);
        free(copy);
    }
}

static void a_written_header_can_be_taken(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; ++i) {
        struct trace trace, again;
        char header[TRACE_HEADER_LEN + 1];

        trace_begin(&trace);
        assert_false(trace.sampled);
        trace.sampled = i % 2 == 1;
        trace_write(&trace, PARENT, header);
        assert_int_equal(strlen(header), TRACE_HEADER_LEN);
        assert_true(trace_take(&again, header, strlen(header)));
        assert_string_equal(again.id, trace.id);
        assert_int_equal(again.sampled, trace.sampled);
    }
}

static void a_header_is_written_as_the_standard_says(void **state)
{
    const struct trace trace = {ID, true}, other = {ID, false};
    char header[TRACE_HEADER_LEN + 1];

    (void)state;
    trace_write(&trace, PARENT, header);
    assert_string_equal(header, "00-" ID "-" PARENT "-01");
    trace_write(&other, PARENT, header);
    assert_string_equal(header, "00-" ID "-" PARENT "-00");
}

enum { THREADS = 4, IDS = 5000 };
static struct trace traces[THREADS * IDS];

static void *begin_traces(void *data)
{
    struct trace *own = data;

    for (int i = 0; i < IDS; ++i)
        trace_begin(&own[i]);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct trace *)a)->id, ((const struct trace *)b)->id);
}

static void no_two_traces_of_any_thread_have_the_same_id(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; ++i)
        assert_int_equal(pthread_create(&threads[i], NULL, begin_traces, &traces[(size_t)i * IDS]),
                         0);
    for (int i = 0; i < THREADS; ++i)
        pthread_join(threads[i], NULL);
    qsort(traces, SIZE(traces), sizeof(traces[0]), compare);
    for (size_t i = 1; i < SIZE(traces); ++i)
        assert_string_not_equal(traces[i - 1].id, traces[i].id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_header_is_taken_over),
        cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
        cmocka_unit_test(a_written_header_can_be_taken),
        cmocka_unit_test(a_header_is_written_as_the_standard_says),
        cmocka_unit_test(no_two_traces_of_any_thread_have_the_same_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
