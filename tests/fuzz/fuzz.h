/* Shared by the fuzzers. Each fuzzer is one file with LLVMFuzzerTestOneInput, which feeds the input
 * to a decoder and checks every accepted result. tests/fuzz/corpus/NAME has its first inputs.
 * `make test-fuzz` runs each fuzzer for a limited time. Turn each finding into a unit test.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert(), but independent of NDEBUG. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
