/* The invariants of live changes: each test breaks one, and the program ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "render-svc/count/render_metrics.h"
#include "render-svc/public/live_private.h"
#include "tests/unit/server_fixture.h"
#include "tests/unit/violates.h"

static struct render_metrics metrics;
static struct read_queue *reads;
static struct live *live;
static struct live_view *view;
static struct subscriber *subscriber;

static int handle(h2o_handler_t *self, h2o_req_t *req)
{
    static const struct view FIRST_PAGE = {.limit = 100};

    (void)self;
    return live_subscribe(live, req, &FIRST_PAGE) ? 0 : -1;
}

/* Subscribes a client, and waits until it has the beginning of the stream. Its view has no rows:
 * the queue of reads is always full. Returns the client's socket. */
static int subscribe(void)
{
    static const struct live_settings LIVE = {.max_subscribers = 1, .max_views = 1};
    int client = start_with_client(&metrics.service, handle);

    reads = read_queue_create(&server.worker, NULL, 1000, 0);
    live = live_create(&server.worker, reads, &LIVE);
    if (write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27) != 27)
        exit(1);
    while (live->n_subscribers == 0)
        worker_turn(&server.worker);
    view = live_view_of(live->views.next);
    subscriber = subscriber_of(view->subscribers.next);
    while (subscriber->is_writing || view->is_reading)
        worker_turn(&server.worker);
    return client;
}

static void a_subscriber_leaves_with_its_connection(void **state)
{
    int client = subscribe();

    (void)state;
    assert_int_equal(metrics.subscribers, 1);
    close(client);
    while (live->n_subscribers != 0)
        worker_turn(&server.worker);
    assert_int_equal(live->n_views, 0);
    assert_int_equal(metrics.subscribers, 0);
    live_destroy(live);
    read_queue_destroy(reads);
    http_server_want(&server, HTTP_SERVER_CLOSING);
    http_server_run(&server);
    http_server_fini(&server);
    http_server_joined(&server);
}

/* --- subscribers --- */

static void send_while_writing(void)
{
    subscribe();
    live_queue(subscriber);
    subscriber->is_writing = true;
    while (h2o_linklist_is_linked(&subscriber->pending))
        worker_turn(&server.worker);
}

static void a_subscriber_gets_one_text_at_a_time(void **state)
{
    (void)state;
    assert_violates(send_while_writing, "!subscriber->is_writing && subscriber->text == NULL");
}

static void end_a_text_twice(void)
{
    subscribe();
    subscriber->generator.proceed(&subscriber->generator, subscriber->req);
}

static void a_text_is_written_once(void **state)
{
    (void)state;
    assert_violates(end_a_text_twice, "subscriber->is_writing");
}

static void leave_uncounted(void)
{
    int client = subscribe();

    live->n_subscribers = 0;
    close(client);
    while (live->n_subscribers == 0)
        worker_turn(&server.worker);
}

static void a_subscriber_that_leaves_was_counted(void **state)
{
    (void)state;
    assert_violates(leave_uncounted, "view->live->n_subscribers > 0");
}

/* --- views --- */

static void read_twice(void)
{
    struct live_view reading = {.is_reading = true};

    live_view_read(&reading);
}

static void a_live_view_has_one_read_in_flight(void **state)
{
    (void)state;
    assert_violates(read_twice, "!view->is_reading");
}

static void answer_no_read(void)
{
    subscribe();
    view->read._callback(&view->read, NULL);
}

static void an_answer_belongs_to_a_read_of_the_view(void **state)
{
    (void)state;
    assert_violates(answer_no_read, "view->is_reading");
}

static void send_from_the_future(void)
{
    struct live_view third = {.id = {.generation = 3}};

    live_view_text(&third, 4);
}

static void a_subscriber_has_no_newer_rows_than_its_view(void **state)
{
    (void)state;
    assert_violates(send_from_the_future, "generation <= view->id.generation");
}

static void free_uncounted(void)
{
    struct live empty = {0};
    struct live_view uncounted = {.live = &empty};

    live_view_free(&uncounted);
}

static void a_live_view_that_is_freed_was_counted(void **state)
{
    (void)state;
    assert_violates(free_uncounted, "view->live->n_views > 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscriber_gets_one_text_at_a_time),
        cmocka_unit_test(a_text_is_written_once),
        cmocka_unit_test(a_subscriber_that_leaves_was_counted),
        cmocka_unit_test(a_live_view_has_one_read_in_flight),
        cmocka_unit_test(an_answer_belongs_to_a_read_of_the_view),
        cmocka_unit_test(a_subscriber_has_no_newer_rows_than_its_view),
        cmocka_unit_test(a_live_view_that_is_freed_was_counted),
        cmocka_unit_test(a_subscriber_leaves_with_its_connection),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
