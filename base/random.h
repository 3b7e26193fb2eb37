/* Random numbers that practically never repeat: for ids, lanes and seeds. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

/* Returns 64 random bits of the kernel. Waits until it has some; never fails. Any thread. */
uint64_t random_bits(void);

#endif
