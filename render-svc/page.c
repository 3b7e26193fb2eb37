#include "render-svc/page.h"

#define HEAD                                                                                       \
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"                      \
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"                   \
    "<title>Path Count</title>\n<link rel=\"icon\" href=\"/-/icon.svg\">\n"                        \
    "<link rel=\"stylesheet\" href=\"/-/style.css\">\n</head>\n<body>\n<main>\n"
#define END "</main>\n</body>\n</html>\n"

h2o_iovec_t page_head(void)
{
    return h2o_iovec_init(H2O_STRLIT(HEAD "<h1>Path Count</h1>\n"));
}

/* What a character becomes in HTML; NULL: itself. */
static const char *escape(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case 0x7F:
        return "\xEF\xBF\xBD";
    default:
        /* control characters are not allowed in HTML, however they are written: U+FFFD */
        return c < 0x20 ? "\xEF\xBF\xBD" : NULL;
    }
}

void html_add_text(struct buffer *to, const char *text, size_t len)
{
    size_t from = 0;

    for (size_t i = 0; i < len; ++i) {
        const char *escaped = escape((unsigned char)text[i]);
        if (escaped == NULL)
            continue;
        buffer_add(to, text + from, i - from);
        buffer_add_string(to, escaped);
        from = i + 1;
    }
    buffer_add(to, text + from, len - from);
}

/* A number, which is never negative, with its thousands apart. */
static void add_number(struct buffer *to, int64_t number)
{
    char text[26];
    size_t at = sizeof(text), digits = 0;

    do {
        if (digits != 0 && digits % 3 == 0)
            text[--at] = ',';
        text[--at] = (char)('0' + number % 10);
        number /= 10;
        ++digits;
    } while (number != 0);
    buffer_add(to, text + at, sizeof(text) - at);
}

void page_add_own(struct buffer *to, const char *path, size_t path_len, int64_t number)
{
    buffer_add_literal(to, "<p class=\"visited\"><span class=\"path\"><bdi>");
    html_add_text(to, path, path_len);
    buffer_add_literal(to, "</bdi></span> <strong class=\"number\">");
    if (number != 0)
        add_number(to, number);
    buffer_add_literal(to, "</strong></p>\n");
}

static void add_row(struct buffer *to, const struct row *row)
{
    buffer_add_literal(to, "<tr><td><bdi>");
    html_add_text(to, row->path, row->path_len);
    buffer_add_literal(to, "</bdi></td><td>");
    add_number(to, row->count);
    buffer_add_literal(to, "</td></tr>\n");
}

void page_add_rows(struct buffer *to, const struct rows *rows)
{
    if (rows == NULL) {
        buffer_add_literal(to,
                           "<p class=\"totals\">Your visit is counted. The table cannot be shown "
                           "just now.</p>\n" END);
        return;
    }
    buffer_add_literal(to, "<table>\n<thead><tr><th scope=\"col\">Path</th>"
                           "<th scope=\"col\">Count</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < rows->size; ++i)
        add_row(to, &rows->rows[i]);
    buffer_add_literal(to, "</tbody>\n</table>\n<p class=\"totals\">");
    add_number(to, rows->totals.paths);
    buffer_add_string(to, rows->totals.paths == 1 ? " path, " : " paths, ");
    add_number(to, rows->totals.hits);
    buffer_add_string(to, rows->totals.hits == 1 ? " hit in all</p>\n" : " hits in all</p>\n");
    buffer_add_literal(to, END);
}

void json_add_own(struct buffer *to, const char *path, size_t path_len, int64_t number)
{
    buffer_add_literal(to, "{\"path\":");
    buffer_add_json(to, path, path_len);
    buffer_add_literal(to, ",\"count\":");
    buffer_add_int(to, number);
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

void page_add_error(struct buffer *to, int status, const char *title, const char *detail)
{
    buffer_add_literal(to, HEAD "<h1>");
    buffer_add_int(to, status);
    buffer_add_literal(to, " ");
    html_add_text(to, title, strlen(title));
    buffer_add_literal(to, "</h1>\n<p>");
    html_add_text(to, detail, strlen(detail));
    buffer_add_literal(to, "</p>\n" END);
}
