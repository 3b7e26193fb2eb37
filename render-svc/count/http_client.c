/* Calls from their request to their answer, and the pool of idle connections. http_client.h has the
 * states. */
#include "render-svc/count/http_client.h"

#include "base/invariant.h"
#include "render-svc/count/http_head.h"
#include "render-svc/count/render_metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A call in progress. */
struct http_call {
    h2o_linklist_t link; /* in the client's calls; unlinked once the call has ended */
    struct http_client *client;
    struct connection *connection; /* NULL if the connection attempt failed at once */
    struct timer deadline, connect_deadline;
    http_callback callback;
    void *data;
    char id[17]; /* X-Request-Id */
    bool sent;   /* the first byte may have been sent */
    uint64_t begun_ns;
};

enum connection_state { CONNECTION_CONNECTING, CONNECTION_IN_USE, CONNECTION_IDLE };

/* A connection is used by one call, or idle in the client's pool. */
struct connection {
    h2o_linklist_t link; /* in the pool, while idle */
    struct http_client *client;
    struct http_address address;
    h2o_socket_t *socket;
    enum connection_state state;
    struct http_call *call; /* NULL while idle */
    enum encoding encoding; /* of bodies: MessagePack if the last answer offered to read it */
    /* The request being written. libh2o may use its bytes after the call has ended. */
    struct buffer request;
    struct timer idle;
};

struct http_client {
    struct worker *worker;
    struct render_metrics *metrics;
    const struct http_settings *settings;
    h2o_linklist_t calls;
    h2o_linklist_t pool; /* idle connections, the most recently used first */
    struct buffer body;  /* of the request being written */
    struct timer_queue idle, deadlines, connect_deadlines;
    uint64_t next_id;
    unsigned n_callbacks; /* callbacks that are running */
};

static void on_peer_connected(h2o_socket_t *socket, const char *error);
static void send_request(struct http_call *call);
static void on_sent(h2o_socket_t *socket, const char *error);
static void on_read(h2o_socket_t *socket, const char *error);
static void finish(struct http_call *call, const struct http_head *head);
static void fail(struct http_call *call, const char *reason);
static void on_call_deadline(struct timer *timer);
static void on_connect_deadline(struct timer *timer);
static bool end_call(struct http_call *call, const struct http_answer *answer);
static void on_idle_over(struct timer *timer);

struct http_client *http_client_create(struct worker *worker, const struct http_settings *settings)
{
    struct http_client *client = h2o_mem_alloc(sizeof(*client));

    *client = (struct http_client){
        .worker = worker, .metrics = render_metrics_of(worker), .settings = settings};
    h2o_linklist_init_anchor(&client->calls);
    h2o_linklist_init_anchor(&client->pool);
    timer_queue_init(&client->idle, &worker->timers, settings->max_idle_ms);
    timer_queue_init(&client->deadlines, &worker->timers, settings->deadline_ms);
    timer_queue_init(&client->connect_deadlines, &worker->timers, settings->connect_ms);
    /* a random start, so that two clients never wait for the same id */
    client->next_id = jitter(UINT64_MAX);
    return client;
}

/* --- connections --- */

static void close_connection(struct connection *connection)
{
    INVARIANT((connection->state == CONNECTION_IDLE) == h2o_linklist_is_linked(&connection->link));
    if (connection->state == CONNECTION_IDLE)
        h2o_linklist_unlink(&connection->link);
    timer_stop(&connection->idle);
    metric_subtract(&connection->client->metrics->counter_connections, 1);
    h2o_socket_close(connection->socket);
    buffer_free(&connection->request);
    free(connection);
}

/* Takes an idle connection to this address out of the pool. Returns NULL if there is none. */
static struct connection *take_idle(struct http_client *client, const struct http_address *address)
{
    for (h2o_linklist_t *link = client->pool.next; link != &client->pool; link = link->next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, link);
        INVARIANT(connection->state == CONNECTION_IDLE && connection->call == NULL);
        if (!http_address_equals(&connection->address, address))
            continue;
        h2o_linklist_unlink(&connection->link);
        timer_stop(&connection->idle);
        connection->state = CONNECTION_IN_USE;
        return connection;
    }
    return NULL;
}

/* Starts a connection. Returns NULL if that fails at once. */
static struct connection *connect_to(struct http_client *client, const struct http_address *address)
{
    struct sockaddr_storage storage = address->storage;
    struct connection *connection;
    h2o_socket_t *socket = h2o_socket_connect(client->worker->loop, (struct sockaddr *)&storage,
                                              address->len, on_peer_connected);

    if (socket == NULL)
        return NULL;
    connection = h2o_mem_alloc(sizeof(*connection));
    *connection = (struct connection){
        .client = client, .address = *address, .socket = socket, .state = CONNECTION_CONNECTING};
    socket->data = connection;
    metric_add(&client->metrics->counter_connects, 1);
    metric_add(&client->metrics->counter_connections, 1);
    return connection;
}

