#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "server/ops/log.h"
#include "tests/unit/capture.h"

#define LINE_BYTES ((size_t)2048)

/* The time that log_event gets, or 0 for the real time. Getting it changes errno. */
static struct timespec set_time;

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (id == CLOCK_REALTIME && (set_time.tv_sec != 0 || set_time.tv_nsec != 0)) {
        *now = set_time;
        errno = EDOM;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, id, now);
}

static int begin(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    set_time = (struct timespec){.tv_sec = 1795472100, .tv_nsec = 123456789};
    log_sum_up(true); /* the lines of earlier tests may occur again */
    return 0;
}

#define HEAD "ts=2026-11-23T22:15:00.123Z level=info service=test event="

static void before_log_init_the_service_is_pathcount_and_the_level_is_info(void **state)
{
    char text[LINE_BYTES];
    struct capture c = capture_begin(STDERR_FILENO);

    (void)state;
    set_time = (struct timespec){.tv_sec = 1795472100, .tv_nsec = 123456789};
    log_event(LOG_LEVEL_INFO, "first", "");
    log_event(LOG_LEVEL_DEBUG, "unheard", "");
    capture_end(&c, text, sizeof(text));
    assert_string_equal(text,
                        "ts=2026-11-23T22:15:00.123Z level=info service=pathcount event=first\n");
}

static void a_line_has_time_level_service_event_and_pairs(void **state)
{
    char text[LINE_BYTES];
    struct capture c = capture_begin(STDERR_FILENO);

    (void)state;
    log_event(LOG_LEVEL_INFO, "listening", "address=%s:%u why=%s", "127.0.0.1", 8081U,
              LOG_QUOTED("as told"));
    log_event(LOG_LEVEL_ERROR, "bare-word", "");
    capture_end(&c, text, sizeof(text));
    assert_string_equal(text, HEAD "listening address=127.0.0.1:8081 why=\"as told\"\n"
                                   "ts=2026-11-23T22:15:00.123Z level=error service=test "
                                   "event=bare-word\n");
}

static void the_time_is_the_one_gmtime_gives_at_every_turn_of_month_and_year(void **state)
{
    static const struct {
        int month, day;
    } turns[] = {{0, 1}, {1, 28}, {1, 29}, {2, 1}, {5, 30}, {6, 31}, {11, 31}};

    (void)state;
    for (int year = 70; year < 330; year++) {
        for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
            struct tm turn = {.tm_year = year, .tm_mon = turns[i].month, .tm_mday = turns[i].day};
            char text[LINE_BYTES], expected[64];
            struct capture c;

            turn.tm_hour = (int)(i * 3);
            turn.tm_min = 59;
            turn.tm_sec = 58;
            set_time = (struct timespec){.tv_sec = timegm(&turn), .tv_nsec = 7999999};
            strftime(expected, sizeof(expected), "ts=%Y-%m-%dT%H:%M:%S.007Z ", &turn);
            c = capture_begin(STDERR_FILENO);
            log_each(LOG_LEVEL_INFO, "tick", "");
            capture_end(&c, text, sizeof(text));
            assert_memory_equal(text, expected, strlen(expected));
        }
    }
}

static void lines_of_the_set_level_and_more_severe_ones_are_logged(void **state)
{
    static const char *const names[] = {"level=error ", "level=warning ", "level=info ",
                                        "level=debug "};

    (void)state;
    for (int heard = LOG_LEVEL_ERROR; heard <= LOG_LEVEL_DEBUG; heard++) {
        for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
            char text[LINE_BYTES];
            struct capture c = capture_begin(STDERR_FILENO);
            size_t length;

            log_init("test", (enum log_level)heard, LOG_FORMAT_TEXT);
            log_each((enum log_level)level, "said", "");
            length = capture_end(&c, text, sizeof(text));
            assert_int_equal(log_is_heard((enum log_level)level) != 0, level <= heard);
            assert_int_equal(length > 0, level <= heard);
            if (level <= heard)
                assert_non_null(strstr(text, names[level]));
        }
    }
}

static void errno_is_kept_and_percent_m_means_the_callers(void **state)
{
    char text[LINE_BYTES];
    struct capture c = capture_begin(STDERR_FILENO);
    int after, after_failure;

    (void)state;
    errno = ENOENT;
    log_event(LOG_LEVEL_INFO, "failed", "error=\"%m\"");
    after = errno;
    close(STDERR_FILENO);
    errno = ECHILD;
    log_event(LOG_LEVEL_INFO, "nobody-hears-this", "");
    after_failure = errno;
    capture_end(&c, text, sizeof(text));
    assert_int_equal(after, ENOENT);
    assert_int_equal(after_failure, ECHILD);
    assert_string_equal(text, HEAD "failed error=\"No such file or directory\"\n");
}

