/* Calls to counter-svc, at one of the addresses that its name has. All calls of a worker go to the
 * same address; replicas.h describes which one that is.
 *
 * The name is looked up again every `resolve_ms`, so replicas that come and go are noticed, whatever
 * the name server says of how long its answer is good.
 *
 * The address in use has failed when a call cannot be sent, is not answered, or is answered by a
 * 401, a 5xx or something other than what was asked for. A read that was sent and failed is an
 * exception, because a visitor can ask for one that takes too long: then a probe decides.
 *
 * A call that could not be sent goes to the next address at once. Once it may have left, only its
 * caller can decide whether it may be repeated. By the time of the callback the next address is in
 * use, so a repeat goes there.
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

/* Reads HOST[:PORT] or http://HOST[:PORT][/] into `host`, to be freed, and `port` (8081 unless
 * given). Returns 0, or -1 with a sentence in `error`. */
int counter_url_parse(const char *url, char **host, uint16_t *port, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* `settings` must outlive it. */
struct counter_client *counter_client_create(struct worker *worker,
                                             const struct counter_client_settings *settings);

/* Cancels every call; takes NULL. */
void counter_client_destroy(struct counter_client *client);

/* Calls counter-svc. The callback runs exactly once, from the loop, never before this returns, never after
 * counter_call_cancel. `request` and its trace are copied; without a trace the call begins one of its own.
 * Method, target and `encode_data` must live until the callback. `encode` runs once for each address that is
 * tried, at any time until then. */
struct counter_call *counter_call(struct counter_client *client, const struct http_request *request,
                                  http_callback callback, void *data);

/* Ends a call without a callback. */
void counter_call_cancel(struct counter_call *call);

#endif
