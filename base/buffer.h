/* A growable buffer of bytes, to write an answer into.
 *
 * One thread at a time. If memory runs out, the process ends, as it does in libh2o: there is no
 * useful answer left, and a hit that was not confirmed may be lost.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buffer {
    char *bytes; /* owned; NULL while nothing was reserved */
    size_t len;
    size_t capacity;
};

/* Makes room for `more` bytes after `len`, if there is not enough. */
void buffer_grow(struct buffer *buffer, size_t more);

/* Makes room for `more` bytes after `len`, and returns their address. */
static inline char *buffer_reserve(struct buffer *buffer, size_t more)
{
    if (more > buffer->capacity - buffer->len)
        buffer_grow(buffer, more);
    return buffer->bytes + buffer->len;
}

/* Appends `len` bytes. */
static inline void buffer_add(struct buffer *buffer, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(buffer_reserve(buffer, len), bytes, len);
    buffer->len += len;
}

/* Appends a string literal. */
#define buffer_add_literal(buffer, literal) buffer_add((buffer), "" literal, sizeof(literal) - 1)

/* Appends a string that ends with NUL. */
void buffer_add_string(struct buffer *buffer, const char *string);

/* Appends a number in decimal. */
void buffer_add_int(struct buffer *buffer, int64_t number);

/* Appends the text as a JSON string with its quotes. The text must be valid UTF-8, which stays as
 * it is. Quotes, backslashes and control characters are escaped (RFC 8259, 7). */
void buffer_add_json(struct buffer *buffer, const char *text, size_t len);

/* Appends the text as one value of a URL's path or query: every byte except unreserved characters
 * as %XX (RFC 3986, 2.3). */
void buffer_add_percent(struct buffer *buffer, const char *text, size_t len);

/* Frees the bytes and makes the buffer empty again. */
void buffer_free(struct buffer *buffer);

#endif
