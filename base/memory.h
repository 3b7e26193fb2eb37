/* Allocations that end the process if memory runs out, like those of libh2o. That is safe for hits:
 * a hit is either in the ledger or was never confirmed. Any thread.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Allocates `count` zeroed objects of `size` bytes. Never returns NULL, not even for a count of 0.
 * The caller frees them with free(). */
void *memory_allocate(size_t count, size_t size) __attribute__((warn_unused_result, malloc));

/* Resizes memory of memory_allocate or memory_resize, or NULL, to `size` bytes, at least 1. The old
 * pointer is invalid afterwards. */
void *memory_resize(void *memory, size_t size) __attribute__((warn_unused_result));

#endif
