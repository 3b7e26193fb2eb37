#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "server/ops/log.h"
#include "tests/unit/capture.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The log's monotonic clock, in milliseconds. */
static uint64_t set_ms;

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (id == CLOCK_MONOTONIC_COARSE) {
        now->tv_sec = (time_t)(set_ms / 1000);
        now->tv_nsec = (long)(set_ms % 1000) * 1000000;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, id, now);
}

static char text[1 << 20];
static struct capture capture;

static int begin(void **state)
{
    (void)state;
    log_sum_up(true);
    log_init("test", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    set_ms = 1000000;
    return 0;
}

static void listen(void)
{
    capture = capture_begin(STDERR_FILENO);
}

/* Returns the lines since listen(), each from its event on. */
static const char *heard(void)
{
    static char events[sizeof(text)];
    char *line, *rest = NULL;

    capture_end(&capture, text, sizeof(text));
    events[0] = '\0';
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        strcat(events, strstr(line, " event=") + strlen(" event="));
        strcat(events, "\n");
    }
    return events;
}

static void the_first_line_is_written_at_once_and_the_others_as_one_at_the_end(void **state)
{
    (void)state;
    listen();
    for (int i = 0; i < 1000; ++i) {
        log_event(LOG_LEVEL_ERROR, "lost", "reason=%s batch=%d trace=%032d", "gone", i, i);
        log_sum_up(false);
    }
    assert_string_equal(heard(),
                        "lost reason=gone batch=0 trace=00000000000000000000000000000000\n");

    listen();
    set_ms += LOG_INTERVAL_MS - 1;
    log_sum_up(false);
    assert_string_equal(heard(), "");
    listen();
    set_ms += 1;
    log_sum_up(false);
    log_sum_up(false);
    assert_string_equal(heard(), "lost repeated=999 for_s=10 reason=gone batch=999 "
                                 "trace=00000000000000000000000000000999\n");
}

static void a_series_is_written_once_per_interval_and_its_end_at_once(void **state)
{
    (void)state;
    listen();
    for (int second = 0; second < 35; ++second, set_ms += 1000)
        log_event(LOG_LEVEL_WARNING, "lost", "");
    assert_string_equal(heard(), "lost\nlost repeated=9 for_s=10\nlost repeated=10 for_s=10\n"
                                 "lost repeated=10 for_s=10\n");
    listen();
    set_ms += LOG_INTERVAL_MS;
    log_sum_up(false);
    set_ms += LOG_INTERVAL_MS;
    log_sum_up(false); /* no line for a whole interval */
    log_event(LOG_LEVEL_WARNING, "lost", "");
    assert_string_equal(heard(), "lost repeated=5 for_s=15\nlost\n");
}

static void lines_with_another_text_are_written(void **state)
{
    (void)state;
    listen();
    for (int i = 0; i < 2; ++i) {
        log_event(LOG_LEVEL_ERROR, "a", "");
        log_event(LOG_LEVEL_WARNING, "a", "");
        log_event(LOG_LEVEL_INFO, "a", "");
        log_event(LOG_LEVEL_ERROR, "b", "");
        log_event(LOG_LEVEL_ERROR, "b", "sqlstate=%s", "40001");
        log_event(LOG_LEVEL_ERROR, "b", "sqlstate=%s", "40002");
        log_event(LOG_LEVEL_ERROR, "b", "why=%s", "40002");
        log_event(LOG_LEVEL_ERROR, "b", "x=%s y=%s", "1", "2");
        log_event(LOG_LEVEL_ERROR, "b", "x=%s y=%s", "12", "");
    }
    assert_string_equal(heard(), "a\na\na\nb\nb sqlstate=40001\nb sqlstate=40002\nb why=40002\n"
                                 "b x=1 y=2\nb x=12 y=\n");
}

