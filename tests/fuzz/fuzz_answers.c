/* What render-svc reads of counter-svc: the first byte says which answer, the rest is its body. */
#include "proto/api.h"
#include "proto/detail.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_rows(const struct rows *rows)
{
    MUST(rows->size <= VIEW_MAX_ROWS);
    MUST(rows->totals.paths >= 0 && rows->totals.hits >= 0);
    for (size_t i = 0; i < rows->size; ++i)
        MUST(utf8_is_valid(rows->rows[i].path, rows->rows[i].path_len));
}

static void check_same_text(const char *text, size_t len, const char *other, size_t other_len)
{
    MUST((text == NULL) == (other == NULL));
    MUST(len == other_len && (text == NULL || memcmp(text, other, len) == 0));
}

static void check_same(const struct rows *rows, const struct rows *other)
{
    MUST(rows->size == other->size);
    for (size_t i = 0; i < rows->size; ++i) {
        const struct row *row = &rows->rows[i], *also = &other->rows[i];
        check_same_text(row->path, row->path_len, also->path, also->path_len);
        MUST(row->count == also->count);
    }
    check_same_text(rows->next, rows->next_len, other->next, other->next_len);
    check_same_text(rows->previous, rows->previous_len, other->previous, other->previous_len);
    MUST(rows->totals.paths == other->totals.paths && rows->totals.hits == other->totals.hits);
}

static void read_rows(const char *json, size_t len)
{
    struct rows rows, again;
    struct buffer encoded = {0};
    const char *error = NULL;

    if (rows_decode(json, len, &rows, &error) != 0) {
        MUST(error != NULL);
        return;
    }
    check_rows(&rows);
    rows_encode(&encoded, &rows);
    MUST(rows_decode(encoded.bytes, encoded.len, &again, &error) == 0);
    check_same(&again, &rows);
    rows_free(&again);
    rows_free(&rows);
    buffer_free(&encoded);
}

static void read_counts(const char *json, size_t len)
{
    struct batch_entry entries[] = {{"/a", 2, 1}, {"/b", 2, 3}};
    struct batch batch = {.lane = 17, .sequence = 4, .size = 2, .entries = entries};
    static struct counts counts;
    const char *error = NULL;

    if (counts_decode(json, len, &batch, &counts, &error) != 0) {
        MUST(error != NULL);
        return;
    }
    for (size_t i = 0; i < batch.size; ++i)
        MUST(counts.numbers[i].count >= (counts.repeat ? 0 : entries[i].hits));
    if (counts.has_rows)
        check_rows(&counts.rows);
    rows_free(&counts.rows);
}

static void read_lane(const char *json, size_t len)
{
    const char *error = NULL;
    int64_t lane;

    if (lane_decode(json, len, &lane, &error) == 0)
        MUST(lane >= 1 && lane <= LANE_MAX);
    else
        MUST(error != NULL);
}

static void read_detail(const char *json, size_t len)
{
    struct path_detail detail;
    const char *error = NULL;

    if (detail_decode(json, len, &detail, &error) != 0) {
        MUST(error != NULL);
        return;
    }
    MUST(utf8_is_valid(detail.path, detail.path_len));
    MUST(detail.rank >= 0 && detail.rank <= DETAIL_MAX_RANK);
    detail_free(&detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const READERS[])(const char *, size_t) = {read_rows, read_counts, read_lane,
                                                            read_detail};

    if (size != 0)
        READERS[data[0] % 4]((const char *)data + 1, size - 1);
    return 0;
}
