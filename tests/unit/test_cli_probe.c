/* The probe, against servers that answer, refuse, stall and close. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "server/ops/cli.h"
#include "server/ops/log.h"
#include "tests/unit/capture.h"

#define TIMEOUT_MS 250
/* The delay that a busy machine may add to a deadline. */
#define SLACK_MS 5000

/* A server that accepts one connection and answers its request. */
struct server {
    const char *answer;
    size_t first;    /* bytes of the answer that are sent at once */
    int interval_ms; /* between the other bytes; 0: all bytes are sent at once */
    bool stays_open; /* until the client closes the connection */
    int listener;
    uint16_t port;
    pthread_t thread;
    char request[1024];
};

static char err[4096];

static void read_request(struct server *s, int fd)
{
    size_t length = 0;

    while (strstr(s->request, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, s->request + length, sizeof(s->request) - 1 - length, 0);

        if (got <= 0)
            return;
        length += (size_t)got;
    }
}

static void *serve(void *argument)
{
    struct server *s = argument;
    int fd = accept(s->listener, NULL, NULL);
    size_t length = strlen(s->answer), sent = s->interval_ms == 0 ? length : s->first;
    char byte;

    if (fd < 0)
        return NULL;
    read_request(s, fd);
    (void)!send(fd, s->answer, sent, MSG_NOSIGNAL);
    for (; sent < length; sent++) {
        const struct timespec pause = {.tv_nsec = s->interval_ms * 1000000L};

        nanosleep(&pause, NULL);
        if (send(fd, s->answer + sent, 1, MSG_NOSIGNAL) != 1)
            break;
    }
    if (s->stays_open) {
        while (recv(fd, &byte, 1, 0) > 0)
            ;
    }
    close(fd);
    return NULL;
}

/* Listens on a free port of `host`. Returns -1 if the machine does not have this address. */
static int listen_on(struct server *s, const char *host, int backlog)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool is_v6 = inet_pton(AF_INET6, host, &v6.sin6_addr) == 1;
    struct sockaddr *address = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t size = is_v6 ? sizeof(v6) : sizeof(v4);

    must(is_v6 || inet_pton(AF_INET, host, &v4.sin_addr) == 1, host);
    s->listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0)
        return -1;
    if (bind(s->listener, address, size) != 0 || listen(s->listener, backlog) != 0 ||
        getsockname(s->listener, address, &size) != 0) {
        close(s->listener);
        return -1;
    }
    s->port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns the result of the probe. `err` gets its output, `took_ms` its duration. */
static int probe(const char *host, uint16_t port, int timeout_ms, int64_t *took_ms)
{
    struct config_address address = {.port = port};
    struct capture c;
    int64_t begin_ms;
    int result;

    snprintf(address.host, sizeof(address.host), "%s", host);
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    c = capture_begin(STDERR_FILENO);
    begin_ms = now_ms();
    result = cli_probe(&address, timeout_ms);
    *took_ms = now_ms() - begin_ms;
    capture_end(&c, err, sizeof(err));
    return result;
}

/* Waits for the end of the server. The shutdown ends its accept if there was no connection. */
static void stop(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static int probe_server(struct server *s, int timeout_ms, int64_t *took_ms)
{
    int result;

    must(listen_on(s, "127.0.0.1", 16) == 0, "listen");
    must(pthread_create(&s->thread, NULL, serve, s) == 0, "pthread_create");
    result = probe("127.0.0.1", s->port, timeout_ms, took_ms);
    stop(s);
    return result;
}

/* Checks that `err` is one line about the failed probe of `host`, with this end. */
static void assert_said(const char *host, uint16_t port, const char *end)
{
    char expected[256];

    snprintf(expected, sizeof(expected),
             " level=error service=test event=probe-failed address=%s:%u %s\n", host, port, end);
    assert_ptr_equal(strchr(err, '\n'), err + strlen(err) - 1);
    assert_true(strlen(err) > strlen(expected));
    assert_string_equal(err + strlen(err) - strlen(expected), expected);
}

static void status_200_is_0_without_output(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nwell",
        "HTTP/1.1 200 \r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        for (int stays_open = 0; stays_open < 2; stays_open++) {
            struct server s = {.answer = answers[i], .stays_open = stays_open};
            int64_t took_ms;

            assert_int_equal(probe_server(&s, 10000, &took_ms), 0);
            assert_string_equal(err, "");
            assert_in_range(took_ms, 0, SLACK_MS);
        }
    }
}

