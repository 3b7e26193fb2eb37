#include "render-svc/html/html.h"

#include "base/invariant.h"

#include <stdarg.h>
#include <stdio.h>

#define REPLACEMENT "\xEF\xBF\xBD"
#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes of the second part of a long path: without a slash near, at least, at most. */
#define TAIL_BYTES     14
#define TAIL_MIN_BYTES 6
#define TAIL_MAX_BYTES 20

/* Bytes that need no escape in HTML. Most bytes of paths are of this kind. */
static const bool PLAIN[256] = {
    ['!'] = true, ['#' ... '%'] = true, ['(' ... ';'] = true, ['='] = true, ['?' ... '~'] = true,
};

/* How hidden characters are shown. */
enum hidden { REPLACED, FRAMED, IN_BRACKETS };

/* Characters that show nothing, look like a blank, or change the direction of others: format and
 * control characters, blanks other than U+0020, fillers, variation selectors, noncharacters
 * (Unicode 15, Default_Ignorable_Code_Point and White_Space). In order. */
static const struct range {
    uint32_t from, to;
} HIDDEN[] = {
    {0x0000, 0x001F},   {0x007F, 0x00A0},   {0x00AD, 0x00AD},     {0x034F, 0x034F},
    {0x061C, 0x061C},   {0x115F, 0x1160},   {0x1680, 0x1680},     {0x17B4, 0x17B5},
    {0x180B, 0x180F},   {0x2000, 0x200F},   {0x2028, 0x202F},     {0x205F, 0x206F},
    {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},     {0xFDD0, 0xFDEF},
    {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},     {0xFFF0, 0xFFFC},
    {0xFFFE, 0xFFFF},   {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},   {0x1FFFE, 0x1FFFF},
    {0x2FFFE, 0x2FFFF}, {0x3FFFE, 0x3FFFF}, {0x4FFFE, 0x4FFFF},   {0x5FFFE, 0x5FFFF},
    {0x6FFFE, 0x6FFFF}, {0x7FFFE, 0x7FFFF}, {0x8FFFE, 0x8FFFF},   {0x9FFFE, 0x9FFFF},
    {0xAFFFE, 0xAFFFF}, {0xBFFFE, 0xBFFFF}, {0xCFFFE, 0xCFFFF},   {0xDFFFE, 0xE0FFF},
    {0xEFFFE, 0xEFFFF}, {0xFFFFE, 0xFFFFF}, {0x10FFFE, 0x10FFFF},
};

static bool is_hidden(uint32_t character)
{
    size_t low = 0, high = SIZE(HIDDEN);

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (HIDDEN[middle].to < character)
            low = middle + 1;
        else
            high = middle;
    }
    return low < SIZE(HIDDEN) && character >= HIDDEN[low].from;
}

/* Returns whether HTML cannot contain the character (HTML, 13.2.3.5: control characters and
 * noncharacters). */
static bool is_forbidden(uint32_t character)
{
    return character < 0x20 || (character >= 0x7F && character <= 0x9F) ||
           (character >= 0xFDD0 && character <= 0xFDEF) || (character & 0xFFFE) == 0xFFFE;
}

/* Returns the first character of valid UTF-8. `*size` becomes the number of its bytes. */
static uint32_t character_at(const char *text, size_t len, size_t *size)
{
    unsigned char lead = (unsigned char)*text;
    size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t character = bytes == 1 ? lead : lead & (0xFFU >> (bytes + 1));

    *size = bytes < len ? bytes : len;
    for (size_t i = 1; i < *size; ++i)
        character = character << 6 | ((unsigned char)text[i] & 0x3FU);
    return character;
}

static void add_code_point(struct buffer *to, uint32_t character, enum hidden how)
{
    static const char HEX[] = "0123456789ABCDEF";
    unsigned digits = character > 0xFFFFF ? 6 : character > 0xFFFF ? 5 : 4;

    buffer_add_string(to, how == FRAMED ? "<i>U+" : "[U+");
    while (digits-- > 0)
        buffer_add(to, &HEX[character >> (4 * digits) & 15], 1);
    buffer_add_string(to, how == FRAMED ? "</i>" : "]");
}

/* Returns the escaped form of an ASCII character, or NULL if it needs none. */
static const char *escape(char c)
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
    default:
        return NULL;
    }
}

/* Returns whether a browser would not show a space: at the end, or after another one. */
static bool is_lost_blank(const char *text, size_t len, size_t at)
{
    return text[at] == ' ' && (at + 1 == len || (at > 0 && text[at - 1] == ' '));
}

/* Appends the bytes from `from` up to `to_at` of a text of `len` bytes. */
static void add_escaped(struct buffer *to, const char *text, size_t len, size_t from, size_t to_at,
                        enum hidden how)
{
    size_t size, done = from;

