/* Tests of the HTTP client: its loop, a server on loopback that sends any bytes, and calls to it.
 *
 * The test is the server, in the same thread: between two turns of the client's loop it reads and
 * writes the server's sockets. So there are no races, and every wait has a deadline. */
#ifndef TESTS_UNIT_HTTP_FIXTURE_H
#define TESTS_UNIT_HTTP_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/api.h"
#include "render-svc/count/http_client.h"
#include "render-svc/count/render_metrics.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The deadline of every wait. */
#define TIMEOUT_MS 10000
/* Longer than any test. */
#define NEVER_MS 3600000
/* How long a test waits to see that nothing happens. */
#define WATCH_MS    20
#define DEADLINE_MS 60

/* In answers, `$` stands for the request's id. */
static const struct trace TRACE = {"4bf92f3577b34da6a3ce929d0e0e4736", true};

#define OK_HEAD "HTTP/1.1 200 OK\r\nX-Request-Id: $\r\nContent-Length: "
#define GOOD    OK_HEAD "5\r\n\r\nhello"

#define MALFORMED     "the answer is malformed"
#define NO_LENGTH     "the answer has no proper length"
#define NO_ID         "the answer does not say which request it is to"
#define OTHER_ID      "the answer is to another request"
#define ENCODED       "the answer has a transfer encoding"
#define CUT           "the connection was closed before the answer was whole"
#define NOT_IN_TIME   "no answer in time"
#define NOT_ACCEPTING "the address does not accept"

struct server {
    int listener;
    struct http_address address;
};

/* One call, and the server's end of its connection. */
struct exchange {
    struct http_call *call;
    int fd;
    char request[1024];
    char id[17];
    bool accepts; /* what the callback returns */
    const void *to_send;
    size_t to_send_len;
    unsigned encoded;       /* how often the body was encoded */
    enum encoding encoding; /* of the body */
    /* what its callback received */
    unsigned answers;
    struct http_answer answer;
    char body[64]; /* its beginning */
    bool body_is_whole;
};

static struct render_metrics metrics;
static struct worker worker = {.metrics = &metrics.service};
static struct http_settings settings;
static struct http_client *client;
static struct server server;

/* --- the loop --- */

static inline void turn(void)
{
    h2o_evloop_run(worker.loop, 1);
}

static inline void turn_for(uint64_t ms)
{
    for (uint64_t end_ms = monotonic_ms() + ms; monotonic_ms() < end_ms;)
        turn();
}

