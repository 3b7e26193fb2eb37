#include "render-svc/count/http_client.h"

#include "proto/api.h"
#include "render-svc/count/render_metrics.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEAD_BYTES 16384
#define MAX_HEADERS    32

/* picohttpparser as it is compiled into libh2o, which exports it but installs no header for it
 * (https://github.com/h2o/picohttpparser). */
struct phr_header {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};
int phr_parse_response(const char *buf, size_t len, int *minor_version, int *status,
                       const char **msg, size_t *msg_len, struct phr_header *headers,
                       size_t *num_headers, size_t last_len);

/* A call and the connection it has, if it has one. */
struct http_call {
    h2o_linklist_t link; /* in the client's calls */
    struct http_client *client;
    struct connection *connection; /* NULL when none could be begun */
    struct timer deadline, connect_deadline;
    http_callback callback;
    void *data;
    char id[17]; /* X-Request-Id */
    bool sent;   /* the first byte may have left */
    uint64_t begun_ns;
};

/* A connection is in use by one call, or idle in the client's pool. */
struct connection {
    h2o_linklist_t link; /* in the pool, while idle */
    struct http_client *client;
    struct http_address address;
    h2o_socket_t *socket;
    struct http_call *call; /* NULL while idle */
    enum encoding encoding; /* of bodies: MessagePack once the last answer has offered that */
    /* what is being written: libh2o holds its bytes, perhaps longer than the call lives */
    struct buffer request;
    struct timer idle;
};

struct http_client {
    struct worker *worker;
    struct render_metrics *metrics;
    const struct http_settings *settings;
    h2o_linklist_t calls;
    h2o_linklist_t pool; /* idle connections, the one used last first */
    struct buffer body;  /* of the call that is begun */
    struct timer_queue idle, deadlines, connect_deadlines;
    uint64_t next_id;
};

static void on_connected(h2o_socket_t *socket, const char *error);
static void send_request(struct http_call *call);
static void on_sent(h2o_socket_t *socket, const char *error);
static void on_read(h2o_socket_t *socket, const char *error);
static void on_deadline(struct timer *timer);
static void on_connect_deadline(struct timer *timer);
static void on_idle_over(struct timer *timer);

void http_address_set(struct http_address *address, const char *host, uint16_t port)
{
    struct sockaddr_in *ip4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&address->storage;

    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, host, &ip4->sin_addr) == 1) {
        ip4->sin_family = AF_INET;
        ip4->sin_port = htons(port);
        address->len = sizeof(*ip4);
        snprintf(address->host, sizeof(address->host), "%s:%u", host, port);
    } else {
        inet_pton(AF_INET6, host, &ip6->sin6_addr);
        ip6->sin6_family = AF_INET6;
        ip6->sin6_port = htons(port);
        address->len = sizeof(*ip6);
        snprintf(address->host, sizeof(address->host), "[%.45s]:%u", host, port);
    }
}

bool http_address_equals(const struct http_address *a, const struct http_address *b)
{
    return strcmp(a->host, b->host) == 0;
}

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
    /* so that no two clients, of this worker or another, ever wait for the same id */
    client->next_id = jitter(UINT64_MAX);
    return client;
}

/* --- connections --- */

static void close_connection(struct connection *connection)
{
    if (h2o_linklist_is_linked(&connection->link))
        h2o_linklist_unlink(&connection->link);
    timer_stop(&connection->idle);
    metric_subtract(&connection->client->metrics->counter_connections, 1);
    h2o_socket_close(connection->socket);
    buffer_free(&connection->request);
    free(connection);
}

/* Takes an idle connection to this address out of the pool, or begins a new one. */
static struct connection *get_connection(struct http_client *client,
                                         const struct http_address *address)
{
    struct connection *connection;
    h2o_socket_t *socket;

    for (h2o_linklist_t *link = client->pool.next; link != &client->pool; link = link->next) {
        connection = H2O_STRUCT_FROM_MEMBER(struct connection, link, link);
        if (!http_address_equals(&connection->address, address))
            continue;
        h2o_linklist_unlink(&connection->link);
        timer_stop(&connection->idle);
        return connection;
    }
    struct sockaddr_storage storage = address->storage;
    socket = h2o_socket_connect(client->worker->loop, (struct sockaddr *)&storage, address->len,
                                on_connected);
    if (socket == NULL)
        return NULL;
    connection = h2o_mem_alloc(sizeof(*connection));
    *connection = (struct connection){.client = client, .address = *address, .socket = socket};
    socket->data = connection;
    metric_add(&client->metrics->counter_connects, 1);
    metric_add(&client->metrics->counter_connections, 1);
    return connection;
}

/* Puts a connection back that has nothing left to say. It goes on being read: what comes now is its
 * end, or bytes that nobody asked for. */
static void put_connection(struct connection *connection)
{
    struct http_client *client = connection->client;

    h2o_linklist_insert(client->pool.next, &connection->link);
    timer_start(&client->idle, &connection->idle, on_idle_over);
}

