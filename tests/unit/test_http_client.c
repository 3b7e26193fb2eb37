/* The HTTP client against a server that says anything, on loopback.
 *
 * The server's sockets are the test's own, in the same thread: between two turns of the client's
 * loop it sees what has arrived and says what it wants. So nothing is raced, and every wait has an
 * end. */
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
#include "render-svc/http_client.h"
#include "render-svc/render_metrics.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* When a test gives up. */
#define PATIENCE_MS 10000
/* Longer than any test. */
#define NEVER_MS 3600000
/* How long to look for what must not happen. */
#define WATCH_MS    20
#define DEADLINE_MS 60

/* `$` becomes the request's id. */
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
    bool believes; /* what the callback returns */
    const void *to_send;
    size_t to_send_len;
    unsigned encoded;       /* how often the body was asked for, */
    enum encoding encoding; /* and in which encoding */
    /* what it was told */
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

static void turn(void)
{
    h2o_evloop_run(worker.loop, 1);
}

static void turn_for(uint64_t ms)
{
    for (uint64_t end_ms = monotonic_ms() + ms; monotonic_ms() < end_ms;)
        turn();
}

#define turn_until(condition)                                                                      \
    do {                                                                                           \
        uint64_t end_ms_ = monotonic_ms() + PATIENCE_MS;                                           \
        while (!(condition)) {                                                                     \
            if (monotonic_ms() > end_ms_)                                                          \
                fail_msg("in vain waited for: %s", #condition);                                    \
            turn();                                                                                \
        }                                                                                          \
    } while (0)

/* --- the server --- */

static struct server listen_with(int backlog)
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

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static int accept_from(const struct server *s)
{
    int fd;

    turn_until(is_readable(s->listener));
    fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Reads the head of a request, and what has come with it. */
static void read_request(struct exchange *e)
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

static void say_bytes(const struct exchange *e, const char *bytes, size_t len)
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

static struct buffer with_id(const struct exchange *e, const char *text)
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

static void say(const struct exchange *e, const char *text)
{
    struct buffer bytes = with_id(e, text);

    say_bytes(e, bytes.bytes, bytes.len);
    buffer_free(&bytes);
}

/* Whether the client has closed its end, once all it has sent is read. */
static bool has_closed(int fd)
{
    static char rest[65536];
    ssize_t got;

    while ((got = recv(fd, rest, sizeof(rest), MSG_DONTWAIT)) > 0)
        ;
    return got == 0 || errno != EAGAIN;
}

static void assert_closed(int fd)
{
    turn_until(has_closed(fd));
    close(fd);
}

static void assert_stays_open(int fd)
{
    turn_for(WATCH_MS);
    assert_false(has_closed(fd));
}

/* --- calls --- */

static bool on_answer(void *data, const struct http_answer *answer)
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
    return e->believes;
}

static void encode(void *data, enum encoding encoding, struct buffer *to)
{
    struct exchange *e = data;

    ++e->encoded;
    e->encoding = encoding;
    buffer_add(to, e->to_send, e->to_send_len);
}

/* Begins a call; its callback has not run when it returns. */
static void call_with(struct exchange *e, const struct http_address *address, const char *method,
                      const void *body, size_t len)
{
    *e = (struct exchange){.fd = -1, .believes = true, .to_send = body, .to_send_len = len};
    e->call = http_call(client, address, method, "/v1/x?y=z", body != NULL ? encode : NULL, &TRACE,
                        on_answer, e);
    assert_non_null(e->call);
    assert_int_equal(e->answers, 0);
    assert_int_equal(e->encoded, body != NULL);
}

static void call(struct exchange *e)
{
    call_with(e, &server.address, "GET", NULL, 0);
}

/* A call of which the server has the request, on a new connection. */
static void call_and_read(struct exchange *e)
{
    call(e);
    e->fd = accept_from(&server);
    read_request(e);
}

/* The same on the connection of one before. */
static void call_again(struct exchange *e, int fd)
{
    call(e);
    turn(); /* in which the loop, whose callbacks call otherwise, notes that it was written */
    e->fd = fd;
    read_request(e);
    assert_false(is_readable(server.listener));
}

static void assert_answered(struct exchange *e, int status, const char *body)
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

static void assert_failed(struct exchange *e, enum http_outcome outcome, const char *reason)
{
    turn_until(e->answers > 0);
    assert_int_equal(e->answer.outcome, outcome);
    assert_string_equal(e->answer.reason, reason);
    turn();
    assert_int_equal(e->answers, 1);
}

/* A whole good exchange; its connection is idle then. */
static int good_exchange(void)
{
    struct exchange e;

    call_and_read(&e);
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    return e.fd;
}

static int set_up(void **state)
{
    (void)state;
    if (worker.loop == NULL)
        worker.loop = h2o_evloop_create();
    if (timers_init(&worker.timers, worker.loop) != 0)
        return -1;
    settings = (struct http_settings){"s3cret", PATIENCE_MS, PATIENCE_MS, NEVER_MS};
    client = http_client_create(&worker, &settings);
    server = listen_with(64);
    return 0;
}

/* Makes the client anew with other durations. */
static void set_times(uint64_t connect_ms, uint64_t deadline_ms, uint64_t max_idle_ms)
{
    http_client_destroy(client);
    settings.connect_ms = connect_ms;
    settings.deadline_ms = deadline_ms;
    settings.max_idle_ms = max_idle_ms;
    client = http_client_create(&worker, &settings);
}

static int tear_down(void **state)
{
    (void)state;
    http_client_destroy(client);
    client = NULL;
    timers_fini(&worker.timers);
    close(server.listener);
    turn(); /* frees the sockets */
    return 0;
}

/* --- requests --- */

static void a_get_is_written_as_the_contract_says(void **state)
{
    struct exchange e;
    char expected[512];

    (void)state;
    call_and_read(&e);
    snprintf(expected, sizeof(expected),
             "GET /v1/x?y=z HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer s3cret\r\n"
             "x-request-id: %s\r\ntraceparent: 00-%s-%s-01\r\n\r\n",
             server.address.host, e.id, TRACE.id, e.id);
    assert_string_equal(e.request, expected);
    close(e.fd);
}

static void a_body_has_its_type_and_its_length(void **state)
{
    static const struct {
        const char *body;
        size_t len;
    } bodies[] = {{"{\"a\":1}", 7}, {"", 0}, {"a\0b", 3}};

    (void)state;
    for (size_t i = 0; i < SIZE(bodies); i++) {
        struct exchange e;
        char copy[16], expected[512], *end;

        memcpy(copy, bodies[i].body, bodies[i].len);
        call_with(&e, &server.address, "POST", copy, bodies[i].len);
        memset(copy, 'x', sizeof(copy)); /* it was copied */
        e.fd = accept_from(&server);
        read_request(&e);
        snprintf(expected, sizeof(expected),
                 "POST /v1/x?y=z HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer s3cret\r\n"
                 "x-request-id: %s\r\ntraceparent: 00-%s-%s-01\r\n"
                 "accept: application/vnd.msgpack, application/json\r\n"
                 "content-type: application/json\r\ncontent-length: %zu\r\n\r\n",
                 server.address.host, e.id, TRACE.id, e.id, bodies[i].len);
        end = strstr(e.request, "\r\n\r\n") + 4;
        assert_memory_equal(end, bodies[i].body, bodies[i].len);
        *end = '\0';
        assert_string_equal(e.request, expected);
        say(&e, GOOD);
        assert_answered(&e, 200, "hello");
        http_client_destroy(client);
        client = http_client_create(&worker, &settings);
        assert_closed(e.fd);
    }
}

static void a_post_without_a_body_says_so(void **state)
{
    struct exchange e;
    char expected[512];

    (void)state;
    call_with(&e, &server.address, "POST", NULL, 0);
    e.fd = accept_from(&server);
    read_request(&e);
    snprintf(expected, sizeof(expected),
             "POST /v1/x?y=z HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer s3cret\r\n"
             "x-request-id: %s\r\ntraceparent: 00-%s-%s-01\r\ncontent-length: 0\r\n\r\n",
             server.address.host, e.id, TRACE.id, e.id);
    assert_string_equal(e.request, expected);
    close(e.fd);
}

static void a_large_body_arrives_whole(void **state)
{
    enum { BYTES = 8 * 1024 * 1024 };
    char *body = malloc(BYTES), *found = malloc(BYTES);
    struct exchange e;
    size_t got_in_all;

    (void)state;
    for (size_t i = 0; i < BYTES; i++)
        body[i] = (char)(i * 31 % 127 + 1);
    call_with(&e, &server.address, "POST", body, BYTES);
    e.fd = accept_from(&server);
    read_request(&e);
    got_in_all = strlen(strstr(e.request, "\r\n\r\n") + 4);
    memcpy(found, strstr(e.request, "\r\n\r\n") + 4, got_in_all);
    while (got_in_all < BYTES) {
        ssize_t got;
        turn_until(is_readable(e.fd));
        got = recv(e.fd, found + got_in_all, BYTES - got_in_all, MSG_DONTWAIT);
        assert_true(got > 0);
        got_in_all += (size_t)got;
    }
    assert_memory_equal(found, body, BYTES);
    turn();
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    assert_stays_open(e.fd);
    close(e.fd);
    free(body);
    free(found);
}

static void every_request_has_an_id_of_its_own(void **state)
{
    char ids[10][17];
    int fd = -1;

    (void)state;
    for (size_t i = 0; i < SIZE(ids); i++) {
        struct exchange e;

        if (i == 5) { /* nor does another client have one of them */
            set_times(PATIENCE_MS, PATIENCE_MS, PATIENCE_MS);
            assert_closed(fd);
        }
        if (i % 5 == 0)
            call_and_read(&e);
        else
            call_again(&e, fd);
        fd = e.fd;
        memcpy(ids[i], e.id, sizeof(e.id));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
        say(&e, GOOD);
        assert_answered(&e, 200, "hello");
    }
    close(fd);
}

/* --- encodings --- */

#define OFFER    "Accept-Post: application/vnd.msgpack, application/json\r\n"
#define EMPTY    OK_HEAD "0\r\n"
#define OFFERING EMPTY OFFER "\r\n"

/* Sends a body on a connection that is there (`fd`) or a new one (-1), in this encoding as it must turn out,
 * and has it answered. Returns the connection. */
static int post(int fd, enum encoding expected, const char *answer)
{
    static const char *const types[] = {"\r\ncontent-type: application/json\r\n",
                                        "\r\ncontent-type: application/vnd.msgpack\r\n"};
    struct exchange e;

    call_with(&e, &server.address, "POST", "body", 4);
    if (fd < 0) {
        fd = accept_from(&server);
    } else {
        turn();
        assert_false(is_readable(server.listener));
    }
    e.fd = fd;
    read_request(&e);
    assert_int_equal(e.encoding, expected);
    assert_non_null(strstr(e.request, types[expected]));
    assert_null(strstr(e.request, types[!expected]));
    assert_string_equal(strstr(e.request, "\r\n\r\n"), "\r\n\r\nbody");
    say(&e, answer);
    turn_until(e.answers > 0);
    assert_int_equal(e.answer.outcome, HTTP_ANSWERED);
    return fd;
}

static void messagepack_is_sent_once_the_connection_has_offered_to_read_it(void **state)
{
    static const char *const offers[] = {
        OFFERING,
        EMPTY "accept-post: application/json , Application/Vnd.Msgpack\r\n\r\n",
        EMPTY "Accept-Post: application/json\r\n" OFFER "\r\n",
        "HTTP/1.1 503 No\r\nX-Request-Id: $\r\nContent-Length: 0\r\n" OFFER "\r\n",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(offers); i++) {
        int fd = post(-1, ENCODING_JSON, offers[i]);

        fd = post(fd, ENCODING_MSGPACK, offers[i]);
        fd = post(fd, ENCODING_MSGPACK, offers[i]);
        set_times(PATIENCE_MS, PATIENCE_MS, PATIENCE_MS);
        assert_closed(fd);
    }
}

static void a_get_that_is_answered_with_the_offer_will_do(void **state)
{
    struct exchange e;

    (void)state;
    call_and_read(&e);
    say(&e, OFFERING);
    assert_answered(&e, 200, "");
    close(post(e.fd, ENCODING_MSGPACK, OFFERING));
}

static void without_the_offer_json_is_sent(void **state)
{
    static const char *const answers[] = {
        EMPTY "\r\n",
        EMPTY "Accept-Post: application/json\r\n\r\n",
        EMPTY "Accept-Post: */*\r\n\r\n",
        EMPTY "Accept-Post: application/vnd.msgpack;q=0\r\n\r\n",
        EMPTY "Accept: application/vnd.msgpack\r\n\r\n",
        EMPTY "Content-Type: application/vnd.msgpack\r\n\r\n",
    };
    int fd = -1;

    (void)state;
    for (size_t i = 0; i < SIZE(answers); i++)
        fd = post(fd, ENCODING_JSON, answers[i]);
    close(post(fd, ENCODING_JSON, EMPTY "\r\n"));
}

static void the_last_answer_of_a_connection_is_what_counts(void **state)
{
    int fd;

    (void)state;
    fd = post(-1, ENCODING_JSON, OFFERING);
    fd = post(fd, ENCODING_MSGPACK, EMPTY "\r\n");
    fd = post(fd, ENCODING_JSON, OFFERING);
    close(post(fd, ENCODING_MSGPACK, OFFERING));
}

/* An earlier version, which reads nothing but JSON, may have come to the same address. */
static void a_new_connection_to_the_same_address_begins_with_json(void **state)
{
    struct exchange held;
    int fd, other;

    (void)state;
    fd = post(post(-1, ENCODING_JSON, OFFERING), ENCODING_MSGPACK, OFFERING);
    call_with(&held, &server.address, "POST", "body", 4); /* another is needed meanwhile */
    assert_int_equal(held.encoding, ENCODING_MSGPACK);
    other = post(-1, ENCODING_JSON, EMPTY "\r\n");
    other = post(other, ENCODING_JSON, EMPTY "\r\n");
    held.fd = fd;
    read_request(&held);
    say(&held, OFFERING);
    turn_until(held.answers > 0);
    fd = post(fd, ENCODING_MSGPACK, OFFERING); /* each goes by its own answers */
    close(fd);
    close(other);
    turn_until(metrics.counter_connections == 0);
    fd = post(-1, ENCODING_JSON, OFFERING);
    close(fd);
}

static void the_encoding_of_an_answer_is_that_of_its_content_type(void **state)
{
    static const struct {
        const char *header;
        enum encoding encoding;
    } cases[] = {
        {"", ENCODING_JSON},
        {"Content-Type: application/json\r\n", ENCODING_JSON},
        {"Content-Type: application/problem+json\r\n", ENCODING_JSON},
        {"Content-Type: application/vnd.msgpack\r\n", ENCODING_MSGPACK},
        {"content-type:APPLICATION/VND.MSGPACK; v=1\r\n", ENCODING_MSGPACK},
        {OFFER, ENCODING_JSON},
    };
    int fd = good_exchange();

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct exchange e;

        call_again(&e, fd);
        say(&e, EMPTY);
        say(&e, cases[i].header);
        say(&e, "\r\n");
        assert_answered(&e, 200, "");
        assert_int_equal(e.answer.encoding, cases[i].encoding);
    }
    close(fd);
}

