#include "server/ops/log_private.h"

#include <stdio.h>
#include <string.h>

static bool is_plain(const char *text, size_t length);
static size_t quote_character(const char *text, char piece[8], size_t *taken);

const char *log_quote(const char *text, char *buffer, size_t buffer_size)
{
    static const char cut_end[] = "...\"";
    size_t length, at = 0,
                   fits = 1; /* `fits`: the length up to which the end of a cut value has room */

    if (text == NULL)
        text = "";
    length = strlen(text);
    if (length < buffer_size && is_plain(text, length)) {
        memcpy(buffer, text, length + 1);
        return buffer;
    }
    buffer[0] = '\0';
    if (buffer_size < 1 + sizeof(cut_end))
        return buffer;
    buffer[at++] = '"';
    while (*text != '\0') {
        char piece[8];
        size_t taken, size = quote_character(text, piece, &taken);

        if (at + size + 2 > buffer_size) {
            memcpy(buffer + fits, cut_end, sizeof(cut_end));
            return buffer;
        }
        memcpy(buffer + at, piece, size);
        at += size;
        text += taken;
        if (at + sizeof(cut_end) <= buffer_size)
            fits = at;
    }
    buffer[at++] = '"';
    buffer[at] = '\0';
    return buffer;
}

static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"\\=", text[i]) != NULL)
            return false;
    }
    return length > 0;
}

/* Writes the first character of `text` as it is written between quotes, and returns its length.
 * `taken` is its length in `text`. Keeps the bytes of a UTF-8 sequence together. */
static size_t quote_character(const char *text, char piece[8], size_t *taken)
{
    static const char named[] = "\"\\\n\r\t", names[] = "\"\\nrt";
    unsigned char first = (unsigned char)text[0];
    const char *name = strchr(named, text[0]);

    *taken = 1;
    if (name != NULL) {
        piece[0] = '\\';
        piece[1] = names[name - named];
        return 2;
    }
    if (first < 0x20 || first == 0x7f)
        return (size_t)snprintf(piece, 8, "\\x%02x", first);
    if (first >= 0xc0) {
        while (*taken < 4 && ((unsigned char)text[*taken] & 0xc0) == 0x80)
            (*taken)++;
    }
    memcpy(piece, text, *taken);
    return *taken;
}

/* --- the pairs of a line --- */

/* Returns whether a key and its = begin here. */
static bool is_key(const char *at, const char *end, size_t *len)
{
    const char *from = at;

    while (at < end && ((*at >= 'a' && *at <= 'z') || *at == '_' || (*at >= '0' && *at <= '9')))
        ++at;
    *len = (size_t)(at - from);
    return *len != 0 && at < end && *at == '=';
}

/* Returns the end of the word that begins here: a space, the closing quote, or the end of the
 * line. */
static const char *word_end(const char *at, const char *end)
{
    if (at < end && *at == '"') {
        for (++at; at < end && *at != '"'; ++at)
            at += *at == '\\' && at + 1 < end;
    }
    while (at < end && *at != ' ')
        ++at;
    return at;
}

bool log_next_pair(const char **at, const char *end, struct log_pair *pair)
{
    size_t len;

    pair->key_len = 0;
    while (*at < end && !is_key(*at, end, &pair->key_len))
        ++*at;
    if (*at >= end)
        return false;
    pair->key = *at;
    pair->value = pair->key + pair->key_len + 1;
    *at = word_end(pair->value, end);
    while (*at + 1 < end && !is_key(*at + 1, end, &len))
        *at = word_end(*at + 1, end);
    pair->value_len = (size_t)(*at - pair->value);
    *at += *at < end;
    return true;
}

static bool key_is(const struct log_pair *pair, const char *key)
{
    return pair->key_len == strlen(key) && memcmp(pair->key, key, pair->key_len) == 0;
}

bool log_is_number(const char *format, const struct log_pair *pair)
{
    const char *end = format + strlen(format), *at = format;
    struct log_pair wanted;

    if (key_is(pair, "repeated") || key_is(pair, "for_s")) /* as LOG_SUMMED_UP has them */
        return true;
    while (log_next_pair(&at, end, &wanted)) {
        if (wanted.key_len != pair->key_len || memcmp(wanted.key, pair->key, pair->key_len) != 0)
            continue;
        return wanted.value_len >= 2 && wanted.value[0] == '%' &&
               strspn(wanted.value + 1, "hlzjt") == wanted.value_len - 2 &&
               strchr("diu", wanted.value[wanted.value_len - 1]) != NULL;
    }
    return false;
}
