/* Connections of the HTTP client that are idle, and calls that get no answer. */
#include "tests/unit/http_fixture.h"

/* --- idle connections --- */

static void an_idle_connection_that_receives_bytes_is_closed(void **state)
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

static void a_call_on_a_connection_that_is_being_closed_has_an_unknown_outcome(void **state)
{
    struct exchange e;
    int fd = good_exchange();

    (void)state;
    close(fd);
    call(&e); /* before the loop notices the end */
    turn_until(e.answers > 0);
    assert_int_equal(e.answer.outcome, HTTP_UNKNOWN);
    turn_for(WATCH_MS);
    assert_int_equal(e.answers, 1);
    assert_false(is_readable(server.listener)); /* it was not sent again */
}

static void an_idle_connection_is_closed_after_max_idle_ms_and_not_before(void **state)
{
    uint64_t begin_ms;
    int fd;

    (void)state;
    set_times(TIMEOUT_MS, TIMEOUT_MS, DEADLINE_MS);
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
    set_times(TIMEOUT_MS, TIMEOUT_MS, DEADLINE_MS);
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

static void an_address_that_does_not_accept_in_time_means_not_sent(void **state)
{
    static const struct {
        uint64_t connect_ms, deadline_ms;
        const char *reason;
    } cases[] = {{DEADLINE_MS, TIMEOUT_MS, NOT_ACCEPTING}, {TIMEOUT_MS, DEADLINE_MS, NOT_IN_TIME}};
    int fds[8];

    (void)state;
    close(server.listener);
    server = listen_with(0);
    fill_queue(&server, fds);
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct exchange e;
        uint64_t begin_ms;

        set_times(cases[i].connect_ms, cases[i].deadline_ms, TIMEOUT_MS);
        begin_ms = monotonic_ms();
        call(&e);
        assert_failed(&e, HTTP_NOT_SENT, cases[i].reason);
        assert_true(monotonic_ms() >= begin_ms + DEADLINE_MS);
    }
    for (size_t i = 0; i < 8; i++)
        close(fds[i]);
}

static void without_an_answer_the_outcome_is_unknown_at_the_deadline(void **state)
{
    static const char *const beginnings[] = {"", "H", OK_HEAD "5\r\n", GOOD};

    (void)state;
    set_times(TIMEOUT_MS, DEADLINE_MS, TIMEOUT_MS);
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
    uint64_t end_ms = monotonic_ms() + TIMEOUT_MS;
    struct exchange e;

    (void)state;
    set_times(TIMEOUT_MS, DEADLINE_MS, TIMEOUT_MS);
    call_and_read(&e);
    say(&e, OK_HEAD "10000000\r\n\r\n");
    while (e.answers == 0 && monotonic_ms() < end_ms) {
        (void)!send(e.fd, "x", 1, MSG_NOSIGNAL);
        turn();
    }
    assert_failed(&e, HTTP_UNKNOWN, NOT_IN_TIME);
    close(e.fd);
}

/* If the network silently drops the packets of one connection, it drops those of others, too. */
static void a_failed_call_closes_idle_connections_to_its_address(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(an_idle_connection_that_receives_bytes_is_closed),
        client_test(an_idle_connection_that_the_server_closes_is_not_used_again),
        client_test(a_call_on_a_connection_that_is_being_closed_has_an_unknown_outcome),
        client_test(an_idle_connection_is_closed_after_max_idle_ms_and_not_before),
        client_test(a_connection_in_use_is_not_idle),
        client_test(a_refused_connection_means_not_sent),
        client_test(an_impossible_address_means_not_sent),
        client_test(an_address_that_does_not_accept_in_time_means_not_sent),
        client_test(without_an_answer_the_outcome_is_unknown_at_the_deadline),
        client_test(dripping_bytes_do_not_move_the_deadline),
        client_test(a_failed_call_closes_idle_connections_to_its_address),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