static void an_unquoted_control_character_does_not_begin_a_new_line(void **state)
{
    char text[LINE_BYTES];
    struct capture c = capture_begin(STDERR_FILENO);

    (void)state;
    log_event(LOG_LEVEL_INFO, "odd", "a=%s", "x\ny\x1b[31m\x7f\xc3\xa9");
    capture_end(&c, text, sizeof(text));
    assert_string_equal(text, HEAD "odd a=x?y?[31m?\xc3\xa9\n");
}

/* Logs a line that would have `size` bytes with its newline. Returns the length that it has. */
static size_t log_of_size(size_t size, char *text)
{
    char filler[2 * LINE_BYTES];
    struct capture c = capture_begin(STDERR_FILENO);

    memset(filler, 'f', sizeof(filler));
    filler[size - strlen(HEAD "e x=") - 1] = '\0';
    log_event(LOG_LEVEL_INFO, "e", "x=%s", filler);
    return capture_end(&c, text, 2 * LINE_BYTES);
}

static void a_line_of_2048_bytes_is_whole_and_a_longer_one_is_cut_to_it(void **state)
{
    static const size_t sizes[] = {LINE_BYTES - 1, LINE_BYTES,     LINE_BYTES + 1,
                                   LINE_BYTES + 2, LINE_BYTES + 3, LINE_BYTES + 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char text[2 * LINE_BYTES];
        size_t length = log_of_size(sizes[i], text);

        if (sizes[i] <= LINE_BYTES) {
            assert_int_equal(length, sizes[i]);
            assert_string_equal(text + length - 5, "ffff\n");
        } else {
            assert_int_equal(length, LINE_BYTES);
            assert_string_equal(text + length - 5, "f...\n");
        }
    }
}

static void a_cut_does_not_split_a_character(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        char filler[LINE_BYTES], text[2 * LINE_BYTES];
        struct capture c = capture_begin(STDERR_FILENO);
        size_t length;

        memset(filler, 'f', sizeof(filler));
        for (size_t at = shift; at + 4 < sizeof(filler); at += 4)
            memcpy(filler + at, "\xf0\x9f\x98\x80", 4);
        filler[sizeof(filler) - 1] = '\0';
        log_event(LOG_LEVEL_INFO, "e", "x=%s", filler);
        length = capture_end(&c, text, sizeof(text));
        assert_in_range(length, LINE_BYTES - 3, LINE_BYTES);
        assert_string_equal(text + length - 8, "\xf0\x9f\x98\x80...\n");
    }
}

static void a_line_is_written_at_once(void **state)
{
    int pair[2];
    struct capture c;
    char text[2 * LINE_BYTES];
    ssize_t got;

    (void)state;
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
    c = capture_begin_into(STDERR_FILENO, pair[1]);
    log_event(LOG_LEVEL_INFO, "e", "a=%d b=%d", 1, 2);
    capture_restore(&c);
    got = recv(pair[0], text, sizeof(text), MSG_DONTWAIT);
    assert_int_equal(got, strlen(HEAD "e a=1 b=2\n"));
    assert_int_equal(recv(pair[0], text, sizeof(text), MSG_DONTWAIT), -1);
    close(pair[0]);
    close(pair[1]);
}

enum { THREADS = 8, LINES = 400 };

static void *log_lines(void *argument)
{
    int thread = *(int *)argument;
    char filler[2 * LINE_BYTES];

    for (int n = 0; n < LINES; n++) {
        size_t size = (size_t)(n * 37 % 2500);

        memset(filler, 'a' + thread, size);
        filler[size] = '\0';
        log_each(LOG_LEVEL_INFO, "line", "thread=%d n=%d filler=%s", thread, n, filler);
    }
    return NULL;
}

static void *run_threads(void *argument)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];

    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        must(pthread_create(&threads[i], NULL, log_lines, &numbers[i]) == 0, "pthread_create");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close(STDERR_FILENO); /* so that the reader of the pipe gets its end */
    return argument;
}

/* Returns whether the line is complete and correct. `thread` and `n` get its thread and number. */
static bool line_is_right(const char *line, int *thread, int *n)
{
    char head[128], filler[2 * LINE_BYTES], expected[3 * LINE_BYTES];
    size_t size;

    if (sscanf(line, HEAD "line thread=%d n=%d", thread, n) != 2 || *thread < 0 ||
        *thread >= THREADS || *n < 0 || *n >= LINES)
        return false;
    size = (size_t)(*n * 37 % 2500);
    memset(filler, 'a' + *thread, size);
    filler[size] = '\0';
    snprintf(head, sizeof(head), HEAD "line thread=%d n=%d filler=", *thread, *n);
    snprintf(expected, sizeof(expected), "%s%s", head, filler);
    if (strlen(expected) > LINE_BYTES - 1)
        memcpy(expected + LINE_BYTES - 4, "...", 4);
    return strcmp(line, expected) == 0;
}

