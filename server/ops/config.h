/* Configuration: one table of keys per program, filled from a YAML file and the environment.
 *
 * The same rules apply to every key:
 *  - The file is one flat YAML mapping of keys to scalars, in UTF-8, at most 1 MiB. An empty file
 *    sets nothing. Nested values, anchors, aliases, tags and further documents are errors.
 *  - The type of the key decides how a scalar is parsed, whether it is quoted or not: 5 and "5" are
 *    the same number and the same text, and equal to a variable that contains 5. An unquoted null,
 *    a ~ or nothing at all is an error, and so is an empty text. An IPv6 address needs quotes,
 *    because YAML parses its bracket as a list.
 *  - The environment variable of a key is its name in upper case: DRAIN_MS for `drain_ms`. An empty
 *    variable counts as not set. Variables of no key are ignored.
 *  - A secret can also be given as KEY_FILE (in the environment) or key_file (in the file): the
 *    path of a file that contains it, relative to the working directory. One trailing newline is
 *    ignored.
 *  - The environment overrides the file, and the file overrides the default. A secret and its _file
 *    in the same source are an error. Values of the file must be valid even if the environment
 *    overrides them; only a key_file is not opened then.
 *  - An unknown or doubled key, a wrong type, a value out of range, and a missing required key are
 *    errors: one line with the location (FILE:LINE, or the variable's name) and the expected value.
 *    No message contains the value of a secret, of a key_file (it may be the secret, in the wrong
 *    variable) or of a string.
 *
 * A string that may contain a password, such as a database URI, is a secret here.
 *
 * The module owns the strings that it stores, and wipes its copies of what it reads. libyaml may
 * leave parts of an inline secret in freed memory, and root can read the environment in /proc
 * (other users cannot: sandbox.h). So a secret is best given as a file. The module checks type and
 * range; the program checks the rest.
 */
#ifndef SERVER_OPS_CONFIG_H
#define SERVER_OPS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_type {
    CONFIG_INTEGER, /* int64_t; `min` to `max`, decimal with an optional minus; no plus, and no
                       leading zeros, which some programs read as octal */
    CONFIG_BOOLEAN, /* bool; true or false, in lower case */
    CONFIG_STRING,  /* char *; not empty, at most 4,096 bytes, no control characters */
    CONFIG_SECRET,  /* char *; like a string, but never shown; may come from a file */
    CONFIG_CHOICE,  /* int64_t, the index in `choices`; one of these words */
    CONFIG_ADDRESS  /* struct config_address; IPV4:PORT, [IPV6]:PORT; port 0 to 65,535 */
};

/* Where to listen. The host is a numeric address. */
struct config_address {
    char host[46]; /* without the brackets of IPv6 */
    uint16_t port; /* 0: the kernel chooses one */
};

/* One key. Tables end with an entry whose name is NULL. The comments of `enum config_type` give the
 * C type of the field. Its strings are on the heap. */
struct config_key {
    const char *name; /* lower case, as in the file; at most 63 bytes of a-z, 0-9 and _ */
    enum config_type type;
    size_t offset;              /* of the field in the program's configuration struct */
    const char *fallback;       /* the default, written as in the file; NULL: none */
    bool required;              /* the program does not start without a value */
    int64_t min, max;           /* integers only */
    const char *const *choices; /* CONFIG_CHOICE only; ends with NULL */
    const char *unit;           /* "ms", "s", "bytes"…, or NULL */
    const char *help;           /* one sentence */
};

/* Fills `config`, a zeroed struct with the fields of `keys`, from the environment, the file
 * (`path`, or NULL for none) and the defaults. A string or secret without value and default stays
 * NULL.
 *
 * Returns 0, or -1 with the first error as one line, without a newline, in `error`; all stored
 * values have been freed then. Blocks; call it before the loops start.
 */
int config_load(const struct config_key *keys, void *config, const char *path, char *error,
                size_t error_size) __attribute__((warn_unused_result));

/* Wipes the secrets, frees what config_load has stored, and zeroes the fields. */
void config_free(const struct config_key *keys, void *config);

/* Writes the table of keys for --help (name, variable, type, range and unit, default, help), and
 * the rule for file, environment and defaults. */
void config_print_help(const struct config_key *keys, FILE *to);

/* Logs the effective value of every key (`event=configuration`), secrets as "(set)" or "(not set)".
 * Uses as many lines as necessary, so that no line is cut. A value of more than 512 bytes is
 * cut. */
void config_log(const struct config_key *keys, const void *config);

#endif