/* --- good answers --- */

static void a_connection_with_a_good_answer_is_used_again(void **state)
{
    int fd = good_exchange();

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct exchange e;

        call_again(&e, fd);
        say(&e, GOOD);
        assert_answered(&e, 200, "hello");
    }
    assert_stays_open(fd);
    close(fd);
}

static void any_whole_answer_to_the_request_is_handed_on(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *body;
    } cases[] = {
        {OK_HEAD "0\r\n\r\n", 200, ""},
        {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nx-request-id: $\r\n\r\nx", 200, "x"},
        {"HTTP/1.1 200 OK\r\nCONTENT-LENGTH:1\r\nX-REQUEST-ID:$\r\nDate: now\r\n\r\nx", 200, "x"},
        {"HTTP/1.1 409 Conflict\r\nX-Request-Id: $\r\nContent-Length: 2\r\n\r\n{}", 409, "{}"},
        {"HTTP/1.1 422 \r\nX-Request-Id: $\r\nContent-Length: 0\r\n\r\n", 422, ""},
        {"HTTP/1.1 503 No\r\nX-Request-Id: $\r\nContent-Length: 0\r\n\r\n", 503, ""},
        {"HTTP/1.1 599 No\r\nX-Request-Id: $\r\nContent-Length: 0\r\n\r\n", 599, ""},
        {"HTTP/1.1 200 OK\nX-Request-Id: $\nContent-Length: 1\n\nx", 200, "x"},
        {OK_HEAD "1\r\nConnection: keep-alive\r\n\r\nx", 200, "x"},
    };
    int fd = good_exchange();

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct exchange e;

        call_again(&e, fd);
        say(&e, cases[i].text);
        assert_answered(&e, cases[i].status, cases[i].body);
    }
    close(fd);
}

