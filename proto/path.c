#include "proto/path.h"

#include <stdint.h>
#include <string.h>
#include <unicase.h>
#include <unistr.h>

static size_t remove_dot_segments(char *path, size_t len);

enum path_error path_resolve(const char *target, size_t target_len, char *path, size_t *path_len)
{
    const char *query = memchr(target, '?', target_len);
    size_t len;

    if (query != NULL)
        target_len = (size_t)(query - target);
    if (target_len == 0 || target[0] != '/' || memchr(target, '#', target_len) != NULL)
        return PATH_NOT_ABSOLUTE;
    if (!percent_decode(target, target_len, path, &len))
        return PATH_BAD_ESCAPE;
    if (memchr(path, '\0', len) != NULL)
        return PATH_HAS_NUL;
    if (!utf8_is_valid(path, len))
        return PATH_NOT_UTF8;
    *path_len = remove_dot_segments(path, len);
    return PATH_OK;
}

enum path_error path_canonicalize(const char *target, size_t target_len, char *path,
                                  size_t *path_len)
{
    enum path_error error = path_resolve(target, target_len, path, path_len);

    return error == PATH_OK && *path_len > PATH_MAX_BYTES ? PATH_TOO_LONG : error;
}

const char *path_error_text(enum path_error error)
{
    switch (error) {
    case PATH_NOT_ABSOLUTE:
        return "The request target is not a path that begins with a slash.";
    case PATH_BAD_ESCAPE:
        return "A percent sign in the path is not followed by two hexadecimal digits.";
    case PATH_HAS_NUL:
        return "The path contains a NUL byte.";
    case PATH_NOT_UTF8:
        return "The path, percent-decoded, is not valid UTF-8.";
    case PATH_TOO_LONG:
        return "The path is longer than 2,048 bytes.";
    case PATH_OK:
        break;
    }
    return "";
}

bool path_is_valid(const char *path, size_t len)
{
    return len >= 1 && len <= PATH_MAX_BYTES && path[0] == '/' && memchr(path, '\0', len) == NULL &&
           utf8_is_valid(path, len);
}

bool path_is_overflow(const char *path, size_t len)
{
    return len == sizeof(PATH_OVERFLOW) - 1 && memcmp(path, PATH_OVERFLOW, len) == 0;
}

int path_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    if (order != 0)
        return order;
    return (a_len > b_len) - (a_len < b_len);
}

/* Returns the number of bytes that follow this lead byte, which is not ASCII, or -1. `low` and
 * `high` are the bounds of the first of them (RFC 3629, 4). */
static int utf8_tail(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 1;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (lead == 0xE0)
            *low = 0xA0; /* no overlong forms */
        else if (lead == 0xED)
            *high = 0x9F; /* no surrogates */
        return 2;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (lead == 0xF0)
            *low = 0x90;
        else if (lead == 0xF4)
            *high = 0x8F; /* at most U+10FFFF */
        return 3;
    }
    return -1;
}

/* Skips ASCII, eight bytes at a time: most paths contain nothing else. */
static const unsigned char *skip_ascii(const unsigned char *at, const unsigned char *end)
{
    uint64_t word;

    while (end - at >= (ptrdiff_t)sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
        at += sizeof(word);
    }
    while (at != end && *at < 0x80)
        ++at;
    return at;
}

bool utf8_is_valid(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + len;

    while ((at = skip_ascii(at, end)) != end) {
        unsigned char low, high;
        int tail = utf8_tail(*at++, &low, &high);
        if (tail < 0 || end - at < tail)
            return false;
        for (; tail > 0; --tail, ++at) {
            if (*at < low || *at > high)
                return false;
            low = 0x80;
            high = 0xBF;
        }
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool percent_decode(const char *text, size_t len, char *out, size_t *out_len)
{
    char *to = out;

    for (size_t i = 0; i < len; ++i) {
        if (text[i] != '%') {
            *to++ = text[i];
            continue;
        }
        int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        *to++ = (char)(high << 4 | low);
        i += 2;
    }
    *out_len = (size_t)(to - out);
    return true;
}

/* Removes dot segments in place (RFC 3986, 5.2.4), from a path that begins with a slash. Each
 * iteration moves one segment with its leading slash. It drops `.`, and `..` with the segment
 * before it. At the end of the path, these leave their slash. */
static size_t remove_dot_segments(char *path, size_t len)
{
    size_t from = 0, to = 0;

    while (from < len) {
        const char *slash = memchr(path + from + 1, '/', len - from - 1);
        size_t end = slash != NULL ? (size_t)(slash - path) : len;
        size_t segment = end - from - 1;
        bool dot = segment == 1 && path[from + 1] == '.';
        bool dots = segment == 2 && path[from + 1] == '.' && path[from + 2] == '.';

        if (dots)
            while (to > 0 && path[--to] != '/')
                ;
        if (!dot && !dots) {
            memmove(path + to, path + from, segment + 1);
            to += segment + 1;
        } else if (end == len) {
            path[to++] = '/';
        }
        from = end;
    }
    return to;
}

/* --- normalisation --- */

#define INDEX "/index.html"

bool path_rules_are_set(const struct path_rules *rules)
{
    return rules->lower_case || rules->collapse_slashes || rules->strip_index || rules->strip_slash;
}

static size_t lower_case(const char *path, size_t len, char *out)
{
    const uint8_t *at = (const uint8_t *)path, *end = at + len;
    uint8_t *to = (uint8_t *)out;

    while (at != end) {
        ucs4_t character = *at;
        if (character < 0x80) {
            *to++ = (uint8_t)(character >= 'A' && character <= 'Z' ? character | 0x20 : character);
            ++at;
            continue;
        }
        at += u8_mbtouc(&character, at, (size_t)(end - at));
        to += u8_uctomb(to, uc_tolower(character), 4);
    }
    return (size_t)(to - (uint8_t *)out);
}

static size_t collapse_slashes(char *path, size_t len)
{
    size_t to = 0;

    for (size_t i = 0; i < len; ++i)
        if (path[i] != '/' || i == 0 || path[i - 1] != '/')
            path[to++] = path[i];
    return to;
}

/* Applies the rules for the end of a path. Returns the remaining length. */
static size_t strip_end(const struct path_rules *rules, const char *path, size_t len)
{
    size_t index = strlen(INDEX), before;

    do {
        before = len;
        while (rules->strip_slash && len > 1 && path[len - 1] == '/')
            --len;
        if (rules->strip_index && len >= index && memcmp(path + len - index, INDEX, index) == 0)
            len -= index - 1;
    } while (len != before);
    return len;
}

size_t path_normalize_prefix(const struct path_rules *rules, const char *prefix, size_t len,
                             char *out)
{
    if (rules->lower_case)
        len = lower_case(prefix, len, out);
    else
        memcpy(out, prefix, len);
    return rules->collapse_slashes ? collapse_slashes(out, len) : len;
}

size_t path_normalize(const struct path_rules *rules, const char *path, size_t len, char *out)
{
    return strip_end(rules, out, path_normalize_prefix(rules, path, len, out));
}
