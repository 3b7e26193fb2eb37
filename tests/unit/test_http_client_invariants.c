/* The invariants of the HTTP client: each test breaks one, and the program ends. */
#include "tests/unit/http_fixture.h"
#include "tests/unit/violates.h"

/* --- what a callback must not do --- */

static bool on_answer_cancel_itself(void *data, const struct http_answer *answer)
{
    struct exchange *e = data;

    (void)answer;
    http_call_cancel(e->call);
    return true;
}

static bool on_answer_destroy_the_client(void *data, const struct http_answer *answer)
{
    (void)data, (void)answer;
    http_client_destroy(client);
    return true;
}

static void violate_with(http_callback callback, bool fails)
{
    struct exchange e;

    call_with_callback(&e, callback);
    if (fails)
        close(e.fd);
    else
        say(&e, GOOD);
    turn_for(TIMEOUT_MS);
}

static void cancel_the_answered_call(void)
{
    violate_with(on_answer_cancel_itself, false);
}

static void cancel_the_failed_call(void)
{
    violate_with(on_answer_cancel_itself, true);
}

static void destroy_the_client_in_a_callback(void)
{
    violate_with(on_answer_destroy_the_client, false);
}

static void a_callback_neither_cancels_its_call_nor_destroys_the_client(void **state)
{
    (void)state;
    assert_violates(cancel_the_answered_call, "h2o_linklist_is_linked(&call->link)");
    assert_violates(cancel_the_failed_call, "h2o_linklist_is_linked(&call->link)");
    assert_violates(destroy_the_client_in_a_callback, "client->n_callbacks == 0");
}

/* --- one request, then one answer --- */

/* The last connection, and its callback for libh2o. */
static h2o_socket_t *connecting;
static h2o_socket_cb on_connected;

__typeof__(h2o_socket_connect) __real_h2o_socket_connect, __wrap_h2o_socket_connect;

h2o_socket_t *__wrap_h2o_socket_connect(h2o_loop_t *loop, struct sockaddr *address, socklen_t len,
                                        h2o_socket_cb callback)
{
    on_connected = callback;
    return connecting = __real_h2o_socket_connect(loop, address, len, callback);
}

static void connect_twice(void)
{
    struct exchange e;

    call_and_read(&e);
    on_connected(connecting, NULL);
}

static void a_connection_is_made_once(void **state)
{
    (void)state;
    assert_violates(connect_twice, "connection->state == CONNECTION_CONNECTING");
}

static void call_with_encode(struct exchange *e, http_encode encode_body)
{
    http_call(client, &server.address, &(struct http_request){"POST", "/", encode_body, e, &TRACE},
              on_answer, e);
}

/* Runs the loop until the connection is made, which sends the request. */
static void encode_until_sent(void *data, enum encoding encoding, struct buffer *to)
{
    struct exchange *e = data;

    (void)encoding, (void)to;
    e->fd = accept_from(&server);
    turn_until(is_readable(e->fd));
}

static void send_twice(void)
{
    struct exchange e = {.accepts = true};

    call_with_encode(&e, encode_until_sent);
}

static void a_request_is_sent_once(void **state)
{
    (void)state;
    assert_violates(send_twice, "!call->sent");
}

/* Runs the loop until the answer is read. */
static void encode_until_answered(void *data, enum encoding encoding, struct buffer *to)
{
    const struct exchange *e = data;

    (void)encoding, (void)to;
    say(e, GOOD);
    turn_until(e->answers > 0);
}

/* The server guesses the id of the next request, and answers on the idle connection. */
static void answer_before_the_request(void)
{
    struct exchange first, e = {.accepts = true};

    call_and_read(&first);
    say(&first, GOOD);
    assert_answered(&first, 200, "hello");
    e.fd = first.fd;
    snprintf(e.id, sizeof(e.id), "%016llx", strtoull(first.id, NULL, 16) + 1);
    call_with_encode(&e, encode_until_answered);
}

static void an_answer_follows_its_request(void **state)
{
    (void)state;
    assert_violates(answer_before_the_request, "call->sent && connection->call == call");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(a_callback_neither_cancels_its_call_nor_destroys_the_client),
        client_test(a_connection_is_made_once),
        client_test(a_request_is_sent_once),
        client_test(an_answer_follows_its_request),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
