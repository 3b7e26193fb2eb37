#include "render-svc/html/live_text.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

bool live_id_read(const char *text, size_t len, struct live_id *id)
{
    char copy[64];
    int end = 0;

    if (len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return sscanf(copy, "%16" SCNx64 "-%16" SCNx64 "%n", &id->epoch, &id->generation, &end) == 2 &&
           (size_t)end == len;
}

static void begin(struct buffer *to, const struct live_id *id, const char *event)
{
    char text[64];

    snprintf(text, sizeof(text), "id: %016" PRIx64 "-%" PRIx64 "\nevent: ", id->epoch,
             id->generation);
    buffer_add_string(to, text);
    buffer_add_string(to, event);
    buffer_add_literal(to, "\ndata: {\"rows\":[");
}

static void end(struct buffer *to, const struct totals *totals)
{
    buffer_add_literal(to, "],\"totals\":");
    totals_encode(to, totals);
    buffer_add_literal(to, "}\n\n");
}

void live_add_snapshot(struct buffer *to, const struct live_id *id, const struct rows *rows)
{
    begin(to, id, "snapshot");
    for (size_t i = 0; i < rows->size; ++i) {
        if (i != 0)
            buffer_add_literal(to, ",");
        row_encode(to, &rows->rows[i]);
    }
    end(to, &rows->totals);
}

/* --- changes --- */

/* A hash table of a view's rows by path: open addressing, at most half full. */
struct index {
    const struct rows *rows;
    size_t mask;
    uint16_t *slots; /* a row's index + 1; 0: empty */
};

_Static_assert(VIEW_MAX_ROWS < UINT16_MAX, "a row's index fits a slot");

/* FNV-1a. Paths that collide on purpose cost little, because a view has at most VIEW_MAX_ROWS
 * rows. */
static size_t hash(const struct row *row)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < row->path_len; ++i)
        hash = (hash ^ (unsigned char)row->path[i]) * 0x100000001b3;
    return (size_t)(hash ^ hash >> 32);
}

/* Returns the slot of the row with this path, or the empty slot where it would be. */
static uint16_t *find_slot(const struct index *index, const struct row *row)
{
    for (size_t at = hash(row);; ++at) {
        uint16_t *slot = &index->slots[at & index->mask];
        if (*slot == 0)
            return slot;
        const struct row *other = &index->rows->rows[*slot - 1];
        if (other->path_len == row->path_len && memcmp(other->path, row->path, row->path_len) == 0)
            return slot;
    }
}

static struct index make_index(const struct rows *rows)
{
    struct index index = {.rows = rows, .mask = 1};

    while (index.mask < rows->size * 2)
        index.mask = index.mask * 2 + 1;
    index.slots = memory_allocate(index.mask + 1, sizeof(*index.slots));
    for (size_t i = 0; i < rows->size; ++i)
        *find_slot(&index, &rows->rows[i]) = (uint16_t)(i + 1);
    return index;
}

/* Appends the rows that are new or have another count. Returns their number. */
static size_t add_changed(struct buffer *to, const struct rows *before, const struct rows *after)
{
    struct index old = make_index(before);
    size_t count = 0;

    for (size_t i = 0; i < after->size; ++i) {
        const struct row *row = &after->rows[i];
        uint16_t number = *find_slot(&old, row);
        if (number != 0 && before->rows[number - 1].count == row->count)
            continue;
        if (count++ != 0)
            buffer_add_literal(to, ",");
        row_encode(to, row);
    }
    free(old.slots);
    return count;
}

/* Appends the paths that have left the view. Returns their number. */
static size_t add_gone(struct buffer *to, const struct rows *before, const struct rows *after)
{
    struct index new = make_index(after);
    size_t count = 0;

    for (size_t i = 0; i < before->size; ++i) {
        if (*find_slot(&new, &before->rows[i]) != 0)
            continue;
        if (count++ != 0)
            buffer_add_literal(to, ",");
        buffer_add_json(to, before->rows[i].path, before->rows[i].path_len);
    }
    free(new.slots);
    return count;
}

bool live_add_change(struct buffer *to, const struct live_id *id, const struct rows *before,
                     const struct rows *after)
{
    size_t start = to->len, changes;

    begin(to, id, "change");
    changes = add_changed(to, before, after);
    buffer_add_literal(to, "],\"gone\":[");
    changes += add_gone(to, before, after);
    end(to, &after->totals);
    if (changes == 0 && before->totals.hits == after->totals.hits &&
        before->totals.paths == after->totals.paths)
        to->len = start;
    return to->len != start;
}
