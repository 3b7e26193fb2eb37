/* A small HTTP/1.1 client for the internal API, on libh2o's sockets and its response parser.
 *
 * Exactly-once counting needs certainty about each call: whether the request may have been sent,
 * that it was sent at most once, and that the answer belongs to it. Therefore, unlike libh2o's own
 * client and libcurl (docs/design.md compares them):
 *  - The client never repeats a request.
 *  - Each request has an id. An answer that does not echo the id is rejected (http_head.h).
 *  - An answer has exactly one Content-Length, no Transfer-Encoding, and a limited size. A
 *    truncated, malformed or overlong answer is rejected.
 *  - A connection is closed at once if it receives unexpected bytes or its end, in use or idle, and
 *    if a call on it exceeds its deadline.
 *  - The client remembers for each connection, not for each address, whether the other side reads
 *    MessagePack. During an upgrade another version may answer at the same address. A version that
 *    cannot read MessagePack would refuse the batch (400), and its hits would be lost.
 *
 * States of a call:
 *
 *     http_call --> waiting for a connection --> sent --> ended: callback, once
 *                        |                        |
 *                        | deadline, refused      | deadline, connection closed, invalid answer
 *                        v                        v
 *                   HTTP_NOT_SENT            HTTP_UNKNOWN      (a valid answer: HTTP_ANSWERED)
 *
 * States of a connection:
 *
 *     connecting --request written--> in use --valid answer, keep-alive--> idle
 *                                       ^                                   |
 *                                       +---------- the next call ----------+
 *
 *     Each state ends with the close of the connection: after a call that fails or is cancelled, an
 *     answer that is not accepted, max_idle_ms, or unexpected bytes. When a call fails, all idle
 *     connections to the same address are closed, too.
 *
 * A callback runs exactly once, from the loop, never before http_call returns, never after
 * http_call_cancel. It must not cancel its own call or destroy the client. All calls from the
 * loop's thread.
 */
#ifndef RENDER_COUNT_HTTP_CLIENT_H
#define RENDER_COUNT_HTTP_CLIENT_H

#include "base/buffer.h"
#include "proto/encoding.h"
#include "render-svc/count/http_address.h"
#include "server/loop/worker.h"
#include "server/ops/trace.h"

/* In the order of the label's values in metrics. */
enum http_outcome {
    HTTP_ANSWERED, /* with any status */
    HTTP_NOT_SENT, /* no byte of the request was sent */
    HTTP_UNKNOWN   /* counter-svc may have processed the request */
};

struct http_answer {
    enum http_outcome outcome;
    int status;       /* of HTTP_ANSWERED */
    const char *body; /* valid during the callback */
    size_t len;
    enum encoding encoding; /* of the body, by its Content-Type */
    const char *reason;     /* of the other outcomes: static text */
};

/* Returns whether the answer is accepted, that is, matches the request. If it does not, its
 * connection is closed. The result is ignored unless the outcome is HTTP_ANSWERED. */
typedef bool (*http_callback)(void *data, const struct http_answer *answer);

/* Appends the body of a request in this encoding. `data` is the request's `encode_data`. */
typedef void (*http_encode)(void *data, enum encoding encoding, struct buffer *to);

/* A request. The pointers need not be valid after http_call has returned. */
struct http_request {
    const char *method; /* GET or POST */
    const char *target;
    http_encode encode; /* NULL: no body. Runs once, within http_call. */
    void *encode_data;
    const struct trace *trace; /* the trace that the request belongs to */
};

struct http_client;
struct http_call;

struct http_settings {
    const char *token;    /* for the Authorization header */
    uint64_t connect_ms;  /* deadline of a connection attempt */
    uint64_t deadline_ms; /* deadline of a call, with its connection attempt */
    uint64_t max_idle_ms; /* shorter than the server's own limit */
};

/* `settings` must outlive the client. */
struct http_client *http_client_create(struct worker *worker, const struct http_settings *settings);

/* Cancels every call. Takes NULL. */
void http_client_destroy(struct http_client *client);

/* Sends a request to this address, on an idle connection if there is one. The body is MessagePack
 * if the last answer on that connection offered to read it, otherwise JSON. A request with a body
 * accepts an answer in either encoding. The request's id is also its parent-id in the trace. */
struct http_call *http_call(struct http_client *client, const struct http_address *address,
                            const struct http_request *request, http_callback callback, void *data);

/* Ends a call without a callback. Closes its connection, because an answer may still arrive on
 * it. */
void http_call_cancel(struct http_call *call);

#endif
