#include "server/ops/log_private.h"

#include "proto/path.h"

#include <stdio.h>
#include <string.h>

/* The largest integer that JavaScript keeps exact (RFC 8259, 6). */
#define MAX_SAFE 9007199254740992ULL

static const char cut_end[] = ",\"cut\":true}";

/* The output. `full`: something did not fit, and nothing more is added. */
struct json {
    char *to;
    size_t size, len;
    bool full;
};

static void add(struct json *json, const char *text, size_t len)
{
    json->full |= len > json->size - json->len;
    if (json->full)
        return;
    memcpy(json->to + json->len, text, len);
    json->len += len;
}

/* Adds a character that is not ASCII, or U+FFFD for an invalid byte. Returns the length in the
 * input. */
static size_t add_character(struct json *json, const char *at, const char *end)
{
    size_t len = 1;

    while (len < 4 && at + len < end && ((unsigned char)at[len] & 0xC0) == 0x80)
        ++len;
    for (; len != 0; --len) {
        if (utf8_is_valid(at, len)) {
            add(json, at, len);
            return len;
        }
    }
    add(json, "\\ufffd", 6);
    return 1;
}

static bool is_hex_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Adds an escape sequence of log_quote. JSON has the same ones, except \xHH. Returns its length
 * with the backslash. It may be incomplete if the line was cut. */
static size_t add_escape(struct json *json, const char *at, const char *end)
{
    if (end - at >= 2 && strchr("\"\\nrt", at[1]) != NULL) {
        add(json, at, 2);
        return 2;
    }
    if (end - at >= 4 && at[1] == 'x' && is_hex_digit(at[2]) && is_hex_digit(at[3])) {
        add(json, "\\u00", 4);
        add(json, at + 2, 2);
        return 4;
    }
    add(json, "\\\\", 2);
    return 1;
}

static void add_string(struct json *json, const char *at, size_t len, bool quoted)
{
    const char *end = at + len;
    char control[8];

    add(json, "\"", 1);
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        if (c >= 0x80) {
            at += add_character(json, at, end);
        } else if (c == '\\' && quoted) {
            at += add_escape(json, at, end);
        } else {
            if (c < 0x20)
                add(json, control, (size_t)snprintf(control, sizeof(control), "\\u%04x", c));
            else if (c == '"' || c == '\\')
                add(json, c == '"' ? "\\\"" : "\\\\", 2);
            else
                add(json, at, 1);
            ++at;
        }
    }
    add(json, "\"", 1);
}

/* Returns whether a value is an integer in JSON's form, and at most MAX_SAFE. */
static bool is_safe_number(const char *value, size_t len)
{
    size_t sign = len > 1 && value[0] == '-', digits = len - sign;
    unsigned long long number = 0;

    if (digits == 0 || digits > 16 || (digits > 1 && value[sign] == '0'))
        return false;
    for (size_t i = sign; i < len; ++i) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        number = number * 10 + (unsigned long long)(value[i] - '0');
    }
    return number <= MAX_SAFE;
}

static void add_value(struct json *json, const char *format, const struct log_pair *pair)
{
    const char *value = pair->value;
    size_t len = pair->value_len;
    bool quoted = len != 0 && value[0] == '"';

    if (log_is_number(format, pair) && is_safe_number(value, len)) {
        add(json, value, len);
        return;
    }
    if (quoted) {
        ++value;
        len -= len > 1 && value[len - 2] == '"'
                   ? 2
                   : 1; /* the closing quote is missing if the line was cut */
    }
    add_string(json, value, len, quoted);
}

size_t log_to_json(const char *line, size_t len, const char *format, bool cut, char *to,
                   size_t to_size)
{
    struct json json = {.to = to, .size = to_size - (sizeof(cut_end) - 1)};
    const char *at = line, *end = line + len;
    struct log_pair pair;
    size_t fits = 0;

    add(&json, "{", 1);
    while (!json.full && log_next_pair(&at, end, &pair)) {
        fits = json.len;
        if (fits > 1)
            add(&json, ",", 1);
        add_string(&json, pair.key, pair.key_len, false);
        add(&json, ":", 1);
        add_value(&json, format, &pair);
    }
    if (json.full)
        json.len = fits;
    json.size = to_size;
    if (json.full || cut) {
        json.full = false;
        if (json.len > 1)
            add(&json, cut_end, sizeof(cut_end) - 1);
        else
            add(&json, cut_end + 1, sizeof(cut_end) - 2);
    } else {
        add(&json, "}", 1);
    }
    return json.len;
}
