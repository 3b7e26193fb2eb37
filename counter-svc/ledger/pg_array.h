/* PostgreSQL's binary format of parameters and results: BIGINT, and one-dimensional arrays of
 * BIGINT and TEXT (src/backend/utils/adt/arrayfuncs.c, array_recv and array_send: number of
 * dimensions, whether there are NULLs, the element's OID, length and lower bound, then each element
 * with its length; all integers in network byte order).
 */
#ifndef COUNTER_LEDGER_PG_ARRAY_H
#define COUNTER_LEDGER_PG_ARRAY_H

#include "base/buffer.h"

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

/* An array that is being read. */
struct pg_array {
    size_t count;
    const char *_at, *_end;
};

/* Begin to read an array, which points into the bytes. Return false if the bytes have another
 * form. */
bool pg_int8_array_open(struct pg_array *array, const char *bytes, int len)
    __attribute__((warn_unused_result));
bool pg_text_array_open(struct pg_array *array, const char *bytes, int len)
    __attribute__((warn_unused_result));

/* Reads the next element. A NULL has length 0. Call it at most `count` times. Returns false if the
 * bytes end within the element. */
bool pg_array_next(struct pg_array *array, const char **element, size_t *len)
    __attribute__((warn_unused_result));

/* Reads a whole array of BIGINT into `values`, which has room for `most`; a NULL becomes `null`.
 * Returns the number of elements, or -1 if there are more or the bytes have another form. */
int pg_int8_array(const char *bytes, int len, int64_t *values, size_t most, int64_t null)
    __attribute__((warn_unused_result));

#endif