static void the_question_is_a_get_of_live_that_asks_to_close(void **state)
{
    struct server s = {.answer = "HTTP/1.1 200 OK\r\n\r\n"};
    char expected[256];
    int64_t took_ms;

    (void)state;
    assert_int_equal(probe_server(&s, 10000, &took_ms), 0);
    snprintf(expected, sizeof(expected),
             "GET /live HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n", s.port);
    assert_string_equal(s.request, expected);
}

static void any_other_answer_is_1_with_the_reason(void **state)
{
    static const struct {
        const char *answer, *said;
    } cases[] = {
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n", "status=503"},
        {"HTTP/1.1 404 Not Found\r\n\r\n", "status=404"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "status=204"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "error=\"not an HTTP answer\""},
        {"HTTP/1.1 20 OK\r\n\r\n", "error=\"not an HTTP answer\""},
        {"HTTP/1.1200 OK\r\n\r\n", "error=\"not an HTTP answer\""},
        {"HTTP/1.1x200 OK\r\n\r\n", "error=\"not an HTTP answer\""},
        {"HTTP/1.x 200 OK\r\n\r\n", "error=\"not an HTTP answer\""},
        {"HTTP/2 200 OK\r\n\r\n", "error=\"not an HTTP answer\""},
        {"SSH-2.0-OpenSSH_9.2\r\n", "error=\"not an HTTP answer\""},
        {"\r\n", "error=\"not an HTTP answer\""},
        {"HTTP/1.1 200 OK", "error=\"closed without an answer\""},
        {"", "error=\"closed without an answer\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server s = {.answer = cases[i].answer};
        int64_t took_ms;

        assert_int_equal(probe_server(&s, 10000, &took_ms), 1);
        assert_said("127.0.0.1", s.port, cases[i].said);
    }
}

static void a_long_answer_without_a_status_line_is_1(void **state)
{
    static char answer[100000];
    struct server s = {.answer = answer};
    int64_t took_ms;

    (void)state;
    memset(answer, 'x', sizeof(answer) - 1);
    assert_int_equal(probe_server(&s, 10000, &took_ms), 1);
    assert_said("127.0.0.1", s.port, "error=\"not an HTTP answer\"");
}

static void a_refused_connection_is_1_at_once(void **state)
{
    struct server s = {0};
    int64_t took_ms;

    (void)state;
    must(listen_on(&s, "127.0.0.1", 1) == 0, "listen");
    close(s.listener);
    assert_int_equal(probe("127.0.0.1", s.port, 60000, &took_ms), 1);
    assert_said("127.0.0.1", s.port,
                "during=connect timeout_ms=60000 error=\"Connection refused\"");
    assert_in_range(took_ms, 0, SLACK_MS);
}

static void a_server_that_never_answers_is_1_at_the_deadline(void **state)
{
    struct server s = {.answer = "", .stays_open = true};
    int64_t took_ms;

    (void)state;
    assert_int_equal(probe_server(&s, TIMEOUT_MS, &took_ms), 1);
    assert_said("127.0.0.1", s.port,
                "during=receive timeout_ms=250 error=\"Connection timed out\"");
    assert_in_range(took_ms, TIMEOUT_MS - 1, TIMEOUT_MS + SLACK_MS);
}

/* A byte every 20 ms for 20 s: each wait is short, but their sum exceeds the deadline. */
static void a_server_that_drips_is_1_at_the_deadline(void **state)
{
    char answer[1000] = "HTTP/1.1 200 OK";
    struct server s = {.answer = answer, .first = 9, .interval_ms = 20};
    int64_t took_ms;

    (void)state;
    memset(answer + strlen(answer), 'x', sizeof(answer) - 1 - strlen(answer));
    assert_int_equal(probe_server(&s, TIMEOUT_MS, &took_ms), 1);
    assert_said("127.0.0.1", s.port,
                "during=receive timeout_ms=250 error=\"Connection timed out\"");
    assert_in_range(took_ms, TIMEOUT_MS - 1, TIMEOUT_MS + SLACK_MS);
}

/* A listener whose queue is full leaves further connections unanswered. */
static void a_connection_that_is_never_made_is_1_at_the_deadline(void **state)
{
    struct server s = {0};
    struct sockaddr_in to = {.sin_family = AF_INET};
    int waiting[8];
    int64_t took_ms;

    (void)state;
    must(listen_on(&s, "127.0.0.1", 0) == 0, "listen");
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(s.port);
    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&to, sizeof(to));
    }
    assert_int_equal(probe("127.0.0.1", s.port, TIMEOUT_MS, &took_ms), 1);
    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++)
        close(waiting[i]);
    close(s.listener);
    assert_said("127.0.0.1", s.port,
                "during=connect timeout_ms=250 error=\"Connection timed out\"");
    assert_in_range(took_ms, TIMEOUT_MS - 1, TIMEOUT_MS + SLACK_MS);
}