static void lines_of_eight_threads_do_not_mix_and_none_is_lost(void **state)
{
    static char line[LINE_BYTES + 16];
    static int seen[THREADS][LINES];
    int ends[2], wrong = 0, thread, n;
    pthread_t runner;
    struct capture c;
    FILE *reader;

    (void)state;
    must(pipe(ends) == 0, "pipe");
    reader = fdopen(ends[0], "r");
    c = capture_begin_into(STDERR_FILENO, ends[1]);
    close(ends[1]);
    must(pthread_create(&runner, NULL, run_threads, NULL) == 0, "pthread_create");
    while (fgets(line, sizeof(line), reader) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line_is_right(line, &thread, &n))
            seen[thread][n]++;
        else
            wrong++;
    }
    pthread_join(runner, NULL);
    capture_restore(&c);
    fclose(reader);
    assert_int_equal(wrong, 0);
    for (thread = 0; thread < THREADS; thread++) {
        for (n = 0; n < LINES; n++)
            assert_int_equal(seen[thread][n], 1);
    }
}

static void a_value_is_quoted_when_it_would_not_be_one_word(void **state)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"plain", "plain"},
        {"127.0.0.1:80/~!(x)'[]{}%", "127.0.0.1:80/~!(x)'[]{}%"},
        {"", "\"\""},
        {NULL, "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"x\"", "\"say \\\"x\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"a\nb\rc\td", "\"a\\nb\\rc\\td\""},
        {"\x01\x1f\x7f", "\"\\x01\\x1f\\x7f\""},
        {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xff\xfe", "\"\xff\xfe\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char buffer[64];

        assert_ptr_equal(log_quote(cases[i].text, buffer, sizeof(buffer)), buffer);
        assert_string_equal(buffer, cases[i].value);
    }
}

static void a_value_that_does_not_fit_is_cut_between_characters(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *value;
    } cases[] = {
        {"abcdefghi", 10, "abcdefghi"},
        {"abcdefghij", 10, "\"abcd...\""},
        {"abc d", 8, "\"abc d\""},
        {"abc d", 7, "\"a...\""},
        {"abcdef", 6, "\"...\""},
        {"abcdef", 5, ""},
        {"abcdef", 1, ""},
        {"a\n\n\n\n\n", 11, "\"a\\n\\n...\""},
        {"a\n\n\n\n\n", 10, "\"a\\n...\""},
        {"\x01\x01\x01", 15, "\"\\x01\\x01\\x01\""},
        {"\x01\x01\x01", 14, "\"\\x01\\x01...\""},
        {"\xc3\xa9\xc3\xa9\xc3\xa9", 8, "\"\xc3\xa9...\""},
        {"\xc3\xa9\xc3\xa9\xc3\xa9", 7, "\"...\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char buffer[32];

        memset(buffer, '#', sizeof(buffer));
        assert_string_equal(log_quote(cases[i].text, buffer, cases[i].size), cases[i].value);
        for (size_t at = cases[i].size; at < sizeof(buffer); at++)
            assert_int_equal(buffer[at], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_log_init_the_service_is_pathcount_and_the_level_is_info),
        cmocka_unit_test_setup(a_line_has_time_level_service_event_and_pairs, begin),
        cmocka_unit_test_setup(the_time_is_the_one_gmtime_gives_at_every_turn_of_month_and_year,
                               begin),
        cmocka_unit_test_setup(lines_of_the_set_level_and_more_severe_ones_are_logged, begin),
        cmocka_unit_test_setup(errno_is_kept_and_percent_m_means_the_callers, begin),
        cmocka_unit_test_setup(an_unquoted_control_character_does_not_begin_a_new_line, begin),
        cmocka_unit_test_setup(a_line_of_2048_bytes_is_whole_and_a_longer_one_is_cut_to_it, begin),
        cmocka_unit_test_setup(a_cut_does_not_split_a_character, begin),
        cmocka_unit_test_setup(a_line_is_written_at_once, begin),
        cmocka_unit_test_setup(lines_of_eight_threads_do_not_mix_and_none_is_lost, begin),
        cmocka_unit_test_setup(a_value_is_quoted_when_it_would_not_be_one_word, begin),
        cmocka_unit_test_setup(a_value_that_does_not_fit_is_cut_between_characters, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
