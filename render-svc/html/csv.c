#include "render-svc/html/csv.h"

static bool looks_like_a_formula(const char *text, size_t len)
{
    return len != 0 && *text != '\0' && strchr("=+-@\t\r\n", *text) != NULL;
}

static bool needs_quotes(const char *text, size_t len)
{
    for (size_t i = 0; i < len; ++i)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\r' || text[i] == '\n')
            return true;
    return false;
}

void csv_begin(struct buffer *to, bool with_bom)
{
    if (with_bom)
        buffer_add_literal(to, "\xEF\xBB\xBF");
}

void csv_add_text(struct buffer *to, const char *text, size_t len)
{
    const char *end = text + len, *quote;
    bool quoted = needs_quotes(text, len);

    if (quoted)
        buffer_add_literal(to, "\"");
    if (looks_like_a_formula(text, len))
        buffer_add_literal(to, "'");
    while ((quote = memchr(text, '"', (size_t)(end - text))) != NULL) {
        buffer_add(to, text, (size_t)(quote + 1 - text));
        buffer_add_literal(to, "\"");
        text = quote + 1;
    }
    buffer_add(to, text, (size_t)(end - text));
    if (quoted)
        buffer_add_literal(to, "\"");
}

void csv_add_rows_head(struct buffer *to)
{
    buffer_add_literal(to, "path,count" CSV_END);
}

void csv_add_rows(struct buffer *to, const struct rows *rows)
{
    for (size_t i = 0; i < rows->size; ++i) {
        csv_add_text(to, rows->rows[i].path, rows->rows[i].path_len);
        buffer_add_literal(to, ",");
        buffer_add_int(to, rows->rows[i].count);
        buffer_add_literal(to, CSV_END);
    }
}

void csv_add_detail(struct buffer *to, const struct path_detail *detail)
{
    buffer_add_literal(to, "path,count,rank,first,last" CSV_END);
    csv_add_text(to, detail->path, detail->path_len);
    buffer_add_literal(to, ",");
    buffer_add_int(to, detail->count);
    buffer_add_literal(to, ",");
    if (detail->rank != 0)
        buffer_add_int(to, detail->rank);
    buffer_add_literal(to, ",");
    buffer_add_string(to, detail->first);
    buffer_add_literal(to, ",");
    buffer_add_string(to, detail->last);
    buffer_add_literal(to, CSV_END);
}
