#include "server/ops/trace.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

/* The offsets of the parts of a header: 00-TRACE-PARENT-FLAGS. */
#define ID_AT     ((size_t)3)
#define PARENT_AT (ID_AT + TRACE_ID_LEN + 1)
#define FLAGS_AT  (PARENT_AT + TRACE_PARENT_LEN + 1)

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/* Returns 64 random bits: xoshiro256** (Blackman and Vigna, 2018). A state of all zero is not
 * seeded yet. */
static uint64_t draw(void)
{
    static _Thread_local uint64_t state[4];
    uint64_t result, third;

    while ((state[0] | state[1] | state[2] | state[3]) == 0)
        if (getrandom(state, sizeof(state), 0) != sizeof(state))
            memset(state, 0, sizeof(state));
    result = rotate(state[1] * 5, 7) * 9;
    third = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= third;
    state[3] = rotate(state[3], 45);
    return result;
}

static void write_hex(char *to, uint64_t number)
{
    for (int i = 15; i >= 0; --i, number >>= 4)
        to[i] = "0123456789abcdef"[number & 15];
}

void trace_begin(struct trace *trace)
{
    uint64_t high, low;

    do {
        high = draw();
        low = draw();
    } while ((high | low) == 0);
    write_hex(trace->id, high);
    write_hex(trace->id + 16, low);
    trace->id[TRACE_ID_LEN] = '\0';
    trace->sampled = false;
}

static bool is_hex(const char *text, size_t len)
{
    for (size_t i = 0; i < len; ++i)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    return true;
}

/* Returns whether the text is an id: lower-case hexadecimal digits that are not all zero. */
static bool is_id(const char *text, size_t len)
{
    size_t zeros = 0;

    while (zeros < len && text[zeros] == '0')
        ++zeros;
    return zeros < len && is_hex(text, len);
}

bool trace_take(struct trace *trace, const char *value, size_t len)
{
    bool longer = len > TRACE_HEADER_LEN;

    if (len < TRACE_HEADER_LEN || !is_hex(value, 2) || memcmp(value, "ff", 2) == 0)
        return false;
    /* a later version may have more parts, after a dash */
    if (longer && (memcmp(value, "00", 2) == 0 || value[TRACE_HEADER_LEN] != '-'))
        return false;
    if (value[ID_AT - 1] != '-' || value[PARENT_AT - 1] != '-' || value[FLAGS_AT - 1] != '-' ||
        !is_id(value + ID_AT, TRACE_ID_LEN) || !is_id(value + PARENT_AT, TRACE_PARENT_LEN) ||
        !is_hex(value + FLAGS_AT, 2))
        return false;
    memcpy(trace->id, value + ID_AT, TRACE_ID_LEN);
    trace->id[TRACE_ID_LEN] = '\0';
    trace->sampled = strchr("13579bdf", value[FLAGS_AT + 1]) != NULL; /* the lowest bit */
    return true;
}

void trace_write(const struct trace *trace, const char *parent, char header[TRACE_HEADER_LEN + 1])
{
    memcpy(header, "00-", ID_AT);
    memcpy(header + ID_AT, trace->id, TRACE_ID_LEN);
    header[PARENT_AT - 1] = '-';
    memcpy(header + PARENT_AT, parent, TRACE_PARENT_LEN);
    memcpy(header + FLAGS_AT - 1, trace->sampled ? "-01" : "-00", sizeof("-01"));
}