static void an_answer_can_come_byte_by_byte(void **state)
{
    struct exchange e;
    struct buffer bytes;

    (void)state;
    call_and_read(&e);
    bytes = with_id(&e, GOOD);
    for (size_t i = 0; i < bytes.len; i++) {
        assert_int_equal(e.answers, 0);
        say_bytes(&e, bytes.bytes + i, 1);
        turn();
    }
    assert_answered(&e, 200, "hello");
    assert_stays_open(e.fd);
    buffer_free(&bytes);
    close(e.fd);
}

static void two_calls_at_once_have_two_connections_and_the_last_used_is_used_next(void **state)
{
    struct exchange one, other, next;

    (void)state;
    call_and_read(&one);
    call_and_read(&other);
    say(&other, OK_HEAD "5\r\n\r\nother");
    assert_answered(&other, 200, "other");
    say(&one, OK_HEAD "3\r\n\r\none");
    assert_answered(&one, 200, "one");
    call_again(&next, one.fd);
    assert_false(is_readable(other.fd));
    close(one.fd);
    close(other.fd);
}

static void a_connection_is_not_used_for_another_address(void **state)
{
    int fd = good_exchange();
    struct server first = server;
    struct exchange e;

    (void)state;
    server = listen_with(8);
    call_and_read(&e);
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    assert_stays_open(fd);
    close(first.listener);
    close(e.fd);
    close(fd);
}