/* Puts a connection into the pool. It continues to read, so that its end and unexpected bytes are
 * noticed. */
static void put_idle(struct connection *connection)
{
    struct http_client *client = connection->client;

    INVARIANT(connection->state == CONNECTION_IN_USE && connection->call == NULL);
    connection->state = CONNECTION_IDLE;
    h2o_linklist_insert(client->pool.next, &connection->link);
    timer_start(&client->idle, &connection->idle, on_idle_over);
}

static void on_idle_over(struct timer *timer)
{
    close_connection(H2O_STRUCT_FROM_MEMBER(struct connection, idle, timer));
}

/* Closes all idle connections to this address. */
static void close_idle(struct http_client *client, const struct http_address *address)
{
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = client->pool.next; link != &client->pool; link = next) {
        struct connection *connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, link);
        next = link->next;
        if (http_address_equals(&connection->address, address))
            close_connection(connection);
    }
}

/* --- the request --- */

/* Appends the headers of a body, the end of the head, and the body. */
static void write_body(struct buffer *to, enum encoding encoding, const struct buffer *body)
{
    buffer_add_literal(to, "\r\naccept: " MEDIA_BOTH "\r\ncontent-type: ");
    buffer_add_string(to, encoding_media_type(encoding));
    buffer_add_literal(to, "\r\ncontent-length: ");
    buffer_add_int(to, (int64_t)body->len);
    buffer_add_literal(to, "\r\n\r\n");
    buffer_add(to, body->bytes, body->len);
}

/* Writes the request into the buffer of its connection. */
static void write_request(const struct http_call *call, const struct http_request *request)
{
    struct connection *connection = call->connection;
    struct buffer *body = &call->client->body;
    char parent[TRACE_HEADER_LEN + 1];
    struct buffer *to = &connection->request;

    to->len = 0;
    buffer_add_string(to, request->method);
    buffer_add_literal(to, " ");
    buffer_add_string(to, request->target);
    buffer_add_literal(to, " HTTP/1.1\r\nhost: ");
    buffer_add_string(to, connection->address.host);
    buffer_add_literal(to, "\r\nauthorization: Bearer ");
    buffer_add_string(to, call->client->settings->token);
    buffer_add_literal(to, "\r\nx-request-id: ");
    buffer_add_string(to, call->id);
    buffer_add_literal(to, "\r\ntraceparent: ");
    trace_write(request->trace, call->id, parent);
    buffer_add(to, parent, TRACE_HEADER_LEN);
    if (request->encode != NULL) {
        body->len = 0;
        request->encode(request->encode_data, connection->encoding, body);
        write_body(to, connection->encoding, body);
    } else {
        buffer_add_string(to, strcmp(request->method, "POST") == 0 ? "\r\ncontent-length: 0\r\n\r\n"
                                                                   : "\r\n\r\n");
    }
}

struct http_call *http_call(struct http_client *client, const struct http_address *address,
                            const struct http_request *request, http_callback callback, void *data)
{
    struct http_call *call = h2o_mem_alloc(sizeof(*call));

    *call = (struct http_call){
        .client = client, .callback = callback, .data = data, .begun_ns = monotonic_ns()};
    client->next_id += client->next_id == 0; /* a parent-id is never zero */
    snprintf(call->id, sizeof(call->id), "%016llx", (unsigned long long)client->next_id++);
    h2o_linklist_insert(&client->calls, &call->link);
    timer_start(&client->deadlines, &call->deadline, on_call_deadline);
    /* 1. Take an idle connection, or start a new one. */
    call->connection = take_idle(client, address);
    if (call->connection == NULL)
        call->connection = connect_to(client, address);
    if (call->connection == NULL) {
        /* The callback must run from the loop. */
        timer_start_after(&client->worker->timers, &call->connect_deadline, 0, on_connect_deadline);
        return call;
    }
    /* 2. Encode the request for this connection. */
    call->connection->call = call;
    write_request(call, request);
    /* 3. Send it now if the connection was idle. on_peer_connected sends it on a new one. */
    if (call->connection->state == CONNECTION_IN_USE)
        send_request(call);
    else
        timer_start(&client->connect_deadlines, &call->connect_deadline, on_connect_deadline);
    return call;
}

static void on_peer_connected(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = socket->data;

    INVARIANT(connection->state == CONNECTION_CONNECTING && connection->call != NULL);
    timer_stop(&connection->call->connect_deadline);
    if (error != NULL) {
        fail(connection->call, "the connection was refused");
        return;
    }
    connection->state = CONNECTION_IN_USE;
    send_request(connection->call);
}

