/* PostgreSQL's binary format of what the statements take and give: one-dimensional arrays of BIGINT
 * and TEXT (src/backend/utils/adt/arrayfuncs.c, array_recv and array_send: number of dimensions,
 * whether there are NULLs, the element's OID, length and lower bound, then each element with its
 * length; all integers in network byte order).
 */
#ifndef COUNTER_PG_ARRAY_H
#define COUNTER_PG_ARRAY_H

#include "proto/buffer.h"

#include <stdbool.h>

/* Appends a BIGINT. */
void pg_add_int8(struct buffer *to, int64_t value);

/* Append the head of an array of `count` elements; the elements follow. */
void pg_add_int8_array_head(struct buffer *to, size_t count);
void pg_add_text_array_head(struct buffer *to, size_t count);

/* Append one element. */
void pg_add_int8_element(struct buffer *to, int64_t value);
void pg_add_text_element(struct buffer *to, const char *text, size_t len);

/* Reads a BIGINT. */
int64_t pg_int8(const char *bytes);

/* Reads an array of BIGINT into `values`, which has room for `most`; a NULL becomes 0. Returns how
 * many there are, or -1 when the bytes are something else or more. */
int pg_int8_array(const char *bytes, int len, int64_t *values, size_t most);

#endif
