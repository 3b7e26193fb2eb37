/* Configuration: one table of keys per program, filled from a YAML file and the environment.
 *
 * The rules, the same for every key:
 *  - The file is one flat YAML mapping of key to scalar, UTF-8, at most 1 MiB; an empty one sets
 *    nothing. Nested values, anchors, aliases, tags and further documents are refused.
 *  - The key's type says how a scalar is read, and quotes change nothing: 5 and "5" are the same
 *    number, the same text, and the same as a variable that holds 5. Only an unquoted null, ~ or
 *    nothing at all is no value, and refused; so is an empty text. An IPv6 address needs quotes, as
 *    YAML takes its bracket for a list.
 *  - The environment variable of a key is its name in upper case: `drain_ms` is DRAIN_MS. An empty
 *    variable counts as not set. Variables that belong to no key are nobody's business.
 *  - A secret can also be given as KEY_FILE (in the environment) or key_file (in the file): the
 *    path of a file that holds it, as seen from the working directory; one trailing newline is not
 *    part of it.
 *  - Environment over file over default. Within one of them a secret and its _file together are an
 *    error. What the file says must be right even where the environment overrides it; only a
 *    key_file is then not opened.
 *  - An unknown or doubled key, a wrong type, a value out of range, a missing required key: one
 *    line that says where (FILE:LINE or the variable's name) and what was expected. A message never
 *    holds a secret's value, nor a key_file's (it may be the secret, in the wrong variable), nor a
 *    string's.
 *
 * A string whose value may hold a password (a database URI) is a secret here.
 *
 * The module owns the strings it stores. It wipes its own copies of what it reads; libyaml may
 * leave parts of a file's inline secret in freed memory, and root can read the environment in /proc
 * (nobody else: sandbox.h), so a secret is best given as a file. It leaves to others what the values mean beyond type
 * and range.
 */
#ifndef SERVER_OPS_CONFIG_H
#define SERVER_OPS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_type {
    CONFIG_INTEGER, /* int64_t; `min` to `max`, decimal, an optional minus, nothing else: no plus,
                       no leading zeros (octal to some, decimal to others) */
    CONFIG_BOOLEAN, /* bool; true or false, in lower case */
    CONFIG_STRING,  /* char *; not empty, at most 4,096 bytes, no control characters */
    CONFIG_SECRET,  /* char *; as a string, never shown; may come from a file */
    CONFIG_CHOICE,  /* int64_t, the index in `choices`; one of the words */
    CONFIG_ADDRESS  /* struct config_address; IPV4:PORT, [IPV6]:PORT; port 0 to 65,535 */
};

/* Where to listen. The host is a numeric address. */
struct config_address {
    char host[46]; /* without the brackets of IPv6 */
    uint16_t port; /* 0: the kernel picks one */
};

/* One key. Tables end with an entry whose name is NULL. The struct's field has the type that stands
 * at the key's type above; its strings are at home in the heap. */
struct config_key {
    const char *name; /* lower case, as in the file; at most 63 bytes of a-z, 0-9 and _ */
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

/* Writes the table of keys as --help shows it (name, variable, type, range and unit, default,
 * help), and below it the rule that connects file, environment and defaults. */
void config_print_help(const struct config_key *keys, FILE *to);

/* Logs every key's effective value, secrets as "(set)" or "(not set)". One line of
 * `event=configuration` with all of them, or as many lines as it takes for none to be cut; a value
 * of more than 512 bytes is. */
void config_log(const struct config_key *keys, const void *config);

#endif