static void send_request(struct http_call *call)
{
    const struct buffer *bytes = &call->connection->request;
    h2o_iovec_t request = {bytes->bytes, bytes->len};
    h2o_socket_t *socket = call->connection->socket;

    INVARIANT(!call->sent && call->connection->state == CONNECTION_IN_USE);
    call->sent = true;
    h2o_socket_write(socket, &request, 1, on_sent);
    if (!h2o_socket_is_reading(socket))
        h2o_socket_read_start(socket, on_read);
}

static void on_sent(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = socket->data;

    if (error != NULL && connection->call != NULL)
        fail(connection->call, "the request could not be written");
}

/* --- the answer --- */

static void on_read(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = socket->data;
    struct http_call *call = connection->call;
    struct http_head head;
    const char *reason;
    int result;

    if (call == NULL) {
        close_connection(
            connection); /* idle: the connection has ended, or received unexpected bytes */
        return;
    }
    if (error != NULL) {
        fail(call, "the connection was closed before the answer was whole");
        return;
    }
    result = http_head_parse(socket->input->bytes, socket->input->size, call->id, &head, &reason);
    if (result < 0)
        fail(call, reason);
    else if (result > 0 && socket->input->size >= head.size + head.body_len)
        finish(call, &head);
}

/* Ends a call whose answer is complete. Keeps the connection if it can be used again. */
static void finish(struct http_call *call, const struct http_head *head)
{
    struct connection *connection = call->connection;
    h2o_socket_t *socket = connection->socket;
    struct http_answer answer = {.outcome = HTTP_ANSWERED,
                                 .status = head->status,
                                 .body = socket->input->bytes + head->size,
                                 .len = head->body_len,
                                 .encoding = head->encoding};
    /* A connection is not used again if the answer came before the whole request was written. */
    bool is_reusable = head->keep_alive && socket->input->size == head->size + head->body_len &&
                       !h2o_socket_is_writing(socket);

    INVARIANT(call->sent && connection->call == call);
    connection->call = NULL;
    connection->encoding = head->offered;
    call->connection = NULL;
    is_reusable &= end_call(call, &answer);
    h2o_buffer_consume(&socket->input, socket->input->size);
    if (is_reusable)
        put_idle(connection);
    else
        close_connection(connection);
}

/* Ends a call without an answer. Closes its connection, and the idle connections to the same
 * address: if the network silently drops packets, each of them could cost a deadline, too. */
static void fail(struct http_call *call, const char *reason)
{
    struct http_answer answer = {.outcome = call->sent ? HTTP_UNKNOWN : HTTP_NOT_SENT,
                                 .reason = reason};

    if (call->connection != NULL) {
        INVARIANT(call->connection->call == call);
        close_idle(call->client, &call->connection->address);
        close_connection(call->connection);
        call->connection = NULL;
    }
    end_call(call, &answer);
}

static void on_call_deadline(struct timer *timer)
{
    fail(H2O_STRUCT_FROM_MEMBER(struct http_call, deadline, timer), "no answer in time");
}

static void on_connect_deadline(struct timer *timer)
{
    fail(H2O_STRUCT_FROM_MEMBER(struct http_call, connect_deadline, timer),
         "the address does not accept");
}

/* --- the end of a call --- */

_Static_assert(HTTP_UNKNOWN + 1 == METRICS_N_CALL_OUTCOMES, "each outcome has its metric");

/* Takes the call out of the list and stops its timers. */
static void stop_call(struct http_call *call)
{
    h2o_linklist_unlink(&call->link);
    timer_stop(&call->deadline);
    timer_stop(&call->connect_deadline);
}

/* Runs the callback and frees the call. Returns whether the answer is accepted. */
static bool end_call(struct http_call *call, const struct http_answer *answer)
{
    struct http_client *client = call->client;
    bool is_accepted;

    metric_add(&client->metrics->calls[answer->outcome], 1);
    histogram_add_ns(&client->metrics->call_seconds, monotonic_ns() - call->begun_ns);
    stop_call(call);
    ++client->n_callbacks;
    is_accepted = call->callback(call->data, answer);
    --client->n_callbacks;
    free(call);
    return is_accepted;
}

void http_call_cancel(struct http_call *call)
{
    INVARIANT(h2o_linklist_is_linked(&call->link));
    if (call->connection != NULL)
        close_connection(call->connection);
    stop_call(call);
    free(call);
}

void http_client_destroy(struct http_client *client)
{
    if (client == NULL)
        return;
    INVARIANT(client->n_callbacks == 0);
    while (!h2o_linklist_is_empty(&client->calls))
        http_call_cancel(H2O_STRUCT_FROM_MEMBER(struct http_call, link, client->calls.next));
    while (!h2o_linklist_is_empty(&client->pool))
        close_connection(H2O_STRUCT_FROM_MEMBER(struct connection, link, client->pool.next));
    buffer_free(&client->body);
    timer_queue_fini(&client->idle);
    timer_queue_fini(&client->deadlines);
    timer_queue_fini(&client->connect_deadlines);
    free(client);
}
