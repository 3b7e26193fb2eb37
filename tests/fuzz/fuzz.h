/* What the fuzzers share. Each is one file with LLVMFuzzerTestOneInput, which feeds the input to a
 * decoder and asserts what must hold of whatever it takes; tests/fuzz/corpus/NAME holds inputs to
 * begin with. `make test-fuzz` runs each for a while; what one finds becomes a unit test.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert(), whatever NDEBUG says. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
