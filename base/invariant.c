#include "base/invariant.h"

#include <stdio.h>
#include <stdlib.h>

void invariant_violated(const char *condition, const char *file, int line)
{
    fprintf(stderr, "level=error event=invariant-violated at=%s:%d condition=%s\n", file, line,
            condition);
    abort();
}
