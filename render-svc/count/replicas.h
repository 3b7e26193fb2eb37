/* Which replica of counter-svc a worker uses: a state machine without I/O.
 *
 * All renderers should use the same replica, because counters that write at the same time slow each
 * other down; the other replicas are there for availability. Renderers do not talk to each other.
 * They agree because each of them follows the same order, that of the sorted addresses:
 *  - A worker begins with the lowest address and stays with the address that it uses.
 *  - When that address fails, the worker moves at once to the lowest address that has not failed
 *    within REPLICAS_FAILED_MS. If every address has, it moves to the one that failed longest ago.
 *  - Addresses below the one in use are probed every REPLICAS_PROBE_MS. The worker returns to such
 *    an address after every probe has succeeded for the address's hold time. Each worker adds its
 *    own share of the hold time, between nothing and half of it, so that workers return one after
 *    the other.
 *  - An address that fails again after a return has its hold time doubled, up to
 *    REPLICAS_MAX_HOLD_MS. After that long in use without a failure, the hold time starts again at
 *    REPLICAS_HOLD_MS.
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
 * address that it was sent to, whichever address is in use when it ends.
 *
 * Times are milliseconds of one monotonic clock and never 0. A time in the future, an empty list,
 * or one that is too long violates an invariant and ends the program. One thread.
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

/* Whether a report made the worker move to another address, and why. In the order of their names in
 * metrics. */
enum replicas_move {
    REPLICAS_FAILED,   /* the address in use failed */
    REPLICAS_REMOVED,  /* the address in use is no longer among the addresses */
    REPLICAS_RETURNED, /* a lower address has been healthy for its hold time */
    REPLICAS_STAYS     /* it did not move */
};

struct replica {
    struct http_address address;
    uint64_t failed_ms;  /* when it last failed; 0: it has worked since, or was never tried */
    uint64_t probed_ms;  /* when its last probe began; 0: never */
    uint64_t healthy_ms; /* since when its probes succeed; 0: not known, always from `used` on */
    uint64_t hold_ms;    /* how long it must be healthy before a return */
    bool probing;        /* a probe is under way */
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
    bool returned;          /* it came to the address in use by a return */
    bool suspected;         /* the address in use is to be probed now */
};

#define REPLICAS_SHARES 1024

/* Makes an empty list. `share` is the worker's share of half the hold time: a random number below
 * REPLICAS_SHARES. */
void replicas_init(struct replicas *replicas, uint64_t share);

/* Replaces the list by `count` addresses, at least one and at most REPLICAS_MAX, each once and in
 * the order that all renderers share. An address that was in the list before keeps its history. */
enum replicas_move replicas_set(struct replicas *replicas, const struct http_address *found,
                                size_t count, uint64_t now_ms);

/* The address to call, or NULL while there is none. Valid until the next replicas_set. */
const struct http_address *replicas_used(const struct replicas *replicas);

/* The address has answered a call as it should. Returns whether it is the one in use. */
bool replicas_answered(struct replicas *replicas, const struct http_address *address,
                       uint64_t now_ms);

/* A call to the address, begun at `begun_ms`, has failed in a way that is the address's fault.
 * Calls that were under way at the address's last failure have failed with it and count no more. */
enum replicas_move replicas_failed(struct replicas *replicas, const struct http_address *address,
                                   uint64_t begun_ms, uint64_t now_ms);

/* A call to the address, begun at `begun_ms`, has failed, perhaps through the call's own fault (it
 * asked for too much). Has the address in use probed unless it has answered another call since. */
void replicas_suspect(struct replicas *replicas, const struct http_address *address,
                      uint64_t begun_ms);

/* Whether every address has failed since one last answered. */
bool replicas_all_failed(const struct replicas *replicas);

/* The index of an address to be probed now, or `count` if there is none. The address counts as
 * being probed from then on. The one in use is probed when it is suspected and when it has answered
 * nothing for `idle_ms`; lower ones are probed as described above. */
size_t replicas_next_probe(struct replicas *replicas, uint64_t now_ms, uint64_t idle_ms);

/* The probe of the address, begun at `begun_ms`, has ended. */
enum replicas_move replicas_probed(struct replicas *replicas, const struct http_address *address,
                                   bool succeeded, uint64_t begun_ms, uint64_t now_ms);

#endif
