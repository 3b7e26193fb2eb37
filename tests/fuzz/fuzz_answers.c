/* Answers that render-svc reads from counter-svc. The first byte chooses the kind of answer, the rest
 * is its body. Rows and answers to batches are read in both encodings, with the same result. */
#include "proto/api.h"
#include "proto/detail.h"
#include "tests/fuzz/both.h"
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

static void check_rows_come_back(const struct rows *rows, enum encoding encoding)
{
    struct buffer encoded = {0};
    const char *error = NULL;
    struct rows again;

    rows_encode(&encoded, encoding, rows);
    MUST(rows_decode(encoded.bytes, encoded.len, encoding, &again, &error) == 0);
    check_same(&again, rows);
    rows_free(&again);
    buffer_free(&encoded);
}

static const char *read_rows(const char *body, size_t len, enum encoding encoding)
{
    const char *error = NULL;
    struct rows rows;

    if (rows_decode(body, len, encoding, &rows, &error) != 0) {
        MUST(error != NULL);
        return error;
    }
    check_rows(&rows);
    for (int i = 0; i < N_ENCODINGS; ++i)
        check_rows_come_back(&rows, (enum encoding)i);
    rows_free(&rows);
    return NULL;
}

static struct batch_entry entries[] = {{"/a", 2, 1, 0}, {"/b", 2, 3, 0}};
static const struct batch asked = {.lane = 17, .sequence = 4, .size = 2, .entries = entries};

static void check_counts_come_back(const struct counts *counts, enum encoding encoding)
{
    struct buffer body = {0}, rows = {0};
    static struct counts again;
    const char *error = NULL;

    counts_encode(&body, encoding, &asked, counts->repeat, counts->hit_counts);
    if (counts->has_rows) {
        rows_encode(&rows, encoding, &counts->rows);
        counts_add_rows(&body, encoding, &rows);
    }
    MUST(counts_decode(body.bytes, body.len, encoding, &asked, &again, &error) == 0);
    MUST(again.repeat == counts->repeat && again.has_rows == counts->has_rows);
    for (size_t i = 0; i < asked.size; ++i) {
        MUST(again.hit_counts[i].count == counts->hit_counts[i].count);
        MUST(again.hit_counts[i].overflow == counts->hit_counts[i].overflow);
    }
    if (counts->has_rows)
        check_same(&again.rows, &counts->rows);
    rows_free(&again.rows);
    buffer_free(&rows);
    buffer_free(&body);
}

static const char *read_counts(const char *body, size_t len, enum encoding encoding)
{
    static struct counts counts;
    const char *error = NULL;

    if (counts_decode(body, len, encoding, &asked, &counts, &error) != 0) {
        MUST(error != NULL);
        return error;
    }
    for (size_t i = 0; i < asked.size; ++i)
        MUST(counts.hit_counts[i].count >= (counts.repeat ? 0 : entries[i].hits));
    if (counts.has_rows)
        check_rows(&counts.rows);
    for (int i = 0; i < N_ENCODINGS; ++i)
        check_counts_come_back(&counts, (enum encoding)i);
    rows_free(&counts.rows);
    return NULL;
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
    const char *body = (const char *)data + 1;

    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        check_both(body, size - 1, read_rows);
        break;
    case 1:
        check_both(body, size - 1, read_counts);
        break;
    case 2:
        read_lane(body, size - 1);
        break;
    default:
        read_detail(body, size - 1);
        break;
    }
    return 0;
}
