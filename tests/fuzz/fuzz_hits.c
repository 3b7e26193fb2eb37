/* Batches that counter-svc reads from render-svc, in both encodings. An accepted batch conforms to the
 * contract, encoding it again in either encoding gives the same batch, and both encodings of an
 * invalid batch get the same error. */
#include "proto/api.h"
#include "tests/fuzz/both.h"
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
        MUST(entry->bot_hits >= 0 && entry->bot_hits <= entry->hits);
        MUST(i == 0 ||
             path_compare(entry[-1].path, entry[-1].path_len, entry->path, entry->path_len) < 0);
        bytes += entry->path_len;
    }
    MUST(bytes <= BATCH_MAX_PATH_BYTES);
}

static void check_same(const struct batch *batch, const struct batch *other)
{
    MUST(other->lane == batch->lane && other->sequence == batch->sequence);
    MUST(other->size == batch->size);
    for (size_t i = 0; i < batch->size; ++i) {
        const struct batch_entry *one = &batch->entries[i], *also = &other->entries[i];
        MUST(one->hits == also->hits && one->bot_hits == also->bot_hits);
        MUST(path_compare(one->path, one->path_len, also->path, also->path_len) == 0);
    }
}

static void check_comes_back(const struct batch *batch, enum encoding encoding)
{
    struct buffer body = {0};
    const char *error = NULL;
    struct hits again;

    hits_encode(&body, encoding, batch);
    MUST(body.len <= BATCH_MAX_BODY_BYTES);
    MUST(hits_decode(body.bytes, body.len, encoding, &again, &error) == 0);
    check_same(batch, &again.batch);
    hits_free(&again);
    buffer_free(&body);
}

static const char *read_hits(const char *body, size_t len, enum encoding encoding)
{
    const char *error = NULL;
    struct hits hits;

    if (hits_decode(body, len, encoding, &hits, &error) != 0) {
        MUST(error != NULL);
        return error;
    }
    check(&hits.batch);
    for (int i = 0; i < N_ENCODINGS; ++i)
        check_comes_back(&hits.batch, (enum encoding)i);
    hits_free(&hits);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_both((const char *)data, size, read_hits);
    return 0;
}
