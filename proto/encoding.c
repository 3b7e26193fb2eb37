#include "proto/encoding.h"

#include <string.h>
#include <strings.h>

const char *encoding_media_type(enum encoding encoding)
{
    return encoding == ENCODING_MSGPACK ? MEDIA_MSGPACK : MEDIA_JSON;
}

/* Returns the length of the text before `separator`, or of all. */
static size_t length_before(const char *text, size_t len, char separator)
{
    const char *at = memchr(text, separator, len);

    return at != NULL ? (size_t)(at - text) : len;
}

/* Cuts off white space at both ends. */
static const char *trim(const char *text, size_t *len)
{
    while (*len != 0 && (*text == ' ' || *text == '\t')) {
        ++text;
        --*len;
    }
    while (*len != 0 && (text[*len - 1] == ' ' || text[*len - 1] == '\t'))
        --*len;
    return text;
}

/* Returns whether a parameter is a weight of 0: "q=0", "q=0.0" (RFC 9110, 12.4.2). */
static bool is_weight_0(const char *parameter, size_t len)
{
    parameter = trim(parameter, &len);
    if (len < 3 || strncasecmp(parameter, "q=0", 3) != 0)
        return false;
    for (size_t i = 3; i < len; ++i)
        if (parameter[i] != '.' && parameter[i] != '0')
            return false;
    return true;
}

/* Returns whether a member of a list is MEDIA_MSGPACK, with a weight above 0. */
static bool is_msgpack(const char *member, size_t len)
{
    size_t type_len = length_before(member, len, ';'), at = type_len;
    const char *type = trim(member, &type_len);

    if (type_len != sizeof(MEDIA_MSGPACK) - 1 || strncasecmp(type, MEDIA_MSGPACK, type_len) != 0)
        return false;
    while (at < len) {
        size_t parameter_len = length_before(member + at + 1, len - at - 1, ';');
        if (is_weight_0(member + at + 1, parameter_len))
            return false;
        at += 1 + parameter_len;
    }
    return true;
}

enum encoding encoding_named(const char *value, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t member_len = length_before(value + at, len - at, ',');
        if (is_msgpack(value + at, member_len))
            return ENCODING_MSGPACK;
        at += member_len + 1;
    }
    return ENCODING_JSON;
}