static void a_connection_is_closed_after_the_answer_that_says_so(void **state)
{
    static const char *const texts[] = {
        OK_HEAD "5\r\nConnection: close\r\n\r\nhello",
        OK_HEAD "5\r\nconnection: CLOSE\r\n\r\nhello",
        OK_HEAD "5\r\nConnection: foo, close\r\n\r\nhello",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(texts); i++) {
        struct exchange e;

        call_and_read(&e);
        say(&e, texts[i]);
        assert_answered(&e, 200, "hello");
        assert_closed(e.fd);
    }
}

static void a_connection_is_closed_after_an_answer_that_is_not_believed(void **state)
{
    struct exchange e;

    (void)state;
    call_and_read(&e);
    e.believes = false;
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    assert_closed(e.fd);
    close(good_exchange());
}

static void a_connection_is_closed_after_bytes_behind_the_answer(void **state)
{
    static const char *const texts[] = {GOOD "x", GOOD "\r\n", GOOD GOOD, GOOD "HTTP/1.1 200"};

    (void)state;
    for (size_t i = 0; i < SIZE(texts); i++) {
        struct exchange e;

        call_and_read(&e);
        say(&e, texts[i]);
        assert_answered(&e, 200, "hello");
        assert_closed(e.fd);
    }
}

/* It cannot be the answer to what has not been asked yet. */
static void a_connection_is_closed_after_an_answer_before_the_requests_end(void **state)
{
    enum { BYTES = 32 * 1024 * 1024 };
    char *body = calloc(1, BYTES);
    struct exchange e;

    (void)state;
    call_with(&e, &server.address, "POST", body, BYTES);
    free(body);
    e.fd = accept_from(&server);
    read_request(&e);
    turn_for(WATCH_MS); /* as much as the socket takes */
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    assert_closed(e.fd);
}

static void the_largest_answer_is_taken_and_a_larger_one_refused_by_its_head(void **state)
{
    char *body = malloc(API_MAX_ANSWER_BYTES);
    struct exchange e;

    (void)state;
    memset(body, 'x', API_MAX_ANSWER_BYTES);
    call_and_read(&e);
    say(&e, OK_HEAD "16777216\r\n\r\n");
    say_bytes(&e, body, API_MAX_ANSWER_BYTES);
    turn_until(e.answers > 0);
    assert_int_equal(e.answer.outcome, HTTP_ANSWERED);
    assert_int_equal(e.answer.len, API_MAX_ANSWER_BYTES);
    assert_memory_equal(e.body, body, sizeof(e.body));
    call_again(&e, e.fd);
    say(&e, OK_HEAD "16777217\r\n\r\n");
    assert_failed(&e, HTTP_UNKNOWN, NO_LENGTH);
    assert_closed(e.fd);
    free(body);
}

/* --- answers that will not do --- */

