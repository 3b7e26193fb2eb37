#include "render-svc/count/replicas.h"

#include "base/invariant.h"

#include <stdio.h>
#include <string.h>

void replicas_init(struct replicas *replicas, uint64_t share)
{
    INVARIANT(share < REPLICAS_SHARES);
    memset(replicas, 0, sizeof(*replicas));
    replicas->share = share;
}

static struct replica *find(struct replicas *replicas, const struct http_address *address)
{
    for (size_t i = 0; i < replicas->count; ++i)
        if (http_address_equals(&replicas->list[i].address, address))
            return &replicas->list[i];
    return NULL;
}

static bool is_used(const struct replicas *replicas, const struct replica *replica)
{
    return replica == &replicas->list[replicas->used];
}

/* Returns the lowest address that has not failed within REPLICAS_FAILED_MS. If all have failed,
 * returns the one that failed longest ago. */
static size_t choose(const struct replicas *replicas, uint64_t now_ms)
{
    size_t oldest = 0;

    for (size_t i = 0; i < replicas->count; ++i) {
        uint64_t failed_ms = replicas->list[i].failed_ms;
        if (now_ms - failed_ms >= REPLICAS_FAILED_MS)
            return i;
        if (failed_ms < replicas->list[oldest].failed_ms)
            oldest = i;
    }
    return oldest;
}

/* Moves to another address. `returned`: because it is healthy again. */
static void use(struct replicas *replicas, size_t index, bool returned, uint64_t now_ms)
{
    INVARIANT(now_ms >= replicas->used_since_ms);
    replicas->used = index;
    replicas->used_since_ms = now_ms;
    replicas->returned = returned;
    replicas->suspected = false;
    /* Only addresses below the one in use are probed, so the health of the others is not known. */
    for (size_t i = index; i < replicas->count; ++i)
        replicas->list[i].healthy_ms = 0;
}

/* Notes the address in use as the one that the worker leaves. */
static void leave(struct replicas *replicas)
{
    snprintf(replicas->left, sizeof(replicas->left), "%s",
             replicas->list[replicas->used].address.host);
}

enum replicas_move replicas_set(struct replicas *replicas, const struct http_address *found,
                                size_t count, uint64_t now_ms)
{
    struct replica list[REPLICAS_MAX] = {0};
    bool was_empty = replicas->count == 0;
    size_t used = SIZE_MAX;

    INVARIANT(count > 0 && count <= REPLICAS_MAX);
    for (size_t i = 0; i < count; ++i) {
        const struct replica *known = find(replicas, &found[i]);
        if (known == NULL) {
            list[i] = (struct replica){.address = found[i], .hold_ms = REPLICAS_HOLD_MS};
            continue;
        }
        list[i] = *known;
        if (is_used(replicas, known))
            used = i;
    }
    if (used == SIZE_MAX)
        leave(replicas);
    memcpy(replicas->list, list, sizeof(list));
    replicas->count = count;
    if (used != SIZE_MAX) {
        replicas->used = used;
        return REPLICAS_STAYS;
    }
    use(replicas, choose(replicas, now_ms), false, now_ms);
    return was_empty ? REPLICAS_STAYS : REPLICAS_REMOVED;
}

const struct http_address *replicas_used(const struct replicas *replicas)
{
    return replicas->count != 0 ? &replicas->list[replicas->used].address : NULL;
}

bool replicas_answered(struct replicas *replicas, const struct http_address *address,
                       uint64_t now_ms)
{
    struct replica *replica = find(replicas, address);

    if (replica == NULL)
        return false;
    replica->failed_ms = 0;
    if (!is_used(replicas, replica))
        return false;
    replicas->answered_ms = now_ms;
    replicas->failures = 0;
    replicas->suspected = false;
    return true;
}

/* Sets the hold time of an address that failed in use: how long it must be healthy before the next
 * return. */
static void set_hold(struct replica *replica, bool returned, uint64_t used_ms)
{
    if (used_ms >= REPLICAS_MAX_HOLD_MS)
        replica->hold_ms = REPLICAS_HOLD_MS;
    else if (returned)
        replica->hold_ms = replica->hold_ms < REPLICAS_MAX_HOLD_MS / 2 ? replica->hold_ms * 2
                                                                       : REPLICAS_MAX_HOLD_MS;
}

enum replicas_move replicas_failed(struct replicas *replicas, const struct http_address *address,
                                   uint64_t begun_ms, uint64_t now_ms)
{
    struct replica *replica = find(replicas, address);
    size_t next;

    INVARIANT(begun_ms <= now_ms);
    if (replica == NULL || begun_ms <= replica->failed_ms)
        return REPLICAS_STAYS;
    replica->failed_ms = now_ms;
    replica->healthy_ms = 0;
    if (!is_used(replicas, replica))
        return REPLICAS_STAYS;
    ++replicas->failures;
    set_hold(replica, replicas->returned, now_ms - replicas->used_since_ms);
    next = choose(replicas, now_ms);
    if (next == replicas->used)
        return REPLICAS_STAYS;
    leave(replicas);
    use(replicas, next, false, now_ms);
    return REPLICAS_FAILED;
}

void replicas_suspect(struct replicas *replicas, const struct http_address *address,
                      uint64_t begun_ms)
{
    const struct replica *replica = find(replicas, address);

    if (replica != NULL && is_used(replicas, replica) && begun_ms > replicas->answered_ms &&
        begun_ms > replica->probed_ms)
        replicas->suspected = true;
}

bool replicas_all_failed(const struct replicas *replicas)
{
    return replicas->failures >= replicas->count;
}

static bool is_probe_due(const struct replicas *replicas, size_t index, uint64_t now_ms,
                         uint64_t idle_ms)
{
    const struct replica *replica = &replicas->list[index];
    uint64_t last_ms = replica->probed_ms;

    if (replica->probing)
        return false;
    if (index < replicas->used)
        return now_ms - last_ms >= REPLICAS_PROBE_MS;
    if (last_ms < replicas->answered_ms)
        last_ms = replicas->answered_ms;
    return replicas->suspected || now_ms - last_ms >= idle_ms;
}

size_t replicas_next_probe(struct replicas *replicas, uint64_t now_ms, uint64_t idle_ms)
{
    for (size_t i = 0; i < replicas->count && i <= replicas->used; ++i) {
        if (!is_probe_due(replicas, i, now_ms, idle_ms))
            continue;
        if (i == replicas->used)
            replicas->suspected = false;
        replicas->list[i].probing = true;
        replicas->list[i].probed_ms = now_ms;
        return i;
    }
    return replicas->count;
}

enum replicas_move replicas_probed(struct replicas *replicas, const struct http_address *address,
                                   bool succeeded, uint64_t begun_ms, uint64_t now_ms)
{
    struct replica *replica = find(replicas, address);
    size_t index;

    INVARIANT(begun_ms <= now_ms);
    if (replica == NULL)
        return REPLICAS_STAYS;
    replica->probing = false;
    if (!succeeded)
        return replicas_failed(replicas, address, begun_ms, now_ms);
    if (replicas_answered(replicas, address, now_ms))
        return REPLICAS_STAYS;
    index = (size_t)(replica - replicas->list);
    if (index > replicas->used)
        return REPLICAS_STAYS;
    if (replica->healthy_ms == 0)
        replica->healthy_ms = now_ms;
    if (now_ms - replica->healthy_ms <
        replica->hold_ms + replica->hold_ms / 2 * replicas->share / REPLICAS_SHARES)
        return REPLICAS_STAYS;
    leave(replicas);
    use(replicas, index, true, now_ms);
    return REPLICAS_RETURNED;
}
