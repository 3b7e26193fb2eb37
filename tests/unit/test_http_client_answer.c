/* Answers that the HTTP client accepts or rejects. */
#include "tests/unit/http_fixture.h"

/* --- accepted --- */

static void a_connection_is_used_again_after_a_valid_answer(void **state)
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

static void any_complete_answer_to_the_request_is_passed_on(void **state)
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

static void a_connection_is_closed_after_an_answer_with_connection_close(void **state)
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

static void a_connection_is_closed_after_an_answer_that_is_not_accepted(void **state)
{
    struct exchange e;

    (void)state;
    call_and_read(&e);
    e.accepts = false;
    say(&e, GOOD);
    assert_answered(&e, 200, "hello");
    assert_closed(e.fd);
    close(good_exchange());
}

static void a_connection_is_closed_after_bytes_that_follow_the_answer(void **state)
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

/* The rest of the request is still being written. */
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
    turn_for(WATCH_MS); /* the socket takes a part of the body */
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

/* --- rejected --- */

static void an_answer_to_another_request_is_not_accepted(void **state)
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
        /* the status line and the syntax */
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

/* Returns a head with this total number of bytes and of headers. */
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

static void an_answer_that_is_cut_at_any_byte_is_not_accepted(void **state)
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
            turn(); /* the client reads the bytes before the end, or both together */
        close(e.fd);
        assert_failed(&e, HTTP_UNKNOWN, CUT);
        buffer_free(&bytes);
    }
    assert_true(len > 60);
}

static void a_complete_answer_is_accepted_if_the_connection_ends_with_it(void **state)
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

static void a_call_on_a_connection_that_is_reset_has_no_answer(void **state)
{
    const struct linger reset = {.l_onoff = 1};
    struct exchange e;

    (void)state;
    call_and_read(&e);
    assert_int_equal(setsockopt(e.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(e.fd);
    assert_failed(&e, HTTP_UNKNOWN, CUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(a_connection_is_used_again_after_a_valid_answer),
        client_test(any_complete_answer_to_the_request_is_passed_on),
        client_test(an_answer_can_come_byte_by_byte),
        client_test(two_calls_at_once_have_two_connections_and_the_last_used_is_used_next),
        client_test(a_connection_is_not_used_for_another_address),
        client_test(a_connection_is_closed_after_an_answer_with_connection_close),
        client_test(a_connection_is_closed_after_an_answer_that_is_not_accepted),
        client_test(a_connection_is_closed_after_bytes_that_follow_the_answer),
        client_test(a_connection_is_closed_after_an_answer_before_the_requests_end),
        client_test(the_largest_answer_is_taken_and_a_larger_one_refused_by_its_head),
        client_test(an_answer_to_another_request_is_not_accepted),
        client_test(a_head_has_at_most_16_kb_and_32_headers),
        client_test(a_head_without_end_is_refused_as_soon_as_it_is_too_long),
        client_test(an_answer_that_is_cut_at_any_byte_is_not_accepted),
        client_test(a_complete_answer_is_accepted_if_the_connection_ends_with_it),
        client_test(a_call_on_a_connection_that_is_reset_has_no_answer),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
