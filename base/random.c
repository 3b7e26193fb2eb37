#include "base/random.h"

#include <sys/random.h>

uint64_t random_bits(void)
{
    uint64_t bits;

    while (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
        ;
    return bits;
}
