#include "server/ops/config_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/ops/log.h"

static int parse(const struct config_key *key, void *field, const char *text, size_t length);
static int parse_integer(const char *text, int64_t min, int64_t max, int64_t *value);
static int parse_choice(const char *text, const char *const *choices, int64_t *value);
static int parse_address(const char *text, struct config_address *address);
static bool has_control_character(const char *text, size_t length);
static bool is_text(const struct config_key *key);

void *config_field(const struct config_key *key, void *config)
{
    return (char *)config + key->offset;
}

const void *config_field_const(const struct config_key *key, const void *config)
{
    return (const char *)config + key->offset;
}

int config_value_set(const struct config_key *key, void *config, const char *text, size_t length)
{
    void *field = config_field(key, config);
    char *copy;

    if (!is_text(key))
        return parse(key, field, text, length);
    if (!config_text_is_right(text, length)) {
        errno = EINVAL;
        return -1;
    }
    copy = malloc(length + 1);
    if (copy == NULL)
        return -1;
    memcpy(copy, text, length);
    copy[length] = '\0';
    config_value_clear(key, config);
    *(char **)field = copy;
    return 0;
}

static int parse(const struct config_key *key, void *field, const char *text, size_t length)
{
    int result = -1;

    errno = EINVAL;
    if (strlen(text) != length)
        return -1;
    switch (key->type) {
    case CONFIG_INTEGER:
        result = parse_integer(text, key->min, key->max, field);
        break;
    case CONFIG_BOOLEAN:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
            *(bool *)field = text[0] == 't';
            result = 0;
        }
        break;
    case CONFIG_CHOICE:
        result = parse_choice(text, key->choices, field);
        break;
    case CONFIG_ADDRESS:
        result = parse_address(text, field);
        break;
    case CONFIG_STRING:
    case CONFIG_SECRET:
        break; /* the caller copies these */
    }
    if (result != 0)
        errno = EINVAL;
    return result;
}

static int parse_integer(const char *text, int64_t min, int64_t max, int64_t *value)
{
    const char *digits = text + (text[0] == '-');
    size_t count = strspn(digits, "0123456789");
    intmax_t parsed;

    if (count == 0 || digits[count] != '\0')
        return -1;
    if (digits[0] == '0' && (count > 1 || digits != text))
        return -1;
    errno = 0;
    parsed = strtoimax(text, NULL, 10);
    if (errno != 0 || parsed < min || parsed > max)
        return -1;
    *value = parsed;
    return 0;
}

static int parse_choice(const char *text, const char *const *choices, int64_t *value)
{
    for (int64_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *value = i;
            return 0;
        }
    }
    return -1;
}

static int parse_address(const char *text, struct config_address *address)
{
    struct config_address parsed = {0};
    unsigned char binary[sizeof(struct in6_addr)];
    bool is_ipv6 = text[0] == '[';
    const char *host = text + is_ipv6;
    size_t host_length = strcspn(host, is_ipv6 ? "]" : ":");
    const char *rest = host + host_length;
    int64_t port;

    if (host_length >= sizeof(parsed.host))
        return -1;
    memcpy(parsed.host, host, host_length);
    if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, parsed.host, binary) != 1)
        return -1;
    if (is_ipv6 && *rest++ != ']')
        return -1;
    if (*rest++ != ':' || parse_integer(rest, 0, UINT16_MAX, &port) != 0)
        return -1;
    parsed.port = (uint16_t)port;
    *address = parsed;
    return 0;
}

void config_value_clear(const struct config_key *key, void *config)
{
    void *field = config_field(key, config);

    switch (key->type) {
    case CONFIG_INTEGER:
    case CONFIG_CHOICE:
        *(int64_t *)field = 0;
        return;
    case CONFIG_BOOLEAN:
        *(bool *)field = false;
        return;
    case CONFIG_ADDRESS:
        *(struct config_address *)field = (struct config_address){0};
        return;
    case CONFIG_SECRET:
        if (*(char **)field != NULL)
            explicit_bzero(*(char **)field, strlen(*(char **)field));
        /* fall through */
    case CONFIG_STRING:
        free(*(char **)field);
        *(char **)field = NULL;
    }
}

bool config_text_is_right(const char *text, size_t length)
{
    return length > 0 && length <= CONFIG_TEXT_MAX_BYTES && !has_control_character(text, length);
}

static bool has_control_character(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    }
    return false;
}

static bool is_text(const struct config_key *key)
{
    return key->type == CONFIG_STRING || key->type == CONFIG_SECRET;
}

const char *config_value_expected(const struct config_key *key, char *buffer, size_t buffer_size)
{
    size_t at;

    switch (key->type) {
    case CONFIG_INTEGER:
        snprintf(buffer, buffer_size, "an integer from %" PRId64 " to %" PRId64 "%s%s", key->min,
                 key->max, key->unit != NULL ? " " : "", key->unit != NULL ? key->unit : "");
        break;
    case CONFIG_BOOLEAN:
        snprintf(buffer, buffer_size, "true or false");
        break;
    case CONFIG_STRING:
    case CONFIG_SECRET:
        snprintf(buffer, buffer_size, "%s of 1 to %d bytes without control characters",
                 key->type == CONFIG_SECRET ? "a secret" : "a text", CONFIG_TEXT_MAX_BYTES);
        break;
    case CONFIG_CHOICE:
        at = (size_t)snprintf(buffer, buffer_size, "one of %s", key->choices[0]);
        for (size_t i = 1; key->choices[i] != NULL && at < buffer_size; i++)
            at += (size_t)snprintf(buffer + at, buffer_size - at, ", %s", key->choices[i]);
        break;
    case CONFIG_ADDRESS:
        snprintf(buffer, buffer_size,
                 "a numeric address and port such as 127.0.0.1:8080 or [::1]:8080");
    }
    return buffer;
}

const char *config_value_found(const struct config_key *key, const char *text, size_t length,
                               char *buffer, size_t buffer_size)
{
    if (length == 0)
        snprintf(buffer, buffer_size, "nothing");
    else if (has_control_character(text, length))
        snprintf(buffer, buffer_size, "a control character");
    else if (is_text(key))
        snprintf(buffer, buffer_size, "%zu bytes", length);
    else
        log_quote(text, buffer, buffer_size);
    return buffer;
}
