#include "base/buffer.h"

#include "base/memory.h"

#include <stdlib.h>

static const char HEX[] = "0123456789ABCDEF";

void buffer_grow(struct buffer *buffer, size_t more)
{
    size_t wanted = buffer->len + more;
    size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity;

    while (capacity < wanted)
        capacity *= 2;
    buffer->bytes = memory_resize(buffer->bytes, capacity);
    buffer->capacity = capacity;
}

void buffer_add_string(struct buffer *buffer, const char *string)
{
    buffer_add(buffer, string, strlen(string));
}

void buffer_add_int(struct buffer *buffer, int64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0)
        digits[--at] = '-';
    buffer_add(buffer, digits + at, sizeof(digits) - at);
}

void buffer_add_json(struct buffer *buffer, const char *text, size_t len)
{
    /* the longest escape has six bytes */
    char *start = buffer_reserve(buffer, len * 6 + 2), *to = start;

    *to++ = '"';
    for (size_t i = 0; i < len; ++i) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < 0x20) {
            *to++ = '\\';
            *to++ = 'u';
            *to++ = '0';
            *to++ = '0';
            *to++ = HEX[c >> 4];
            *to++ = HEX[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    buffer->len += (size_t)(to - start);
}

static int is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void buffer_add_percent(struct buffer *buffer, const char *text, size_t len)
{
    char *start = buffer_reserve(buffer, len * 3), *to = start;

    for (size_t i = 0; i < len; ++i) {
        unsigned char c = (unsigned char)text[i];
        if (is_unreserved(c)) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = HEX[c >> 4];
            *to++ = HEX[c & 15];
        }
    }
    buffer->len += (size_t)(to - start);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
