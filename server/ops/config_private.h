/* The functions that the files of the configuration module share. No other module includes it.
 *
 *   config.c        where a value comes from: file, environment, default, a secret's own file
 *   config_value.c  one value: from text to field; frees it
 *   config_yaml.c   parses the file into pairs
 *   config_show.c   --help and the log
 */
#ifndef SERVER_OPS_CONFIG_PRIVATE_H
#define SERVER_OPS_CONFIG_PRIVATE_H

#include "server/ops/config.h"

enum {
    CONFIG_NAME_BYTES = 64,       /* of a key, with its NUL */
    CONFIG_TEXT_MAX_BYTES = 4096, /* of a string or secret, without its NUL */
    CONFIG_FILE_MAX_BYTES = 1024 * 1024
};

#define CONFIG_FILE_SUFFIX "_file"

/* Writes the name of a key's environment variable, or of its _file form if `file`. Returns
 * `buffer`. */
#define CONFIG_VARIABLE_BYTES (CONFIG_NAME_BYTES + sizeof(CONFIG_FILE_SUFFIX))
const char *config_variable(const struct config_key *key, bool file, char *buffer);

/* Returns the field of `key` in `config`. */
void *config_field(const struct config_key *key, void *config);
const void *config_field_const(const struct config_key *key, const void *config);

/* Parses `length` bytes of `text` (a NUL follows them) and replaces the field's value. Returns 0,
 * or -1 with errno EINVAL (the old value is kept) or ENOMEM. */
int config_value_set(const struct config_key *key, void *config, const char *text, size_t length)
    __attribute__((warn_unused_result));

/* Wipes a secret, frees the field's value, and zeroes the field. */
void config_value_clear(const struct config_key *key, void *config);

/* Returns whether `text` can be a string or a secret. */
bool config_text_is_right(const char *text, size_t length);

/* Describes the valid values of the key ("an integer from 0 to 60000 ms"). Returns `buffer`. */
const char *config_value_expected(const struct config_key *key, char *buffer, size_t buffer_size);

/* Describes a refused text for a message: by its value, or, for types that may contain a secret,
 * only by its error. Returns `buffer`. */
const char *config_value_found(const struct config_key *key, const char *text, size_t length,
                               char *buffer, size_t buffer_size);

/* A pair of the file. The texts are valid until the callback returns. */
struct config_pair {
    const char *key;
    size_t line;       /* of the key, from 1 */
    const char *value; /* a NUL follows it; it may contain others */
    size_t value_length;
    size_t value_line;
    bool value_is_null;
};

/* Why a file is not YAML, or not one flat mapping. `line` 0: no particular line. */
struct config_problem {
    size_t line;
    char text[200];
};

/* Calls `take` with each pair of a YAML text, in order. Returns 0; or -1 with `problem` filled; or
 * -1 as soon as `take` has returned -1, with `problem->text` empty. `take` must notice doubled keys
 * itself. */
int config_yaml_read(const char *text, size_t length,
                     int (*take)(void *context, const struct config_pair *pair), void *context,
                     struct config_problem *problem) __attribute__((warn_unused_result));

#endif
