/* Configuration: one table of keys per program, filled from a YAML file and the environment.
 *
 * The rules, the same for every key:
 *  - The file is one flat YAML mapping of key to scalar.
 *  - The environment variable of a key is its name in upper case: `drain_ms` is DRAIN_MS. An empty
 *    variable counts as not set.
 *  - A secret can also be given as KEY_FILE (in the environment) or key_file (in the file): the path
 *    of a file that holds it; one trailing newline is not part of it.
 *  - Environment over file over default. Within one of them a secret and its _file together are an
 *    error.
 *  - An unknown or doubled key, a wrong type, a value out of range, a missing required key: one line
 *    that says where (FILE:LINE or the variable's name) and what was expected. A message never
 *    holds a secret's value.
 *
 * The module owns the strings it stores. It leaves to others what the values mean beyond type and
 * range.
 */
#ifndef SERVICE_CONFIG_H
#define SERVICE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_type {
    CONFIG_INTEGER, /* int64_t; `min` to `max`, decimal, an optional minus, nothing else */
    CONFIG_BOOLEAN, /* bool; true or false */
    CONFIG_STRING,  /* char *; not empty, at most 4,096 bytes, no control characters */
    CONFIG_SECRET,  /* char *; as a string, never shown; may come from a file */
    CONFIG_CHOICE,  /* int64_t, the index in `choices`; one of the words */
    CONFIG_ADDRESS  /* struct config_address; HOST:PORT, [IPV6]:PORT; port 0 to 65,535 */
};

/* Where to listen. The host is a numeric address. */
struct config_address {
    char host[46]; /* without the brackets of IPv6 */
    uint16_t port; /* 0: the kernel picks one */
};

/* One key. Tables end with an entry whose name is NULL. */
struct config_key {
    const char *name; /* lower case, as in the file */
    enum config_type type;
    size_t offset;              /* of the field in the program's configuration struct */
    const char *fallback;       /* the default, as it would stand in the file; NULL: none */
    bool required;              /* without a value the program cannot start */
    int64_t min, max;           /* integers only */
    const char *const *choices; /* CONFIG_CHOICE only; ends with NULL */
    const char *unit;           /* "ms", "s", "bytes"…, or NULL */
    const char *help;           /* one sentence */
};

/* Fills `config`, a zeroed struct that the offsets in `keys` point into, from the environment, the
 * file (`path`, or NULL for none) and the defaults. A string or secret without value and default
 * stays NULL.
 *
 * Returns 0, or -1 with the first error as one line, without a newline, in `error`; then everything
 * stored has been freed. Blocking; call it before the loops start.
 */
int config_load(const struct config_key *keys, void *config, const char *path, char *error,
                size_t error_size) __attribute__((warn_unused_result));

/* Frees what config_load stored, wiping secrets first, and zeroes the fields. */
void config_free(const struct config_key *keys, void *config);

/* Writes the table of keys as --help shows it: name, variable, type, range and unit, default, help.
 */
void config_print_help(const struct config_key *keys, FILE *to);

/* Logs every key's effective value (`event=configuration`), secrets as "(set)" or "(not set)". */
void config_log(const struct config_key *keys, const void *config);

#endif
