/* Tests of the canonical path of a request target. */
#ifndef TESTS_UNIT_PATH_FIXTURE_H
#define TESTS_UNIT_PATH_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/path.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* A canonical path, in memory of the length of its target. */
struct canonical {
    enum path_error error;
    size_t len;
    char *path;
};

/* Canonicalises a copy of the target. Copy and result are in memory of exactly this length, so that
 * AddressSanitizer finds reads and writes beyond it. */
static inline struct canonical canonical_of(const char *target, size_t len)
{
    struct canonical c = {.path = malloc(len)};
    char *copy = malloc(len);

    memcpy(copy, target, len);
    c.error = path_canonicalize(copy, len, c.path, &c.len);
    free(copy);
    return c;
}

static inline void assert_path(const char *target, size_t target_len, const char *path,
                               size_t path_len)
{
    struct canonical c = canonical_of(target, target_len);

    if (c.error != PATH_OK)
        fail_msg("%.*s was refused: %s", (int)target_len, target, path_error_text(c.error));
    if (c.len != path_len || memcmp(c.path, path, path_len) != 0)
        fail_msg("%.*s became %.*s, not %.*s", (int)target_len, target, (int)c.len, c.path,
                 (int)path_len, path);
    assert_true(path_is_valid(c.path, c.len));
    free(c.path);
}

static inline void assert_refused(const char *target, size_t len, enum path_error error)
{
    struct canonical c = canonical_of(target, len);

    if (c.error != error)
        fail_msg("%.*s gave error %d, not %d", (int)len, target, c.error, error);
    free(c.path);
}

struct example {
    const char *target, *path;
};

static inline void assert_examples(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_path(examples[i].target, strlen(examples[i].target), examples[i].path,
                    strlen(examples[i].path));
}

#endif