static void what_is_not_the_answer_to_the_request_is_not_believed(void **state)
{
    static const char length[] = "Content-Length: 5\r\n";
    static const char head[] = "HTTP/1.1 200 OK\r\nX-Request-Id: $\r\n";
    static const struct {
        const char *head, *more, *reason;
    } cases[] = {
        /* the id */
        {"HTTP/1.1 200 OK\r\n", length, NO_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-I: $\r\n", length, NO_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-Id2: $\r\n", length, NO_ID},
        {head, "Content-Length: 5\r\nX-Request-Id: $\r\n", NO_ID},
        {head, "Content-Length: 5\r\nX-Request-Id: 0\r\n", OTHER_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-Id:\r\n", length, OTHER_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-Id: $0\r\n", length, OTHER_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-Id: 0$\r\n", length, OTHER_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-Id: $, $\r\n", length, OTHER_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-Id: \"$\"\r\n", length, OTHER_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-Id: 0123456789abcde\r\n", length, OTHER_ID},
        {"HTTP/1.1 200 OK\r\nX-Request-Id: zzzzzzzzzzzzzzzz\r\n", length, OTHER_ID},
        /* the length */
        {head, "", NO_LENGTH},
        {head, "Content-Length:\r\n", NO_LENGTH},
        {head, "Content-Length: -1\r\n", NO_LENGTH},
        {head, "Content-Length: +5\r\n", NO_LENGTH},
        {head, "Content-Length: 5x\r\n", NO_LENGTH},
        {head, "Content-Length: x5\r\n", NO_LENGTH},
        {head, "Content-Length: 0x5\r\n", NO_LENGTH},
        {head, "Content-Length: 5.0\r\n", NO_LENGTH},
        {head, "Content-Length: 5 5\r\n", NO_LENGTH},
        {head, "Content-Length: 5,5\r\n", NO_LENGTH},
        {head, "Content-Length: 5, 5\r\n", NO_LENGTH},
        {head, "Content-Length: 16777217\r\n", NO_LENGTH},
        {head, "Content-Length: 9223372036854775807\r\n", NO_LENGTH},
        {head, "Content-Length: 18446744073709551615\r\n", NO_LENGTH},
        {head, "Content-Length: 18446744073709551616\r\n", NO_LENGTH},
        {head, "Content-Length: 18446744073709551621\r\n", NO_LENGTH},
        {head, "Content-Length: 99999999999999999999999999999\r\n", NO_LENGTH},
        {head, "Content-Length: 5\r\nContent-Length: 5\r\n", NO_LENGTH},
        {head, "Content-Length: 5\r\ncontent-length: 6\r\n", NO_LENGTH},
        {head, "Content-Length: x\r\nContent-Length: 5\r\n", NO_LENGTH},
        /* the encoding */
        {head, "Transfer-Encoding: chunked\r\n", ENCODED},
        {head, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ENCODED},
        {head, "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", ENCODED},
        {head, "Content-Length: 5\r\ntransfer-encoding:\r\n", ENCODED},
        /* the first line and the form */
        {"HTTP/1.0 200 OK\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/1.2 200 OK\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/2 200 OK\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/1.1 100 Continue\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/1.1 101 Switching\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/1.1 199 OK\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/1.1 600 OK\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/1.1 000 OK\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/1.1 20 OK\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"HTTP/1.1 xxx OK\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"GET / HTTP/1.1\r\nX-Request-Id: $\r\n", length, MALFORMED},
        {"SSH-2.0-OpenSSH\r\n", "", MALFORMED},
        {"HTTP/1.1 200 OK\r\nX Request Id: $\r\n", length, MALFORMED},
        {"HTTP/1.1 200 OK\r\nX-Request-Id\r\n", length, MALFORMED},
        {"HTTP/1.1 200 OK\r\nX-Request-Id: $\r\nA: \x01\r\n", length, MALFORMED},
        {"\x16\x03\x01\x02", "", MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct exchange e;
        char text[512];

        snprintf(text, sizeof(text), "%s%s\r\nhello", cases[i].head, cases[i].more);
        call_and_read(&e);
        say(&e, text);
        turn_until(e.answers > 0);
        if (e.answer.outcome != HTTP_UNKNOWN || strcmp(e.answer.reason, cases[i].reason) != 0)
            fail_msg("%s gave %d, %s", text, e.answer.outcome, e.answer.reason);
        assert_closed(e.fd);
        assert_int_equal(e.answers, 1);
    }
}

/* A head of so many bytes, and headers, in all. */
static struct buffer head_of(const struct exchange *e, size_t bytes, size_t headers)
{
    struct buffer head = with_id(e, OK_HEAD "5\r\n");

    for (size_t i = 2; i < headers - 1; i++)
        buffer_add_literal(&head, "A: b\r\n");
    buffer_add_literal(&head, "Fill: ");
    while (head.len < bytes - 4)
        buffer_add_literal(&head, "x");
    buffer_add_literal(&head, "\r\n\r\n");
    return head;
}

static void a_head_has_at_most_16_kb_and_32_headers(void **state)
{
    static const struct {
        size_t bytes, headers;
        bool is_good;
    } cases[] = {
        {1000, 32, true}, {1000, 33, false}, {16384, 3, true}, {16385, 3, false}, {20000, 3, false},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        for (int with_pause = 0; with_pause < 2; with_pause++) {
            struct exchange e;
            struct buffer head;

            call_and_read(&e);
            head = head_of(&e, cases[i].bytes, cases[i].headers);
            assert_int_equal(head.len, cases[i].bytes);
            say_bytes(&e, head.bytes, head.len - 1);
            if (with_pause)
                turn_for(3);
            if (e.answers == 0) {
                say_bytes(&e, head.bytes + head.len - 1, 1);
                say(&e, "hello");
            }
            if (cases[i].is_good)
                assert_answered(&e, 200, "hello");
            else
                assert_failed(&e, HTTP_UNKNOWN, MALFORMED);
            http_client_destroy(client);
            client = http_client_create(&worker, &settings);
            assert_closed(e.fd);
            buffer_free(&head);
        }
    }
}

static void a_head_without_end_is_refused_as_soon_as_it_is_too_long(void **state)
{
    static char text[16384 + 1] = "HTTP/1.1 200 OK\r\nA: ";
    struct exchange e;

    (void)state;
    memset(text + strlen(text), 'x', sizeof(text) - strlen(text));
    call_and_read(&e);
    say_bytes(&e, text, sizeof(text));
    assert_failed(&e, HTTP_UNKNOWN, MALFORMED);
    assert_closed(e.fd);
}

static void an_answer_that_is_cut_at_any_byte_is_not_believed(void **state)
{
    size_t len = 1;

    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        struct exchange e;
        struct buffer bytes;

        call_and_read(&e);
        bytes = with_id(&e, GOOD);
        len = bytes.len;
        say_bytes(&e, bytes.bytes, cut);
        if (cut % 2)
            turn(); /* the end comes with the bytes, or behind them */
        close(e.fd);
        assert_failed(&e, HTTP_UNKNOWN, CUT);
        buffer_free(&bytes);
    }
    assert_true(len > 60);
}

static void a_whole_answer_is_good_when_the_end_comes_with_it(void **state)
{
    struct exchange e;

    (void)state;
    call_and_read(&e);
    say(&e, GOOD);
    close(e.fd);
    assert_answered(&e, 200, "hello");
    turn_for(3);
    close(good_exchange()); /* on a new connection */
}

static void a_connection_that_is_reset_has_no_answer(void **state)
{
    const struct linger reset = {.l_onoff = 1};
    struct exchange e;

    (void)state;
    call_and_read(&e);
    assert_int_equal(setsockopt(e.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(e.fd);
    assert_failed(&e, HTTP_UNKNOWN, CUT);
}

/* --- idle connections --- */

static void an_idle_connection_that_brings_bytes_is_closed(void **state)
{
    static const char *const texts[] = {"x", "\r\n", GOOD};

    (void)state;
    for (size_t i = 0; i < SIZE(texts); i++) {
        struct exchange e;

        call_and_read(&e);
        say(&e, GOOD);
        assert_answered(&e, 200, "hello");
        say(&e, texts[i]);
        assert_closed(e.fd);
        assert_int_equal(e.answers, 1);
        close(good_exchange());
        turn_for(3);
    }
}

static void an_idle_connection_that_the_server_closes_is_not_used_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        int fd = good_exchange();

        shutdown(fd, SHUT_WR);
        assert_closed(fd);
    }
}

static void a_call_on_a_connection_that_is_just_being_closed_has_an_unknown_fate(void **state)
{
    struct exchange e;
    int fd = good_exchange();

    (void)state;
    close(fd);
    call(&e); /* before the loop could see the end */
    turn_until(e.answers > 0);
    assert_int_equal(e.answer.outcome, HTTP_UNKNOWN);
    turn_for(WATCH_MS);
    assert_int_equal(e.answers, 1);
    assert_false(is_readable(server.listener)); /* it was not sent again */
}

static void an_idle_connection_is_closed_after_its_time_and_not_before(void **state)
{
    uint64_t begin_ms;
    int fd;

    (void)state;
    set_times(PATIENCE_MS, PATIENCE_MS, DEADLINE_MS);
    begin_ms = monotonic_ms();
    fd = good_exchange();
    assert_closed(fd);
    assert_true(monotonic_ms() >= begin_ms + DEADLINE_MS);
}

static void a_connection_in_use_is_not_idle(void **state)
{
    struct exchange e;
    int fd;

    (void)state;
    set_times(PATIENCE_MS, PATIENCE_MS, DEADLINE_MS);
    fd = good_exchange();
    call_again(&e, fd);
    turn_for(DEADLINE_MS + WATCH_MS);
    assert_int_equal(e.answers, 0);
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    close(fd);
}

/* --- no answer --- */

static void a_refused_connection_means_not_sent(void **state)
{
    struct exchange e;

    (void)state;
    close(server.listener);
    call(&e);
    turn_until(e.answers > 0);
    assert_int_equal(e.answer.outcome, HTTP_NOT_SENT);
    turn_for(WATCH_MS);
    assert_int_equal(e.answers, 1);
    server = listen_with(8);
}

static void an_impossible_address_means_not_sent(void **state)
{
    struct http_address address;
    struct exchange e;

    (void)state;
    http_address_set(&address, "255.255.255.255", 9);
    call_with(&e, &address, "GET", NULL, 0);
    assert_failed(&e, HTTP_NOT_SENT, NOT_ACCEPTING);
    call_with(&e, &address, "GET", NULL, 0);
    http_call_cancel(e.call);
    turn_for(WATCH_MS);
    assert_int_equal(e.answers, 0);
}

/* Fills a listener's queue, so that further connections are left unanswered. */
static void fill_queue(const struct server *s, int fds[8])
{
    for (size_t i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fds[i], (const struct sockaddr *)&s->address.storage, s->address.len);
    }
}

