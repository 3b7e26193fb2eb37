/* A growable run of bytes to write an answer into.
 *
 * Used by one thread at a time. Running out of memory ends the process, as it does in libh2o: there
 * is nothing useful left to answer with, and a count that was not confirmed is not lost by it.
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

/* Makes room for `more` bytes behind `len`, when there is not enough. */
void buffer_grow(struct buffer *buffer, size_t more);

/* Makes sure that `more` bytes can be written behind `len`, and returns where. */
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

/* Appends the text as a JSON string, quotes included. The text must be valid UTF-8, which is kept
 * as it is; quotes, backslashes and control characters are escaped (RFC 8259, 7). */
void buffer_add_json(struct buffer *buffer, const char *text, size_t len);

/* Appends the text so that it is one value in a URL's path or query: everything but unreserved
 * characters as %XX (RFC 3986, 2.3). */
void buffer_add_percent(struct buffer *buffer, const char *text, size_t len);

/* Frees the bytes and makes the buffer empty again. */
void buffer_free(struct buffer *buffer);

#endif
