/* Requests of the HTTP client, their encodings and their addresses. */
#include "tests/unit/http_fixture.h"

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
        memset(copy, 'x', sizeof(copy)); /* the client has a copy */
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

        if (i == 5) { /* another client has other ids */
            set_times(TIMEOUT_MS, TIMEOUT_MS, TIMEOUT_MS);
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

/* Sends a body on the idle connection `fd`, or on a new one if `fd` is -1. Checks its encoding, and
 * answers. Returns the connection. */
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
        set_times(TIMEOUT_MS, TIMEOUT_MS, TIMEOUT_MS);
        assert_closed(fd);
    }
}

static void the_offer_in_the_answer_to_a_get_counts(void **state)
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

static void the_last_answer_of_a_connection_decides(void **state)
{
    int fd;

    (void)state;
    fd = post(-1, ENCODING_JSON, OFFERING);
    fd = post(fd, ENCODING_MSGPACK, EMPTY "\r\n");
    fd = post(fd, ENCODING_JSON, OFFERING);
    close(post(fd, ENCODING_MSGPACK, OFFERING));
}

/* A version that reads only JSON may have taken over the same address. */
static void a_new_connection_to_the_same_address_begins_with_json(void **state)
{
    struct exchange held;
    int fd, other;

    (void)state;
    fd = post(post(-1, ENCODING_JSON, OFFERING), ENCODING_MSGPACK, OFFERING);
    call_with(&held, &server.address, "POST", "body", 4); /* this keeps the connection in use */
    assert_int_equal(held.encoding, ENCODING_MSGPACK);
    other = post(-1, ENCODING_JSON, EMPTY "\r\n");
    other = post(other, ENCODING_JSON, EMPTY "\r\n");
    held.fd = fd;
    read_request(&held);
    say(&held, OFFERING);
    turn_until(held.answers > 0);
    fd = post(fd, ENCODING_MSGPACK, OFFERING); /* each connection follows its own answers */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(a_get_is_written_as_the_contract_says),
        client_test(a_body_has_its_type_and_its_length),
        client_test(a_post_without_a_body_says_so),
        client_test(a_large_body_arrives_whole),
        client_test(every_request_has_an_id_of_its_own),
        client_test(messagepack_is_sent_once_the_connection_has_offered_to_read_it),
        client_test(the_offer_in_the_answer_to_a_get_counts),
        client_test(without_the_offer_json_is_sent),
        client_test(the_last_answer_of_a_connection_decides),
        client_test(a_new_connection_to_the_same_address_begins_with_json),
        client_test(the_encoding_of_an_answer_is_that_of_its_content_type),
        cmocka_unit_test(an_address_is_its_host_and_port),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
