#include "proto/normalize.h"

#include <stdint.h>
#include <string.h>
#include <unicase.h>
#include <unistr.h>

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
