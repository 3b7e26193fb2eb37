#include "counter-svc/ledger/pg_array.h"

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

static bool array_open(struct pg_array *array, const char *bytes, int len, uint32_t oid)
{
    *array = (struct pg_array){0};
    if (len < 12 || int4(bytes + 8) != oid)
        return false;
    if (int4(bytes) == 0)
        return true;
    if (int4(bytes) != 1 || len < 20)
        return false;
    array->count = int4(bytes + 12);
    array->_at = bytes + 20;
    array->_end = bytes + len;
    return array->count <= (size_t)len / 4; /* each element has a length */
}

bool pg_int8_array_open(struct pg_array *array, const char *bytes, int len)
{
    return array_open(array, bytes, len, INT8_OID);
}

bool pg_text_array_open(struct pg_array *array, const char *bytes, int len)
{
    return array_open(array, bytes, len, TEXT_OID);
}

bool pg_array_next(struct pg_array *array, const char **element, size_t *len)
{
    uint32_t size;

    *element = NULL;
    *len = 0;
    if (array->_end - array->_at < 4)
        return false;
    size = int4(array->_at);
    array->_at += 4;
    if (size == UINT32_MAX)
        return true;
    if (size > (size_t)(array->_end - array->_at))
        return false;
    *element = array->_at;
    *len = size;
    array->_at += size;
    return true;
}

int pg_int8_array(const char *bytes, int len, int64_t *values, size_t most, int64_t null)
{
    struct pg_array array;
    const char *element;
    size_t size;

    if (!pg_int8_array_open(&array, bytes, len) || array.count > most)
        return -1;
    for (size_t i = 0; i < array.count; ++i) {
        if (!pg_array_next(&array, &element, &size) || (element != NULL && size != 8))
            return -1;
        values[i] = element != NULL ? pg_int8(element) : null;
    }
    return (int)array.count;
}
