/* Calls of the HTTP client that are cancelled, and callbacks that begin or cancel other calls. */
#include "tests/unit/http_fixture.h"

/* --- cancelling --- */

static void after_cancel_the_callback_never_runs_and_the_connection_is_closed(void **state)
{
    struct exchange e;
    int fd;

    (void)state;
    call(&e); /* before the connection is made */
    http_call_cancel(e.call);
    turn_for(WATCH_MS);
    assert_closed(accept_from(&server));
    assert_int_equal(e.answers, 0);

    call_and_read(&e); /* while the answer is awaited */
    http_call_cancel(e.call);
    assert_closed(e.fd);
    assert_int_equal(e.answers, 0);

    call_and_read(&e); /* while a part of the answer has come */
    say(&e, OK_HEAD "5\r\n\r\nhel");
    turn_for(3);
    http_call_cancel(e.call);
    assert_closed(e.fd);
    assert_int_equal(e.answers, 0);

    call_and_read(&e); /* when the answer has come, but is not read yet */
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
    set_times(DEADLINE_MS, DEADLINE_MS, TIMEOUT_MS);
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

/* Callbacks that start or cancel another call. */
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
        set_times(TIMEOUT_MS, TIMEOUT_MS, TIMEOUT_MS);
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

static void destroying_the_client_ends_every_call_without_a_callback(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(after_cancel_the_callback_never_runs_and_the_connection_is_closed),
        client_test(a_cancelled_call_has_no_deadline),
        client_test(a_callback_can_begin_another_call),
        client_test(a_callback_can_cancel_another_call),
        client_test(destroying_the_client_ends_every_call_without_a_callback),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
