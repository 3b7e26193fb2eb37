#include "counter-svc/pg_array.h"

#include <endian.h>

#define INT8_OID 20
#define TEXT_OID 25

static void add_int4(struct buffer *to, uint32_t value)
{
    value = htobe32(value);
    buffer_add(to, &value, sizeof(value));
}

void pg_add_int8(struct buffer *to, int64_t value)
{
    uint64_t bytes = htobe64((uint64_t)value);

    buffer_add(to, &bytes, sizeof(bytes));
}

static void add_head(struct buffer *to, uint32_t oid, size_t count)
{
    add_int4(to, count != 0); /* dimensions */
    add_int4(to, 0);          /* no NULLs */
    add_int4(to, oid);
    if (count == 0)
        return;
    add_int4(to, (uint32_t)count);
    add_int4(to, 1); /* the first has index 1 */
}

void pg_add_int8_array_head(struct buffer *to, size_t count)
{
    add_head(to, INT8_OID, count);
}

void pg_add_text_array_head(struct buffer *to, size_t count)
{
    add_head(to, TEXT_OID, count);
}

void pg_add_int8_element(struct buffer *to, int64_t value)
{
    add_int4(to, sizeof(value));
    pg_add_int8(to, value);
}

void pg_add_text_element(struct buffer *to, const char *text, size_t len)
{
    add_int4(to, (uint32_t)len);
    buffer_add(to, text, len);
}

static uint32_t int4(const char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return be32toh(value);
}

int64_t pg_int8(const char *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return (int64_t)be64toh(value);
}

int pg_int8_array(const char *bytes, int len, int64_t *values, size_t most)
{
    const char *at = bytes, *end = bytes + len;
    uint32_t count;

    if (len < 12 || int4(bytes + 8) != INT8_OID)
        return -1;
    if (int4(bytes) == 0)
        return 0;
    if (int4(bytes) != 1 || len < 20)
        return -1;
    count = int4(bytes + 12);
    if (count > most)
        return -1;
    at = bytes + 20;
    for (uint32_t i = 0; i < count; ++i) {
        if (end - at < 4)
            return -1;
        uint32_t size = int4(at);
        at += 4;
        values[i] = 0;
        if (size == UINT32_MAX)
            continue;
        if (size != 8 || end - at < 8)
            return -1;
        values[i] = pg_int8(at);
        at += 8;
    }
    return (int)count;
}
