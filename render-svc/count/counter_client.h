/* Calls to counter-svc. Each address of its name is a replica. All calls of a worker go to one
 * address, which replicas.h chooses.
 *
 * The name is resolved every `resolve_ms`, regardless of the TTL of its records.
 *
 * The address in use has failed if a call cannot be sent, is not answered, or is answered with 401,
 * 5xx or an answer that the caller rejects. A read that was sent and failed is an exception: a
 * visitor can request a read that takes too long, so a probe decides whether the address works.
 *
 * A call that could not be sent goes to the next address at once. If it may have been sent, only
 * its caller can decide whether it may be repeated. The next address is in use before the callback
 * runs, so a repeat goes there.
 *
 *     counter_call --> http_call to the address in use --answered, or unknown--> ended: callback
 *          |             ^                  |
 *          |             +---- not sent ----+---- no address is left ------> ended: HTTP_NOT_SENT
 *          +-------------------- no address is known ----------------------> ended: HTTP_NOT_SENT
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_COUNT_COUNTER_CLIENT_H
#define RENDER_COUNT_COUNTER_CLIENT_H

#include "render-svc/count/http_client.h"

struct counter_client_settings {
    char *host; /* a name or a numeric address */
    uint16_t port;
    int64_t resolve_ms;
    struct http_settings http;
};

struct counter_client;
struct counter_call;

/* Parses HOST[:PORT] or http://HOST[:PORT][/] into `host`, which the caller frees, and `port`, 8081
 * by default. Returns 0, or -1 with a sentence in `error`. */
int counter_url_parse(const char *url, char **host, uint16_t *port, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* `settings` must outlive it. */
struct counter_client *counter_client_create(struct worker *worker,
                                             const struct counter_client_settings *settings);

/* Cancels every call. Takes NULL. */
void counter_client_destroy(struct counter_client *client);

/* Calls counter-svc. The callback runs exactly once, from the loop, never before this returns,
 * never after counter_call_cancel. `request` and its trace are copied; without a trace the call
 * begins one. Method, target and `encode_data` must live until the callback. `encode` runs once for
 * each address that is tried, at any time until then. */
struct counter_call *counter_call(struct counter_client *client, const struct http_request *request,
                                  http_callback callback, void *data);

/* Ends a call without a callback. */
void counter_call_cancel(struct counter_call *call);

#endif