#define turn_until(condition)                                                                      \
    do {                                                                                           \
        uint64_t end_ms_ = monotonic_ms() + TIMEOUT_MS;                                            \
        while (!(condition)) {                                                                     \
            if (monotonic_ms() > end_ms_)                                                          \
                fail_msg("not within the deadline: %s", #condition);                               \
            turn();                                                                                \
        }                                                                                          \
    } while (0)

/* --- the server --- */

static inline struct server listen_with(int backlog)
{
    struct server s = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(s.listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(s.listener, backlog), 0);
    assert_int_equal(getsockname(s.listener, (struct sockaddr *)&address, &len), 0);
    http_address_set(&s.address, "127.0.0.1", ntohs(address.sin_port));
    return s;
}

static inline bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static inline int accept_from(const struct server *s)
{
    int fd;

    turn_until(is_readable(s->listener));
    fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Reads the head of a request, and bytes of the body that came with it. */
static inline void read_request(struct exchange *e)
{
    size_t len = 0;
    const char *id;

    memset(e->request, 0, sizeof(e->request));
    while (strstr(e->request, "\r\n\r\n") == NULL) {
        ssize_t got;
        turn_until(is_readable(e->fd));
        got = recv(e->fd, e->request + len, sizeof(e->request) - 1 - len, MSG_DONTWAIT);
        assert_true(got > 0);
        len += (size_t)got;
    }
    id = strstr(e->request, "\r\nx-request-id: ");
    assert_non_null(id);
    assert_int_equal(strspn(id + 16, "0123456789abcdef"), 16);
    memcpy(e->id, id + 16, 16);
}

static inline void say_bytes(const struct exchange *e, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(e->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0) {
            assert_true(errno == EAGAIN);
            turn();
            continue;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
}

static inline struct buffer with_id(const struct exchange *e, const char *text)
{
    struct buffer out = {0};

    buffer_reserve(&out, 1);
    for (const char *dollar; (dollar = strchr(text, '$')) != NULL; text = dollar + 1) {
        buffer_add(&out, text, (size_t)(dollar - text));
        buffer_add(&out, e->id, 16);
    }
    buffer_add_string(&out, text);
    return out;
}

static inline void say(const struct exchange *e, const char *text)
{
    struct buffer bytes = with_id(e, text);

    say_bytes(e, bytes.bytes, bytes.len);
    buffer_free(&bytes);
}

/* Reads all bytes that have arrived. Returns whether the client has closed the connection. */
static inline bool has_closed(int fd)
{
    static char rest[65536];
    ssize_t got;

    while ((got = recv(fd, rest, sizeof(rest), MSG_DONTWAIT)) > 0)
        ;
    return got == 0 || errno != EAGAIN;
}

static inline void assert_closed(int fd)
{
    turn_until(has_closed(fd));
    close(fd);
}

static inline void assert_stays_open(int fd)
{
    turn_for(WATCH_MS);
    assert_false(has_closed(fd));
}

/* --- calls --- */

static inline bool on_answer(void *data, const struct http_answer *answer)
{
    struct exchange *e = data;

    ++e->answers;
    e->answer = *answer;
    if (answer->outcome == HTTP_ANSWERED) {
        assert_null(answer->reason);
        assert_in_range(answer->status, 200, 599);
        e->body_is_whole = answer->len < sizeof(e->body);
        memcpy(e->body, answer->body, e->body_is_whole ? answer->len : sizeof(e->body));
    } else {
        assert_non_null(answer->reason);
    }
    return e->accepts;
}

static inline void encode(void *data, enum encoding encoding, struct buffer *to)
{
    struct exchange *e = data;

    ++e->encoded;
    e->encoding = encoding;
    buffer_add(to, e->to_send, e->to_send_len);
}

/* Starts a call, and checks that its callback does not run within http_call. */
static inline void call_with(struct exchange *e, const struct http_address *address,
                             const char *method, const void *body, size_t len)
{
    *e = (struct exchange){.fd = -1, .accepts = true, .to_send = body, .to_send_len = len};
    e->call = http_call(
        client, address,
        &(struct http_request){method, "/v1/x?y=z", body != NULL ? encode : NULL, e, &TRACE},
        on_answer, e);
    assert_non_null(e->call);
    assert_int_equal(e->answers, 0);
    assert_int_equal(e->encoded, body != NULL);
}

static inline void call(struct exchange *e)
{
    call_with(e, &server.address, "GET", NULL, 0);
}

/* Starts a call on a new connection, and reads its request. */
static inline void call_and_read(struct exchange *e)
{
    call(e);
    e->fd = accept_from(&server);
    read_request(e);
}

/* The same on the idle connection `fd`. */
static inline void call_again(struct exchange *e, int fd)
{
    call(e);
    turn(); /* so that libh2o notes that the request was written */
    e->fd = fd;
    read_request(e);
    assert_false(is_readable(server.listener));
}

/* The same on a new connection, with another callback. */
static inline void call_with_callback(struct exchange *e, http_callback callback)
{
    *e = (struct exchange){.accepts = true};
    e->call = http_call(client, &server.address,
                        &(struct http_request){.method = "GET", .target = "/", .trace = &TRACE},
                        callback, e);
    e->fd = accept_from(&server);
    read_request(e);
}

static inline void assert_answered(struct exchange *e, int status, const char *body)
{
    turn_until(e->answers > 0);
    if (e->answer.outcome != HTTP_ANSWERED)
        fail_msg("not answered: %s", e->answer.reason);
    assert_int_equal(e->answer.status, status);
    assert_int_equal(e->answer.len, strlen(body));
    assert_true(e->body_is_whole);
    assert_string_equal(e->body, body);
    assert_int_equal(e->answers, 1);
}

static inline void assert_failed(struct exchange *e, enum http_outcome outcome, const char *reason)
{
    turn_until(e->answers > 0);
    assert_int_equal(e->answer.outcome, outcome);
    assert_string_equal(e->answer.reason, reason);
    turn();
    assert_int_equal(e->answers, 1);
}

/* Makes a call that is answered. Its connection is idle afterwards. Returns the server's socket. */
static inline int good_exchange(void)
{
    struct exchange e;

    call_and_read(&e);
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    return e.fd;
}

static inline int set_up(void **state)
{
    (void)state;
    if (worker.loop == NULL)
        worker.loop = h2o_evloop_create();
    if (timers_init(&worker.timers, worker.loop) != 0)
        return -1;
    settings = (struct http_settings){"s3cret", TIMEOUT_MS, TIMEOUT_MS, NEVER_MS};
    client = http_client_create(&worker, &settings);
    server = listen_with(64);
    return 0;
}

/* Replaces the client by one with other durations. */
static inline void set_times(uint64_t connect_ms, uint64_t deadline_ms, uint64_t max_idle_ms)
{
    http_client_destroy(client);
    settings.connect_ms = connect_ms;
    settings.deadline_ms = deadline_ms;
    settings.max_idle_ms = max_idle_ms;
    client = http_client_create(&worker, &settings);
}

static inline int tear_down(void **state)
{
    (void)state;
    http_client_destroy(client);
    client = NULL;
    timers_fini(&worker.timers);
    close(server.listener);
    turn(); /* frees the sockets */
    return 0;
}

#define client_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