static void an_address_that_does_not_accept_in_its_time_means_not_sent(void **state)
{
    static const struct {
        uint64_t connect_ms, deadline_ms;
        const char *reason;
    } cases[] = {{DEADLINE_MS, PATIENCE_MS, NOT_ACCEPTING},
                 {PATIENCE_MS, DEADLINE_MS, NOT_IN_TIME}};
    int fds[8];

    (void)state;
    close(server.listener);
    server = listen_with(0);
    fill_queue(&server, fds);
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct exchange e;
        uint64_t begin_ms;

        set_times(cases[i].connect_ms, cases[i].deadline_ms, PATIENCE_MS);
        begin_ms = monotonic_ms();
        call(&e);
        assert_failed(&e, HTTP_NOT_SENT, cases[i].reason);
        assert_true(monotonic_ms() >= begin_ms + DEADLINE_MS);
    }
    for (size_t i = 0; i < 8; i++)
        close(fds[i]);
}

static void without_an_answer_the_fate_is_unknown_at_the_deadline(void **state)
{
    static const char *const beginnings[] = {"", "H", OK_HEAD "5\r\n", GOOD};

    (void)state;
    set_times(PATIENCE_MS, DEADLINE_MS, PATIENCE_MS);
    for (size_t i = 0; i < SIZE(beginnings); i++) {
        uint64_t begin_ms = monotonic_ms();
        struct exchange e;
        struct buffer bytes;

        call_and_read(&e);
        bytes = with_id(&e, beginnings[i]);
        if (bytes.len > 0)
            say_bytes(&e, bytes.bytes, bytes.len - 1);
        assert_failed(&e, HTTP_UNKNOWN, NOT_IN_TIME);
        assert_true(monotonic_ms() >= begin_ms + DEADLINE_MS);
        assert_closed(e.fd);
        buffer_free(&bytes);
    }
}

