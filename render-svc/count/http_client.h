/* A small HTTP/1.1 client for the internal API, on libh2o's sockets and its response parser.
 *
 * It exists because what a hit's fate hangs on must be known exactly: whether a request may have
 * left, that it left at most once, and that the answer is the answer to it. So, other than libh2o's
 * own client and libcurl (docs/design.md has the comparison):
 *  - a request is never sent again by itself;
 *  - each carries an id, and an answer that does not echo it is not believed;
 *  - an answer has exactly one Content-Length and no Transfer-Encoding, at most 16 kB of head and
 *    API_MAX_ANSWER_BYTES of body; one that is cut, malformed or longer than it says is not
 * believed;
 *  - a connection that brings bytes which nobody asked for, or an end, is closed at once, in use or
 *    idle; so is one that a call overstayed its deadline on;
 *  - what the other side can read is known of each connection, not of its address: while versions change,
 *    an address may at any time be another program's, and one that cannot read MessagePack refuses the batch
 *    (400), which would be lost.
 *
 * The callback of a call runs exactly once, from the loop, never before http_call returns, never
 * after http_call_cancel. It does not cancel its own call, and does not destroy the client. All
 * calls from the loop's thread.
 */
#ifndef RENDER_COUNT_HTTP_CLIENT_H
#define RENDER_COUNT_HTTP_CLIENT_H

#include "base/buffer.h"
#include "proto/encoding.h"
#include "server/loop/worker.h"
#include "server/ops/trace.h"

/* In the order of their names in metrics. */
enum http_outcome {
    HTTP_ANSWERED, /* whatever the status */
    HTTP_NOT_SENT, /* no byte of the request has left */
    HTTP_UNKNOWN   /* it may have been acted on */
};

struct http_answer {
    enum http_outcome outcome;
    int status;       /* of an HTTP_ANSWERED */
    const char *body; /* good during the callback */
    size_t len;
    enum encoding encoding; /* of the body, by its Content-Type */
    const char *reason;     /* of the others: static text */
};

/* Returns whether the answer is believed: an HTTP_ANSWERED that is not what was asked for closes
 * the connection that it came on. */
typedef bool (*http_callback)(void *data, const struct http_answer *answer);

/* Appends a request's body in this encoding; `data` is the call's. Runs once in http_call. */
typedef void (*http_encode)(void *data, enum encoding encoding, struct buffer *to);

struct http_client;
struct http_call;

struct http_settings {
    const char *token;    /* of the Authorization header */
    uint64_t connect_ms;  /* how long an address may take to accept */
    uint64_t deadline_ms; /* how long a call may take in all */
    uint64_t max_idle_ms; /* below what the other side allows */
};

/* Where to call: a numeric address. */
struct http_address {
    struct sockaddr_storage storage;
    socklen_t len;
    char host[64]; /* HOST:PORT, for the Host header and logs */
};

/* Makes an address of a numeric host. */
void http_address_set(struct http_address *address, const char *host, uint16_t port);
bool http_address_equals(const struct http_address *a, const struct http_address *b);

/* `settings` must outlive it. */
struct http_client *http_client_create(struct worker *worker, const struct http_settings *settings);

/* Cancels every call; takes NULL. */
void http_client_destroy(struct http_client *client);

/* Calls. `method` is GET or POST; `target` and `trace`, which the call belongs to, are copied. `encode`
 * makes the body: in MessagePack when the last answer on the very connection offered to read that,
 * otherwise in JSON. A call with a body asks for an answer in MessagePack, and takes JSON. NULL: there is no
 * body. The call's id is also its parent-id of the trace. */
struct http_call *http_call(struct http_client *client, const struct http_address *address,
                            const char *method, const char *target, http_encode encode,
                            const struct trace *trace, http_callback callback, void *data);

/* The connection is closed: it may be in the middle of an answer. */
void http_call_cancel(struct http_call *call);

#endif
