/* What the files of the configuration module share; nobody else includes this.
 *
 *   config.c        where a value comes from: file, environment, default, a secret's own file
 *   config_value.c  what a value is: from text to field, and back to nothing
 *   config_yaml.c   the file as a sequence of pairs
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

/* The environment variable of a key; of its _file form if `file`. Returns `buffer`. */
#define CONFIG_VARIABLE_BYTES (CONFIG_NAME_BYTES + sizeof(CONFIG_FILE_SUFFIX))
const char *config_variable(const struct config_key *key, bool file, char *buffer);

/* The field of `key` in `config`. */
void *config_field(const struct config_key *key, void *config);
const void *config_field_const(const struct config_key *key, const void *config);

/* Turns `length` bytes of `text` (a NUL follows them) into the field's value, in place of the old
 * one. Returns 0, or -1 with errno EINVAL (the old value is kept) or ENOMEM. */
int config_value_set(const struct config_key *key, void *config, const char *text, size_t length)
    __attribute__((warn_unused_result));

/* Frees and zeroes the field, wiping a secret. */
void config_value_clear(const struct config_key *key, void *config);

/* Whether `text` can be a string or a secret. */
bool config_text_is_right(const char *text, size_t length);

/* What the key's value must be ("an integer from 0 to 60000 ms"). Returns `buffer`. */
const char *config_value_expected(const struct config_key *key, char *buffer, size_t buffer_size);

/* What a refused text is, for a message: its value for the types that are no secret to anybody,
 * otherwise only what is wrong with it. Returns `buffer`. */
const char *config_value_found(const struct config_key *key, const char *text, size_t length,
                               char *buffer, size_t buffer_size);

/* One pair of the file. The texts live until the callback returns. */
struct config_pair {
    const char *key;
    size_t line;       /* of the key, from 1 */
    const char *value; /* a NUL follows it; there may be others in it */
    size_t value_length;
    size_t value_line;
    bool value_is_null;
};

/* What is wrong with a file as YAML, or as one flat mapping. `line` 0: nothing in particular. */
struct config_problem {
    size_t line;
    char text[200];
};

/* Calls `take` with each pair of a YAML text, in order. Returns 0; -1 with `problem` filled; or -1
 * as soon as `take` has returned -1, with `problem->text` empty. Doubled keys are the callback's to
 * notice. */
int config_yaml_read(const char *text, size_t length,
                     int (*take)(void *context, const struct config_pair *pair), void *context,
                     struct config_problem *problem) __attribute__((warn_unused_result));

#endif