static void dripping_bytes_do_not_move_the_deadline(void **state)
{
    uint64_t end_ms = monotonic_ms() + PATIENCE_MS;
    struct exchange e;

    (void)state;
    set_times(PATIENCE_MS, DEADLINE_MS, PATIENCE_MS);
    call_and_read(&e);
    say(&e, OK_HEAD "10000000\r\n\r\n");
    while (e.answers == 0 && monotonic_ms() < end_ms) {
        (void)!send(e.fd, "x", 1, MSG_NOSIGNAL);
        turn();
    }
    assert_failed(&e, HTTP_UNKNOWN, NOT_IN_TIME);
    close(e.fd);
}

/* Where one flow was dropped silently, the others were, too. */
static void with_a_failed_call_what_is_idle_to_its_address_is_closed(void **state)
{
    struct server first = server;
    struct exchange one, two, three, elsewhere;

    (void)state;
    call_and_read(&one);
    call_and_read(&two);
    call_and_read(&three);
    server = listen_with(8);
    call_and_read(&elsewhere);
    say(&one, GOOD);
    say(&two, GOOD);
    say(&elsewhere, GOOD);
    assert_answered(&one, 200, "hello");
    assert_answered(&two, 200, "hello");
    assert_answered(&elsewhere, 200, "hello");
    close(three.fd);
    assert_failed(&three, HTTP_UNKNOWN, CUT);
    assert_closed(one.fd);
    assert_closed(two.fd);
    assert_stays_open(elsewhere.fd);
    close(elsewhere.fd);
    close(first.listener);
}

/* --- cancelling --- */

static void after_cancel_the_callback_never_runs_and_the_connection_is_closed(void **state)
{
    struct exchange e;
    int fd;

    (void)state;
    call(&e); /* before the connection is there */
    http_call_cancel(e.call);
    turn_for(WATCH_MS);
    assert_closed(accept_from(&server));
    assert_int_equal(e.answers, 0);

    call_and_read(&e); /* while the answer is awaited */
    http_call_cancel(e.call);
    assert_closed(e.fd);
    assert_int_equal(e.answers, 0);

    call_and_read(&e); /* in the middle of it */
    say(&e, OK_HEAD "5\r\n\r\nhel");
    turn_for(3);
    http_call_cancel(e.call);
    assert_closed(e.fd);
    assert_int_equal(e.answers, 0);

    call_and_read(&e); /* when it is there, and not read yet */
    say(&e, GOOD);
    http_call_cancel(e.call);
    assert_closed(e.fd);
    assert_int_equal(e.answers, 0);

    fd = good_exchange(); /* on a connection that was idle */
    call(&e);
    http_call_cancel(e.call);
    assert_closed(fd);
    assert_int_equal(e.answers, 0);
    close(good_exchange());
}

static void a_cancelled_call_has_no_deadline(void **state)
{
    struct exchange e;

    (void)state;
    set_times(DEADLINE_MS, DEADLINE_MS, PATIENCE_MS);
    call(&e);
    http_call_cancel(e.call);
    assert_closed(accept_from(&server));
    call_and_read(&e);
    http_call_cancel(e.call);
    turn_for(DEADLINE_MS + WATCH_MS);
    assert_int_equal(e.answers, 0);
    close(e.fd);
}

static struct exchange second;

/* Begins, or cancels, another call. */
static bool on_answer_call_another(void *data, const struct http_answer *answer)
{
    call(&second);
    return on_answer(data, answer);
}

static bool on_answer_cancel_another(void *data, const struct http_answer *answer)
{
    http_call_cancel(second.call);
    return on_answer(data, answer);
}

static void call_with_callback(struct exchange *e, http_callback callback)
{
    *e = (struct exchange){.believes = true};
    e->call = http_call(client, &server.address, "GET", "/", NULL, &TRACE, callback, e);
    e->fd = accept_from(&server);
    read_request(e);
}

static void a_callback_can_begin_another_call(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct exchange e;

        call_with_callback(&e, on_answer_call_another);
        if (fails)
            close(e.fd);
        else
            say(&e, GOOD);
        turn_until(e.answers > 0);
        assert_int_equal(e.answer.outcome, fails ? HTTP_UNKNOWN : HTTP_ANSWERED);
        second.fd = accept_from(&server);
        read_request(&second);
        say(&second, GOOD);
        assert_answered(&second, 200, "hello");
        set_times(PATIENCE_MS, PATIENCE_MS, PATIENCE_MS);
        close(second.fd);
    }
}

