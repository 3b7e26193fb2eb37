#include "server/ops/config_private.h"

#include <inttypes.h>
#include <string.h>

#include "server/ops/log.h"

/* Maximum bytes of the pairs in one log line. Leaves room for the beginning of the line
 * (log_event). */
#define PAIRS_BYTES 1536

static int name_width(const struct config_key *keys);
static void print_key(const struct config_key *key, int width, FILE *to);
static const char *show_value(const struct config_key *key, const void *field, char *buffer,
                              size_t buffer_size);

void config_print_help(const struct config_key *keys, FILE *to)
{
    int width = name_width(keys);

    fprintf(to, "  %-*s  %-*s  %s\n", width, "KEY", width, "VARIABLE", "VALUE");
    for (const struct config_key *key = keys; key->name != NULL; key++)
        print_key(key, width, to);
    fprintf(to,
            "\n"
            "A key's value is that of its environment variable (the key in upper case; an empty\n"
            "one counts as not set), or else that of the file (a flat YAML mapping of key to\n"
            "value), or else its default. A secret can be given as KEY_FILE or key_file instead:\n"
            "the path of a file that holds it.\n");
}

static int name_width(const struct config_key *keys)
{
    size_t width = strlen("VARIABLE");

    for (const struct config_key *key = keys; key->name != NULL; key++) {
        size_t length = strlen(key->name);

        if (key->type == CONFIG_SECRET)
            length += strlen(CONFIG_FILE_SUFFIX);
        if (length > width)
            width = length;
    }
    return (int)width;
}

static void print_key(const struct config_key *key, int width, FILE *to)
{
    char variable[CONFIG_VARIABLE_BYTES], expected[256];
    bool secret = key->type == CONFIG_SECRET;

    fprintf(to, "  %-*s  %-*s  %s; ", width, key->name, width,
            config_variable(key, false, variable),
            config_value_expected(key, expected, sizeof(expected)));
    if (key->fallback != NULL)
        fprintf(to, "default %s\n", secret ? "(set)" : key->fallback);
    else
        fprintf(to, "%s\n", key->required ? "required" : "no default");
    if (secret)
        fprintf(to, "  %s%-*s  %-*s  or the path of a file that holds it\n", key->name,
                width - (int)strlen(key->name), CONFIG_FILE_SUFFIX, width,
                config_variable(key, true, variable));
    fprintf(to, "      %s\n", key->help);
}

void config_log(const struct config_key *keys, const void *config)
{
    char pairs[PAIRS_BYTES];
    size_t at = 0;

    for (const struct config_key *key = keys; key->name != NULL; key++) {
        char value[512];
        size_t size;

        show_value(key, config_field_const(key, config), value, sizeof(value));
        size = strlen(key->name) + strlen(value) + 2;
        if (at + size >= sizeof(pairs)) {
            log_event(LOG_LEVEL_INFO, "configuration", "%s", pairs);
            at = 0;
        }
        at += (size_t)snprintf(pairs + at, sizeof(pairs) - at, "%s%s=%s", at > 0 ? " " : "",
                               key->name, value);
    }
    if (at > 0)
        log_event(LOG_LEVEL_INFO, "configuration", "%s", pairs);
}

static const char *show_value(const struct config_key *key, const void *field, char *buffer,
                              size_t buffer_size)
{
    const struct config_address *address = field;
    const char *text;

    switch (key->type) {
    case CONFIG_INTEGER:
        snprintf(buffer, buffer_size, "%" PRId64, *(const int64_t *)field);
        break;
    case CONFIG_BOOLEAN:
        snprintf(buffer, buffer_size, "%s", *(const bool *)field ? "true" : "false");
        break;
    case CONFIG_CHOICE:
        log_quote(key->choices[*(const int64_t *)field], buffer, buffer_size);
        break;
    case CONFIG_STRING:
        text = *(char *const *)field;
        log_quote(text != NULL ? text : "(not set)", buffer, buffer_size);
        break;
    case CONFIG_SECRET:
        text = *(char *const *)field;
        log_quote(text != NULL ? "(set)" : "(not set)", buffer, buffer_size);
        break;
    case CONFIG_ADDRESS:
        snprintf(buffer, buffer_size, strchr(address->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                 address->host, address->port);
    }
    return buffer;
}
