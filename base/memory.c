#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

static void *demand(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *memory_allocate(size_t count, size_t size)
{
    return demand(calloc(count != 0 ? count : 1, size));
}

void *memory_resize(void *memory, size_t size)
{
    return demand(realloc(memory, size));
}
