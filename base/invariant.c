#include "base/invariant.h"

#include <stdio.h>
#include <stdlib.h>

void invariant_violated(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: invariant violated: %s\n", file, line, condition);
    abort();
}
