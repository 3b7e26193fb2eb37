/* A visit as JSON, in the parts that page.h describes. */

#include "render-svc/html/page.h"

void json_add_visit(struct buffer *to, const char *path, size_t path_len,
                    struct hit_count hit_count)
{
    buffer_add_literal(to, "{\"path\":");
    buffer_add_json(to, path, path_len);
    buffer_add_literal(to, ",\"count\":");
    buffer_add_int(to, hit_count.count);
    if (hit_count.overflow)
        buffer_add_literal(to, ",\"overflow\":true");
}

void json_add_uncounted(struct buffer *to, const char *path, size_t path_len, int64_t count)
{
    json_add_visit(to, path, path_len, (struct hit_count){count, false});
    buffer_add_literal(to, ",\"counted\":false}\n");
}

void json_add_rows(struct buffer *to, const struct rows *rows)
{
    if (rows == NULL) {
        buffer_add_literal(to, ",\"totals\":null,\"rows\":null}\n");
        return;
    }
    buffer_add_literal(to, ",\"totals\":");
    totals_encode(to, &rows->totals);
    buffer_add_literal(to, ",\"rows\":[");
    for (size_t i = 0; i < rows->size; ++i) {
        if (i != 0)
            buffer_add_literal(to, ",");
        row_encode(to, &rows->rows[i]);
    }
    buffer_add_literal(to, "]}\n");
}