static void a_callback_can_cancel_another_call(void **state)
{
    struct exchange e;

    (void)state;
    call_and_read(&second);
    call_with_callback(&e, on_answer_cancel_another);
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    assert_closed(second.fd);
    assert_int_equal(second.answers, 0);
}

static void destroying_the_client_ends_every_call_without_a_word(void **state)
{
    struct exchange connecting, asked, half, last;
    int idle = good_exchange();

    (void)state;
    call_again(&asked, idle);
    idle = good_exchange();
    call_again(&half, idle);
    say(&half, OK_HEAD "5\r\n\r\nhel");
    turn_for(3);
    call_and_read(&last);
    call(&connecting);
    say(&last, GOOD);
    assert_answered(&last, 200, "hello");
    http_client_destroy(client);
    client = NULL;
    assert_closed(asked.fd);
    assert_closed(half.fd);
    assert_closed(last.fd);
    assert_closed(accept_from(&server));
    turn_for(WATCH_MS);
    assert_int_equal(asked.answers + half.answers + connecting.answers, 0);
    http_client_destroy(NULL);
}

/* --- addresses --- */

static void an_address_is_its_host_and_port(void **state)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *text;
        int family;
    } cases[] = {
        {"127.0.0.1", 8081, "127.0.0.1:8081", AF_INET},
        {"255.255.255.255", 65535, "255.255.255.255:65535", AF_INET},
        {"::1", 8081, "[::1]:8081", AF_INET6},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 65535,
         "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535", AF_INET6},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct http_address a, b;

        memset(&a, 0xFF, sizeof(a));
        http_address_set(&a, cases[i].host, cases[i].port);
        assert_string_equal(a.host, cases[i].text);
        assert_int_equal(a.storage.ss_family, cases[i].family);
        assert_int_equal(a.len, cases[i].family == AF_INET ? sizeof(struct sockaddr_in)
                                                           : sizeof(struct sockaddr_in6));
        for (size_t j = 0; j < SIZE(cases); j++) {
            http_address_set(&b, cases[j].host, cases[j].port);
            assert_int_equal(http_address_equals(&a, &b), i == j);
        }
        http_address_set(&b, cases[i].host, (uint16_t)(cases[i].port - 1));
        assert_false(http_address_equals(&a, &b));
    }
}

#define client_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(a_get_is_written_as_the_contract_says),
        client_test(a_body_has_its_type_and_its_length),
        client_test(a_post_without_a_body_says_so),
        client_test(a_large_body_arrives_whole),
        client_test(every_request_has_an_id_of_its_own),
        client_test(messagepack_is_sent_once_the_connection_has_offered_to_read_it),
        client_test(a_get_that_is_answered_with_the_offer_will_do),
        client_test(without_the_offer_json_is_sent),
        client_test(the_last_answer_of_a_connection_is_what_counts),
        client_test(a_new_connection_to_the_same_address_begins_with_json),
        client_test(the_encoding_of_an_answer_is_that_of_its_content_type),
        client_test(a_connection_with_a_good_answer_is_used_again),
        client_test(any_whole_answer_to_the_request_is_handed_on),
        client_test(an_answer_can_come_byte_by_byte),
        client_test(two_calls_at_once_have_two_connections_and_the_last_used_is_used_next),
        client_test(a_connection_is_not_used_for_another_address),
        client_test(a_connection_is_closed_after_the_answer_that_says_so),
        client_test(a_connection_is_closed_after_an_answer_that_is_not_believed),
        client_test(a_connection_is_closed_after_bytes_behind_the_answer),
        client_test(a_connection_is_closed_after_an_answer_before_the_requests_end),
        client_test(the_largest_answer_is_taken_and_a_larger_one_refused_by_its_head),
        client_test(what_is_not_the_answer_to_the_request_is_not_believed),
        client_test(a_head_has_at_most_16_kb_and_32_headers),
        client_test(a_head_without_end_is_refused_as_soon_as_it_is_too_long),
        client_test(an_answer_that_is_cut_at_any_byte_is_not_believed),
        client_test(a_whole_answer_is_good_when_the_end_comes_with_it),
        client_test(a_connection_that_is_reset_has_no_answer),
        client_test(an_idle_connection_that_brings_bytes_is_closed),
        client_test(an_idle_connection_that_the_server_closes_is_not_used_again),
        client_test(a_call_on_a_connection_that_is_just_being_closed_has_an_unknown_fate),
        client_test(an_idle_connection_is_closed_after_its_time_and_not_before),
        client_test(a_connection_in_use_is_not_idle),
        client_test(a_refused_connection_means_not_sent),
        client_test(an_impossible_address_means_not_sent),
        client_test(an_address_that_does_not_accept_in_its_time_means_not_sent),
        client_test(without_an_answer_the_fate_is_unknown_at_the_deadline),
        client_test(dripping_bytes_do_not_move_the_deadline),
        client_test(with_a_failed_call_what_is_idle_to_its_address_is_closed),
        client_test(after_cancel_the_callback_never_runs_and_the_connection_is_closed),
        client_test(a_cancelled_call_has_no_deadline),
        client_test(a_callback_can_begin_another_call),
        client_test(a_callback_can_cancel_another_call),
        client_test(destroying_the_client_ends_every_call_without_a_word),
        cmocka_unit_test(an_address_is_its_host_and_port),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
