#include "proto/batch.h"

#include <stdlib.h>

static int compare_entries(const void *a, const void *b)
{
    const struct batch_entry *x = a, *y = b;

    return path_compare(x->path, x->path_len, y->path, y->path_len);
}

size_t batch_sort(struct batch_entry *entries, size_t size)
{
    size_t last = 0;

    if (size == 0)
        return 0;
    qsort(entries, size, sizeof(*entries), compare_entries);
    for (size_t i = 1; i < size; ++i) {
        if (compare_entries(&entries[last], &entries[i]) == 0) {
            entries[last].hits += entries[i].hits;
            entries[last].bot_hits += entries[i].bot_hits;
        } else {
            entries[++last] = entries[i];
        }
    }
    return last + 1;
}

struct batch_entry *batch_find(const struct batch *batch, const char *path, size_t path_len)
{
    struct batch_entry key = {path, path_len, 0, 0};

    return bsearch(&key, batch->entries, batch->size, sizeof(key), compare_entries);
}
