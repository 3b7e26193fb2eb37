/* Memory that is there or ends the process, as libh2o's is. A hit is safe then: it is in the ledger, or
 * its visitor was never told so. From any thread.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Room for `count` things of `size` bytes, all zero; never NULL, not even for none. To be freed with
 * free(). */
void *memory_allocate(size_t count, size_t size) __attribute__((warn_unused_result, malloc));

/* Makes what memory_allocate or this returned, or NULL, `size` bytes large, from 1. The old pointer is
 * gone. */
void *memory_resize(void *memory, size_t size) __attribute__((warn_unused_result));

#endif