    for (size_t i = from; i < to_at; i += size) {
        uint32_t character;
        const char *escaped;

        size = 1;
        if (PLAIN[(unsigned char)text[i]])
            continue;
        character = character_at(text + i, to_at - i, &size);
        escaped = size == 1 ? escape(text[i]) : NULL;
        if (escaped == NULL &&
            !(how == REPLACED ? is_forbidden(character)
                              : is_hidden(character) || is_lost_blank(text, len, i)))
            continue;
        buffer_add(to, text + done, i - done);
        done = i + size;
        if (escaped != NULL)
            buffer_add_string(to, escaped);
        else if (how == REPLACED)
            buffer_add_literal(to, REPLACEMENT);
        else
            add_code_point(to, character, how);
    }
    buffer_add(to, text + done, to_at - done);
}

void html_add_text(struct buffer *to, const char *text, size_t len)
{
    add_escaped(to, text, len, 0, len, REPLACED);
}

void html_add_path(struct buffer *to, const char *path, size_t len)
{
    add_escaped(to, path, len, 0, len, FRAMED);
}

void html_add_path_attribute(struct buffer *to, const char *path, size_t len)
{
    add_escaped(to, path, len, 0, len, IN_BRACKETS);
}

/* Returns where the second part of a long path begins: at a slash, if there is one near; never
 * within a character. */
static size_t tail_of(const char *path, size_t len)
{
    size_t at = len - TAIL_MIN_BYTES;

    while (at > len - TAIL_MAX_BYTES && path[at] != '/')
        --at;
    if (path[at] == '/')
        return at;
    at = len - TAIL_BYTES;
    while (((unsigned char)path[at] & 0xC0) == 0x80)
        --at;
    return at;
}

size_t html_add_path_link(struct buffer *to, const char *path, size_t len, size_t whole)
{
    size_t tail = len, encoded;

    buffer_add_literal(to, HTML_LINK_HREF);
    link_add_address(to, LINK_PATHS);
    encoded = to->len;
    link_add_path(to, path, len);
    encoded = to->len - encoded;
    if (link_ends_with_history(path, len))
        buffer_add_literal(to, LINK_ABOUT_PATH);
    if (len <= whole || len <= TAIL_MAX_BYTES) {
        buffer_add_literal(to, "\">");
        add_escaped(to, path, len, 0, len, FRAMED);
        buffer_add_literal(to, "</a>");
        return encoded;
    }
    tail = tail_of(path, len);
    buffer_add_literal(to, "\" class=l title=\"");
    html_add_path_attribute(to, path, len);
    buffer_add_literal(to, "\"><span aria-hidden=true>");
    add_escaped(to, path, len, 0, tail, FRAMED);
    buffer_add_literal(to, "</span><span aria-hidden=true>");
    add_escaped(to, path, len, tail, len, FRAMED);
    buffer_add_literal(to, "</span></a>");
    return encoded;
}

void html_add_number(struct buffer *to, int64_t number)
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

/* Skips `conversion` if the format begins with it. */
static bool take(const char **format, const char *conversion)
{
    size_t len = strlen(conversion);

    if (strncmp(*format, conversion, len) != 0)
        return false;
    *format += len;
    return true;
}

/* Appends an argument that the C library formats. */
#define ADD_PRINTED(to, format, argument)                                                          \
    do {                                                                                           \
        buffer_reserve((to), PRINTED_BYTES);                                                       \
        (to)->len += (size_t)snprintf((to)->bytes + (to)->len, PRINTED_BYTES, format, argument);   \
    } while (0)

/* Room for any number in these formats. */
#define PRINTED_BYTES 32

void html_add(struct buffer *to, const char *format, ...)
{
    va_list arguments;
    const char *percent, *text;

    va_start(arguments, format);
    for (; (percent = strchr(format, '%')) != NULL;) {
        buffer_add(to, format, (size_t)(percent - format));
        format = percent + 1;
        if (take(&format, "s")) {
            text = va_arg(arguments, const char *);
            html_add_text(to, text, strlen(text));
        } else if (take(&format, ".*s")) {
            int len = va_arg(arguments, int);
            html_add_text(to, va_arg(arguments, const char *), (size_t)len);
        } else if (take(&format, "'jd")) {
            html_add_number(to, va_arg(arguments, intmax_t));
        } else if (take(&format, "jd")) {
            buffer_add_int(to, va_arg(arguments, intmax_t));
        } else if (take(&format, "d")) {
            buffer_add_int(to, va_arg(arguments, int));
        } else if (take(&format, "u")) {
            buffer_add_int(to, (int64_t)va_arg(arguments, unsigned));
        } else if (take(&format, "zu")) {
            size_t size = va_arg(arguments, size_t);
            buffer_add_int(to, (int64_t)size);
        } else if (take(&format, "06x")) {
            ADD_PRINTED(to, "%06x", va_arg(arguments, unsigned));
        } else if (take(&format, ".4g")) {
            ADD_PRINTED(to, "%.4g", va_arg(arguments, double));
        } else {
            INVARIANT(take(&format, "%")); /* no other conversion is known */
            buffer_add_literal(to, "%");
        }
    }
    va_end(arguments);
    buffer_add_string(to, format);
}