static void on_idle_over(struct timer *timer)
{
    close_connection(H2O_STRUCT_FROM_MEMBER(struct connection, idle, timer));
}

/* --- a call's way --- */

static void add_body(struct buffer *to, enum encoding encoding, const struct buffer *body)
{
    buffer_add_literal(to, "\r\naccept: " MEDIA_BOTH "\r\ncontent-type: ");
    buffer_add_string(to, encoding_media_type(encoding));
    buffer_add_literal(to, "\r\ncontent-length: ");
    buffer_add_int(to, (int64_t)body->len);
    buffer_add_literal(to, "\r\n\r\n");
    buffer_add(to, body->bytes, body->len);
}

static void write_request(struct http_call *call, const struct http_address *address,
                          const char *method, const char *target, http_encode encode,
                          const struct trace *trace)
{
    struct buffer *body = &call->client->body;
    char parent[TRACE_HEADER_LEN + 1];
    struct buffer *to = &call->connection->request;

    to->len = 0;
    buffer_add_string(to, method);
    buffer_add_literal(to, " ");
    buffer_add_string(to, target);
    buffer_add_literal(to, " HTTP/1.1\r\nhost: ");
    buffer_add_string(to, address->host);
    buffer_add_literal(to, "\r\nauthorization: Bearer ");
    buffer_add_string(to, call->client->settings->token);
    buffer_add_literal(to, "\r\nx-request-id: ");
    buffer_add_string(to, call->id);
    buffer_add_literal(to, "\r\ntraceparent: ");
    trace_write(trace, call->id, parent);
    buffer_add(to, parent, TRACE_HEADER_LEN);
    if (encode != NULL) {
        body->len = 0;
        encode(call->data, call->connection->encoding, body);
        add_body(to, call->connection->encoding, body);
    } else {
        buffer_add_string(to, strcmp(method, "POST") == 0 ? "\r\ncontent-length: 0\r\n\r\n"
                                                          : "\r\n\r\n");
    }
}

struct http_call *http_call(struct http_client *client, const struct http_address *address,
                            const char *method, const char *target, http_encode encode,
                            const struct trace *trace, http_callback callback, void *data)
{
    struct http_call *call = h2o_mem_alloc(sizeof(*call));

    *call = (struct http_call){
        .client = client, .callback = callback, .data = data, .begun_ns = monotonic_ns()};
    client->next_id += client->next_id == 0; /* no parent-id is zero */
    snprintf(call->id, sizeof(call->id), "%016llx", (unsigned long long)client->next_id++);
    h2o_linklist_insert(&client->calls, &call->link);
    timer_start(&client->deadlines, &call->deadline, on_deadline);
    call->connection = get_connection(client, address);
    if (call->connection == NULL) {
        /* the answer comes from the loop, as always */
        timer_start_after(&client->worker->timers, &call->connect_deadline, 0, on_connect_deadline);
        return call;
    }
    call->connection->call = call;
    write_request(call, address, method, target, encode, trace);
    if (h2o_socket_is_reading(call->connection->socket))
        send_request(call); /* it was idle */
    else
        timer_start(&client->connect_deadlines, &call->connect_deadline, on_connect_deadline);
    return call;
}

static void free_call(struct http_call *call)
{
    h2o_linklist_unlink(&call->link);
    timer_stop(&call->deadline);
    timer_stop(&call->connect_deadline);
    free(call);
}

_Static_assert(HTTP_UNKNOWN + 1 == METRICS_N_CALL_OUTCOMES, "each outcome has its number");

static void count_call(const struct http_call *call, enum http_outcome outcome)
{
    struct render_metrics *metrics = call->client->metrics;

    metric_add(&metrics->calls[outcome], 1);
    histogram_add_ns(&metrics->call_seconds, monotonic_ns() - call->begun_ns);
}

/* Closes what is idle to an address. */
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

/* Ends a call that got no answer, and its connection with it; and those that are idle to the same
 * address: where one flow was dropped silently, each of them would cost another deadline. */
static void fail(struct http_call *call, const char *reason)
{
    struct http_answer answer = {.outcome = call->sent ? HTTP_UNKNOWN : HTTP_NOT_SENT,
                                 .reason = reason};
    http_callback callback = call->callback;
    void *data = call->data;

    count_call(call, answer.outcome);
    if (call->connection != NULL) {
        close_idle(call->client, &call->connection->address);
        close_connection(call->connection);
    }
    free_call(call);
    callback(data, &answer);
}

void http_call_cancel(struct http_call *call)
{
    if (call->connection != NULL)
        close_connection(call->connection);
    free_call(call);
}

static void on_connected(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = socket->data;

    timer_stop(&connection->call->connect_deadline);
    if (error != NULL)
        fail(connection->call, "the connection was refused");
    else
        send_request(connection->call);
}

