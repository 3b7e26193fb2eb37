/* Which replica of counter-svc a worker uses: a state machine without I/O.
 *
 * All renderers should use the same replica, because counters that write at the same time slow each
 * other down; the other replicas exist for availability. Renderers do not talk to each other. They
 * agree because each of them follows the order of the sorted addresses:
 *  - A worker begins with the lowest address and stays with the address that it uses.
 *  - When that address fails, the worker moves at once to the lowest address that has not failed
 *    within REPLICAS_FAILED_MS. If all have failed, it moves to the one that failed longest ago.
 *  - Addresses below the one in use are probed every REPLICAS_PROBE_MS. The worker returns to such
 *    an address once all probes have succeeded for the address's hold time. Each worker adds its
 *    own share, up to half of the hold time, so that workers return one after the other.
 *  - An address that fails again after a return has its hold time doubled, up to
 *    REPLICAS_MAX_HOLD_MS. After that long in use without a failure, it is REPLICAS_HOLD_MS again.
 *
 * States of an address:
 *
 *     in use    --a call or probe fails, another address is chosen-----> failed
 *     failed    --it answers, or REPLICAS_FAILED_MS have passed--------> available
 *     failed    --all have failed, and this one failed longest ago-----> in use
 *     available --it is the lowest one when the address in use fails---> in use
 *     available --below the one in use, healthy for its hold time------> in use
 *
 * The caller makes the calls and the probes and reports their outcomes here. A call belongs to the
 * address that it was sent to, even if another address is in use when it ends.
 *
 * Times are milliseconds of one monotonic clock and never 0. A time in the future, an empty list or
 * a list that is too long violates an invariant. One thread.
 */
#ifndef RENDER_COUNT_REPLICAS_H
#define RENDER_COUNT_REPLICAS_H

#include "render-svc/count/http_address.h"

#include <stddef.h>

#define REPLICAS_MAX         64
#define REPLICAS_FAILED_MS   UINT64_C(5000)
#define REPLICAS_PROBE_MS    UINT64_C(1000)
#define REPLICAS_HOLD_MS     UINT64_C(5000)
#define REPLICAS_MAX_HOLD_MS UINT64_C(300000)

/* Whether the worker moves to another address, and why. In the order of the label's values in
 * metrics. */
enum replicas_move {
    REPLICAS_FAILED,   /* the address in use failed */
    REPLICAS_REMOVED,  /* the address in use is no longer among the addresses */
    REPLICAS_RETURNED, /* a lower address has been healthy for its hold time */
    REPLICAS_STAYS     /* it does not move */
};

struct replica {
    struct http_address address;
    uint64_t failed_ms;  /* when it last failed; 0: it has worked since, or was never tried */
    uint64_t probed_ms;  /* when its last probe began; 0: never */
    uint64_t healthy_ms; /* when its probes began to succeed; 0: not known */
    uint64_t hold_ms;    /* how long it must be healthy before the worker returns to it */
    bool probing;        /* a probe is in flight */
};

struct replicas {
    size_t count;
    size_t used; /* index of the address in use; 0 while count is 0 */
    struct replica list[REPLICAS_MAX];
    char left[64];          /* HOST:PORT that the last move left */
    uint64_t used_since_ms; /* when it moved to the address in use */
    uint64_t answered_ms;   /* when an address last answered while it was in use; 0: never */
    size_t failures;        /* of addresses in use, in a row */
    uint64_t share;         /* of half the hold time, in 1/REPLICAS_SHARES */
    bool returned;          /* the last move was a return */
    bool suspected;         /* probe the address in use now */
};

#define REPLICAS_SHARES 1024

/* Initialises an empty list. `share` is the worker's share of half the hold time: a random number
 * below REPLICAS_SHARES. */
void replicas_init(struct replicas *replicas, uint64_t share);

/* Replaces the list with `count` addresses, 1 to REPLICAS_MAX, each once, in the order that all
 * renderers share. An address that was in the list before keeps its history. */
enum replicas_move replicas_set(struct replicas *replicas, const struct http_address *found,
                                size_t count, uint64_t now_ms);

/* Returns the address to call, or NULL while there is none. Valid until the next replicas_set. */
const struct http_address *replicas_used(const struct replicas *replicas);

/* Reports a successful call to the address. Returns whether the address is the one in use. */
bool replicas_answered(struct replicas *replicas, const struct http_address *address,
                       uint64_t now_ms);

/* Reports that a call to the address, begun at `begun_ms`, has failed because of the address.
 * Ignores calls that were in flight at the last failure of the address. */
enum replicas_move replicas_failed(struct replicas *replicas, const struct http_address *address,
                                   uint64_t begun_ms, uint64_t now_ms);

/* Reports that a call to the address, begun at `begun_ms`, has failed, perhaps because it requested
 * too much. The address, if it is the one in use, is probed next, unless it has answered or been
 * probed since. */
void replicas_suspect(struct replicas *replicas, const struct http_address *address,
                      uint64_t begun_ms);

/* Returns whether every address has failed since an address last answered. */
bool replicas_all_failed(const struct replicas *replicas);

/* Returns the index of an address whose probe is due, and marks it as being probed. Returns `count`
 * if there is none. A probe of the address in use is due if it is suspected, or has not answered
 * for `idle_ms`; probes of lower addresses are described above. */
size_t replicas_next_probe(struct replicas *replicas, uint64_t now_ms, uint64_t idle_ms);

/* Reports the end of a probe of the address, begun at `begun_ms`. */
enum replicas_move replicas_probed(struct replicas *replicas, const struct http_address *address,
                                   bool succeeded, uint64_t begun_ms, uint64_t now_ms);

#endif
