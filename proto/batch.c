#include "proto/batch.h"

#include "proto/memory.h"

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
        if (compare_entries(&entries[last], &entries[i]) == 0)
            entries[last].hits += entries[i].hits;
        else
            entries[++last] = entries[i];
    }
    return last + 1;
}

struct batch_entry *batch_find(const struct batch *batch, const char *path, size_t path_len)
{
    struct batch_entry key = {path, path_len, 0};

    return bsearch(&key, batch->entries, batch->size, sizeof(key), compare_entries);
}

/* The batch whose next entry has the lowest path, or SIZE_MAX when all are at their end. There are
 * few batches in a merge (one of each lane), so a walk over them beats a heap. */
static size_t find_lowest(const struct batch *const *batches, const size_t *at, size_t count)
{
    size_t lowest = SIZE_MAX;

    for (size_t i = 0; i < count; ++i) {
        if (at[i] == batches[i]->size)
            continue;
        if (lowest == SIZE_MAX ||
            compare_entries(&batches[i]->entries[at[i]], &batches[lowest]->entries[at[lowest]]) < 0)
            lowest = i;
    }
    return lowest;
}

void merge_init(struct merge *merge, const struct batch *const *batches, size_t count)
{
    size_t total = 0, i;
    size_t *at = memory_allocate(count, sizeof(*at));

    merge->size = 0;
    merge->batches = count;
    merge->ordinals = memory_allocate(count, sizeof(*merge->ordinals));
    for (i = 0; i < count; ++i) {
        total += batches[i]->size;
        merge->ordinals[i] = memory_allocate(batches[i]->size, sizeof(**merge->ordinals));
    }
    merge->entries = memory_allocate(total, sizeof(*merge->entries));

    while ((i = find_lowest(batches, at, count)) != SIZE_MAX) {
        const struct batch_entry *entry = &batches[i]->entries[at[i]];
        if (merge->size != 0 && compare_entries(&merge->entries[merge->size - 1], entry) == 0)
            merge->entries[merge->size - 1].hits += entry->hits;
        else
            merge->entries[merge->size++] = *entry;
        merge->ordinals[i][at[i]++] = (uint32_t)(merge->size - 1);
    }
    free(at);
}

void merge_take_numbers(const struct merge *merge, const struct batch *batch, size_t index,
                        struct number *counts, struct number *numbers)
{
    for (size_t i = 0; i < batch->size; ++i) {
        struct number *count = &counts[merge->ordinals[index][i]];
        numbers[i] = *count;
        if (count->count != INT64_MAX)
            count->count -= batch->entries[i].hits;
    }
}

void merge_fini(struct merge *merge)
{
    for (size_t i = 0; i < merge->batches; ++i)
        free(merge->ordinals[i]);
    free(merge->ordinals);
    free(merge->entries);
    *merge = (struct merge){0};
}
