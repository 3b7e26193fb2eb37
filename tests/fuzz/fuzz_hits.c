/* What counter-svc reads of render-svc: a batch that is taken keeps the contract, and what is encoded
 * of it is read as the same batch. */
#include "proto/api.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check(const struct batch *batch)
{
    size_t bytes = 0;

    MUST(batch->size >= 1 && batch->size <= BATCH_MAX_PATHS);
    MUST(batch->lane >= 1 && batch->lane <= LANE_MAX);
    MUST(batch->sequence >= 1 && batch->sequence <= LANE_MAX);
    for (size_t i = 0; i < batch->size; ++i) {
        const struct batch_entry *entry = &batch->entries[i];
        MUST(path_is_valid(entry->path, entry->path_len));
        MUST(entry->hits >= 1 && entry->hits <= BATCH_MAX_HITS);
        MUST(i == 0 ||
             path_compare(entry[-1].path, entry[-1].path_len, entry->path, entry->path_len) < 0);
        bytes += entry->path_len;
    }
    MUST(bytes <= BATCH_MAX_PATH_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hits hits, again;
    const char *error = NULL;
    struct buffer json = {0};

    if (hits_decode((const char *)data, size, &hits, &error) != 0) {
        MUST(error != NULL);
        return 0;
    }
    check(&hits.batch);
    hits_encode(&json, &hits.batch);
    MUST(json.len <= BATCH_MAX_BODY_BYTES);
    MUST(hits_decode(json.bytes, json.len, &again, &error) == 0);
    MUST(again.batch.lane == hits.batch.lane && again.batch.sequence == hits.batch.sequence);
    MUST(again.batch.size == hits.batch.size);
    for (size_t i = 0; i < hits.batch.size; ++i) {
        const struct batch_entry *one = &hits.batch.entries[i], *other = &again.batch.entries[i];
        MUST(one->hits == other->hits);
        MUST(path_compare(one->path, one->path_len, other->path, other->path_len) == 0);
    }
    buffer_free(&json);
    hits_free(&again);
    hits_free(&hits);
    return 0;
}