static void any_address_is_probed_on_loopback(void **state)
{
    static const struct {
        const char *any, *loopback, *asked;
    } cases[] = {
        {"0.0.0.0", "127.0.0.1", "127.0.0.1"},
        {"::", "::1", "[::1]"},
        {"0:0::0", "::1", "[::1]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server s = {.answer = "HTTP/1.1 200 OK\r\n\r\n"};
        char host[80];
        int64_t took_ms;
        int result;

        if (listen_on(&s, cases[i].loopback, 16) != 0) { /* this machine has no IPv6 */
            assert_int_equal(probe(cases[i].any, 1, 10000, &took_ms), 1);
            assert_non_null(strstr(err, " address=[::1]:1 "));
            continue;
        }
        must(pthread_create(&s.thread, NULL, serve, &s) == 0, "pthread_create");
        result = probe(cases[i].any, s.port, 10000, &took_ms);
        stop(&s);
        assert_int_equal(result, 0);
        snprintf(host, sizeof(host), "\r\nHost: %s:%u\r\n", cases[i].asked, s.port);
        assert_non_null(strstr(s.request, host));
    }
}

static void an_invalid_address_or_port_is_1(void **state)
{
    int64_t took_ms;

    (void)state;
    assert_int_equal(probe("127.0.0.1", 0, 10000, &took_ms), 1);
    assert_said("127.0.0.1", 0,
                "error=\"port 0 is picked by the kernel, it cannot be known here\"");
    assert_int_equal(probe("localhost", 80, 10000, &took_ms), 1);
    assert_non_null(strstr(err, " address=localhost error=\"not an address\"\n"));
    assert_int_equal(probe("::zz", 80, 10000, &took_ms), 1);
    assert_non_null(strstr(err, " address=::zz error=\"not an address\"\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_200_is_0_without_output),
        cmocka_unit_test(the_question_is_a_get_of_live_that_asks_to_close),
        cmocka_unit_test(any_other_answer_is_1_with_the_reason),
        cmocka_unit_test(a_long_answer_without_a_status_line_is_1),
        cmocka_unit_test(a_refused_connection_is_1_at_once),
        cmocka_unit_test(a_server_that_never_answers_is_1_at_the_deadline),
        cmocka_unit_test(a_server_that_drips_is_1_at_the_deadline),
        cmocka_unit_test(a_connection_that_is_never_made_is_1_at_the_deadline),
        cmocka_unit_test(any_address_is_probed_on_loopback),
        cmocka_unit_test(an_invalid_address_or_port_is_1),
    };

    alarm(120); /* a probe that never returns must fail, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
