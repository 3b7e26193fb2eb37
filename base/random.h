/* Random numbers that are never repeated in practice: ids, lanes, seeds.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

/* 64 random bits from the kernel. Waits until there are some; never fails. Any thread. */
uint64_t random_bits(void);

#endif
