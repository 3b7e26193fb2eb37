/* The canonical path: an accepted one is valid, and resolving it again does not change it. */
#include "base/buffer.h"
#include "proto/path.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const char *path, size_t len)
{
    struct buffer target = {0};
    enum path_error error;
    size_t again_len;
    char *again;

    buffer_add_literal(&target, "/");
    buffer_add_percent(&target, path + 1, len - 1);
    again = malloc(target.len);
    MUST(again != NULL);
    error = path_canonicalize(target.bytes, target.len, again, &again_len);
    MUST(error == PATH_OK);
    MUST(path_compare(path, len, again, again_len) == 0);
    free(again);
    buffer_free(&target);
}

/* A normalised path is valid and fits into its buffer. Normalising it again does not change it. */
static void check_normalized(const char *path, size_t len, unsigned which)
{
    const struct path_rules rules = {(which & 1) != 0, (which & 2) != 0, (which & 4) != 0,
                                     (which & 8) != 0};
    char *once = malloc(NORMALIZED_BYTES(len)), *twice;
    size_t once_len = path_normalize(&rules, path, len, once), twice_len;

    MUST(once_len >= 1 && once_len <= NORMALIZED_BYTES(len) && once[0] == '/');
    MUST(utf8_is_valid(once, once_len));
    twice = malloc(NORMALIZED_BYTES(once_len));
    twice_len = path_normalize(&rules, once, once_len, twice);
    MUST(path_compare(once, once_len, twice, twice_len) == 0);
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *path = malloc(size == 0 ? 1 : size); /* exactly the size that the contract requires */
    enum path_error error;
    size_t len;

    MUST(path != NULL);
    error = path_canonicalize((const char *)data, size, path, &len);
    if (error == PATH_OK) {
        MUST(len >= 1 && len <= PATH_MAX_BYTES && path[0] == '/');
        MUST(path_is_valid(path, len));
        check_again(path, len);
        check_normalized(path, len, data[size - 1]);
    } else {
        MUST(path_error_text(error) != NULL);
    }
    free(path);
    return 0;
}