static void numbers_traces_and_request_ids_make_no_difference(void **state)
{
    (void)state;
    listen();
    log_event(LOG_LEVEL_ERROR, "e", "a=%d b=%zu trace=%s request_id=%s", 1, (size_t)1, "t", "r");
    log_event(LOG_LEVEL_ERROR, "e", "a=%d b=%zu trace=%s request_id=%s", 2, (size_t)2, "u",
              LOG_QUOTED("s s"));
    assert_string_equal(heard(), "e a=1 b=1 trace=t request_id=r\n");
    listen();
    log_sum_up(true);
    assert_string_equal(heard(), "e repeated=1 for_s=0 a=2 b=2 trace=u request_id=\"s s\"\n");
}

static void debug_and_log_each_lines_are_never_held_back(void **state)
{
    (void)state;
    listen();
    for (int i = 0; i < 3; ++i) {
        log_event(LOG_LEVEL_DEBUG, "d", "");
        log_each(LOG_LEVEL_INFO, "i", "");
    }
    assert_string_equal(heard(), "d\ni\nd\ni\nd\ni\n");
}

static size_t count_lines(const char *lines, unsigned long *times)
{
    size_t n = 0;

    for (const char *at = lines; *at != '\0'; at = strchr(at, '\n') + 1, ++n) {
        const char *repeated = strstr(at, " repeated=");
        *times += repeated != NULL && repeated < strchr(at, '\n')
                      ? strtoul(repeated + strlen(" repeated="), NULL, 10)
                      : 1;
    }
    return n;
}

static void lines_of_many_kinds_are_bounded_and_their_counts_add_up(void **state)
{
    unsigned long times = 0;
    size_t lines;

    (void)state;
    listen();
    for (int i = 0; i < 5000; ++i) {
        char why[16];

        snprintf(why, sizeof(why), "reason-%d", i % 500);
        log_event(LOG_LEVEL_ERROR, "storm", "why=%s", why);
    }
    set_ms += LOG_INTERVAL_MS;
    log_sum_up(false);
    lines = count_lines(heard(), &times);
    assert_in_range(lines, LOG_KINDS + 1, (size_t)2 * (LOG_KINDS + 1));
    assert_int_equal(times, 5000);
}

static void a_long_line_that_is_held_back_is_cut(void **state)
{
    char why[1800];

    (void)state;
    memset(why, 'y', sizeof(why));
    why[sizeof(why) - 1] = '\0';
    listen();
    log_event(LOG_LEVEL_ERROR, "long", "why=%s", why);
    log_event(LOG_LEVEL_ERROR, "long", "why=%s", why);
    log_sum_up(true);
    assert_non_null(strstr(heard(), "long repeated=1 for_s=0 why=yyyyyyyy"));
}

static void *say_it(void *data)
{
    for (int i = 0; i < 1000; ++i)
        log_event(LOG_LEVEL_ERROR, "each", "");
    log_sum_up(true);
    return data;
}

static void each_thread_has_its_own_count(void **state)
{
    pthread_t threads[4];
    unsigned long times = 0;

    (void)state;
    listen();
    for (size_t i = 0; i < SIZE(threads); ++i)
        must(pthread_create(&threads[i], NULL, say_it, NULL) == 0, "pthread_create");
    for (size_t i = 0; i < SIZE(threads); ++i)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_lines(heard(), &times), 2 * SIZE(threads));
    assert_int_equal(times, 1000 * SIZE(threads));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_line_is_written_at_once_and_the_others_as_one_at_the_end,
                               begin),
        cmocka_unit_test_setup(a_series_is_written_once_per_interval_and_its_end_at_once, begin),
        cmocka_unit_test_setup(lines_with_another_text_are_written, begin),
        cmocka_unit_test_setup(numbers_traces_and_request_ids_make_no_difference, begin),
        cmocka_unit_test_setup(debug_and_log_each_lines_are_never_held_back, begin),
        cmocka_unit_test_setup(lines_of_many_kinds_are_bounded_and_their_counts_add_up, begin),
        cmocka_unit_test_setup(a_long_line_that_is_held_back_is_cut, begin),
        cmocka_unit_test_setup(each_thread_has_its_own_count, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