static void send_request(struct http_call *call)
{
    const struct buffer *bytes = &call->connection->request;
    h2o_iovec_t request = {bytes->bytes, bytes->len};
    h2o_socket_t *socket = call->connection->socket;

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

/* Whether a header of the answer has this name. */
static bool is_named(const struct phr_header *header, const char *name)
{
    return header->name_len == strlen(name) &&
           strncasecmp(header->name, name, header->name_len) == 0;
}

struct head {
    int status;
    size_t size; /* of the head itself */
    size_t body_len;
    bool keep_alive;
    enum encoding encoding; /* of the body */
    enum encoding offered;  /* for further requests */
};

/* Looks over the headers of an answer. Returns NULL, or what is wrong with it. */
static const char *check_headers(const struct http_call *call, const struct phr_header *headers,
                                 size_t count, struct head *head)
{
    unsigned lengths = 0, ids = 0;

    for (const struct phr_header *header = headers; header != headers + count; ++header) {
        if (header->name == NULL) {
            return "the answer has a folded header";
        } else if (is_named(header, "content-length")) {
            head->body_len = h2o_strtosize(header->value, header->value_len);
            ++lengths;
        } else if (is_named(header, "content-type")) {
            head->encoding = encoding_named(header->value, header->value_len);
        } else if (is_named(header, "accept-post")) {
            head->offered = encoding_named(header->value, header->value_len);
        } else if (is_named(header, "transfer-encoding")) {
            return "the answer has a transfer encoding";
        } else if (is_named(header, "x-request-id")) {
            if (!h2o_memis(header->value, header->value_len, call->id, strlen(call->id)))
                return "the answer is to another request";
            ++ids;
        } else if (is_named(header, "connection")) {
            head->keep_alive &=
                !h2o_contains_token(header->value, header->value_len, H2O_STRLIT("close"), ',');
        }
    }
    if (ids != 1)
        return "the answer does not say which request it is to";
    if (lengths != 1 || head->body_len > API_MAX_ANSWER_BYTES)
        return "the answer has no proper length";
    return NULL;
}

/* Reads the head of an answer. Returns 1 when it is there, 0 when more must come, -1 with a reason
 * when it will not do. */
static int parse_head(const struct http_call *call, const h2o_buffer_t *input, struct head *head,
                      const char **reason)
{
    struct phr_header headers[MAX_HEADERS];
    size_t count = MAX_HEADERS, message_len;
    const char *message;
    int minor_version, size;

    size = phr_parse_response(input->bytes, input->size, &minor_version, &head->status, &message,
                              &message_len, headers, &count, 0);
    if (size == -2 && input->size < MAX_HEAD_BYTES)
        return 0;
    *reason = "the answer is malformed";
    if (size < 0 || size > MAX_HEAD_BYTES || minor_version != 1 || head->status < 200 ||
        head->status > 599)
        return -1;
    head->size = (size_t)size;
    head->keep_alive = true;
    *reason = check_headers(call, headers, count, head);
    return *reason == NULL ? 1 : -1;
}

/* The whole answer is there. */
static void finish(struct http_call *call, const struct head *head)
{
    struct connection *connection = call->connection;
    h2o_socket_t *socket = connection->socket;
    struct http_answer answer = {.outcome = HTTP_ANSWERED,
                                 .status = head->status,
                                 .body = socket->input->bytes + head->size,
                                 .len = head->body_len,
                                 .encoding = head->encoding};
    /* one that came before the request's end may be the end of the conversation, too */
    bool clean = head->keep_alive && socket->input->size == head->size + head->body_len &&
                 !h2o_socket_is_writing(socket);
    http_callback callback = call->callback;
    void *data = call->data;

    count_call(call, HTTP_ANSWERED);
    connection->call = NULL;
    connection->encoding = head->offered;
    call->connection = NULL;
    free_call(call);
    clean &= callback(data, &answer);
    h2o_buffer_consume(&socket->input, socket->input->size);
    if (clean)
        put_connection(connection);
    else
        close_connection(connection);
}

static void on_read(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = socket->data;
    struct http_call *call = connection->call;
    struct head head = {0};
    const char *reason;
    int there;

    if (call == NULL) {
        close_connection(connection); /* it was idle */
        return;
    }
    if (error != NULL) {
        fail(call, "the connection was closed before the answer was whole");
        return;
    }
    there = parse_head(call, socket->input, &head, &reason);
    if (there < 0)
        fail(call, reason);
    else if (there > 0 && socket->input->size >= head.size + head.body_len)
        finish(call, &head);
}

static void on_deadline(struct timer *timer)
{
    fail(H2O_STRUCT_FROM_MEMBER(struct http_call, deadline, timer), "no answer in time");
}

static void on_connect_deadline(struct timer *timer)
{
    fail(H2O_STRUCT_FROM_MEMBER(struct http_call, connect_deadline, timer),
         "the address does not accept");
}

void http_client_destroy(struct http_client *client)
{
    if (client == NULL)
        return;
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
