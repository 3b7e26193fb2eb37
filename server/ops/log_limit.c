#include "server/ops/log_private.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Maximum bytes that are kept of a line that is held back. No event has more. */
#define PAIRS_BYTES 1024

/* The last kind is for lines that no other kind has room for. */
#define OVERFLOW LOG_KINDS

/* Lines that differ only in numbers and ids. */
struct kind {
    uint64_t hash;     /* of their common text */
    uint64_t since_ms; /* when its interval began; 0: not in use */
    uint64_t count;    /* held back since then */
    /* the last of these lines */
    enum log_level level;
    const char *event, *format;
    size_t len;
    char pairs[PAIRS_BYTES];
};

/* The lines that this thread holds back. */
static _Thread_local struct {
    size_t n_used;
    uint64_t due_ms; /* when the first interval is over */
    struct kind kinds[LOG_KINDS + 1];
} held;

static uint64_t now_ms(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0)
        return 1;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1; /* never 0 */
}

/* Continues an FNV-1a hash. */
static uint64_t hash_add(uint64_t hash, const char *text, size_t len)
{
    for (size_t i = 0; i < len; ++i)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
    return (hash ^ 0xff) * 0x100000001b3;
}

static bool key_is(const struct log_pair *pair, const char *key)
{
    return pair->key_len == strlen(key) && memcmp(pair->key, key, pair->key_len) == 0;
}

static uint64_t hash_of(enum log_level level, const char *event, const char *format,
                        const char *pairs, size_t len)
{
    char level_byte = (char)level;
    uint64_t hash = hash_add(0xcbf29ce484222325, &level_byte, 1);
    const char *at = pairs;
    struct log_pair pair;

    hash = hash_add(hash, event, strlen(event));
    while (log_next_pair(&at, pairs + len, &pair)) {
        hash = hash_add(hash, pair.key, pair.key_len);
        if (!key_is(&pair, "trace") && !key_is(&pair, "request_id") &&
            !log_is_number(format, &pair))
            hash = hash_add(hash, pair.value, pair.value_len);
    }
    return hash;
}

/* Returns the kind with this hash, or an unused one, or else the last one. */
static struct kind *kind_of(uint64_t hash)
{
    struct kind *unused = NULL;

    for (size_t i = 0; i < LOG_KINDS; ++i) {
        struct kind *kind = &held.kinds[i];
        if (kind->since_ms != 0 && kind->hash == hash)
            return kind;
        if (kind->since_ms == 0 && unused == NULL)
            unused = kind;
    }
    return unused != NULL ? unused : &held.kinds[OVERFLOW];
}

static void begin_interval(struct kind *kind, uint64_t now)
{
    kind->since_ms = now;
    kind->count = 0;
    if (held.due_ms == 0 || held.due_ms > now + LOG_INTERVAL_MS)
        held.due_ms = now + LOG_INTERVAL_MS;
}

bool log_admit(enum log_level level, const char *event, const char *format, const char *pairs,
               size_t pairs_len)
{
    uint64_t hash = hash_of(level, event, format, pairs, pairs_len), now = now_ms();
    struct kind *kind;

    log_sum_up(false);
    kind = kind_of(hash);
    if (kind->since_ms == 0) {
        kind->hash = hash;
        ++held.n_used;
        begin_interval(kind, now);
        return true;
    }
    ++kind->count;
    kind->level = level;
    kind->event = event;
    kind->format = format;
    kind->len = pairs_len < PAIRS_BYTES ? pairs_len : PAIRS_BYTES;
    memcpy(kind->pairs, pairs, kind->len);
    return false;
}

static void sum_up(const struct kind *kind, uint64_t now)
{
    char pairs[PAIRS_BYTES + 64];
    int len = snprintf(pairs, sizeof(pairs), LOG_SUMMED_UP " %.*s", (unsigned long long)kind->count,
                       (unsigned long long)(now - kind->since_ms + 999) / 1000, (int)kind->len,
                       kind->pairs);

    len -= kind->len == 0; /* the space */
    log_write(kind->level, kind->event, kind->format, pairs, (size_t)len);
}

void log_sum_up(bool all)
{
    uint64_t now;

    if (held.n_used == 0)
        return;
    now = now_ms();
    if (!all && now < held.due_ms)
        return;
    held.due_ms = 0;
    for (size_t i = 0; i <= LOG_KINDS; ++i) {
        struct kind *kind = &held.kinds[i];
        bool over = all || now - kind->since_ms >= LOG_INTERVAL_MS;
        if (kind->since_ms == 0)
            continue;
        if (over && kind->count != 0)
            sum_up(kind, now);
        if (all || (over && kind->count == 0)) {
            kind->since_ms = 0;
            --held.n_used;
        } else if (over) {
            begin_interval(kind, now);
        } else if (held.due_ms == 0 || kind->since_ms + LOG_INTERVAL_MS < held.due_ms) {
            held.due_ms = kind->since_ms + LOG_INTERVAL_MS;
        }
    }
}
