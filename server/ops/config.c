#include "server/ops/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/ops/config_private.h"
#include "server/ops/log.h"

/* Where a key's value has been found so far. */
struct given {
    size_t line; /* in the file; 0: not there */
    bool file;   /* the file has its key_file */
    bool set;
};

struct loader {
    const struct config_key *keys;
    void *config;
    const char *path; /* of the file, or NULL */
    struct given *given;
    char *error;
    size_t error_size;
};

/* Room for the location at the beginning of a message: FILE:LINE: KEY. */
#define WHERE_BYTES (512 + 32 + CONFIG_VARIABLE_BYTES)

static int load_file(struct loader *l);
static int take_pair(void *context, const struct config_pair *pair);
static const struct config_key *find_key(const struct config_key *keys, const char *name,
                                         bool *file);
static int fail_second(struct loader *l, const struct config_pair *pair,
                       const struct config_key *key);
static int load_environment(struct loader *l);
static const char *variable_value(const struct config_key *key, bool file);
static int load_defaults(struct loader *l);
static int fail_missing(struct loader *l, const struct config_key *key);
static int set(struct loader *l, const struct config_key *key, const char *where, const char *text,
               size_t length);
static int set_from_file(struct loader *l, const struct config_key *key, const char *where,
                         const char *path);
static int fail_value(struct loader *l, const struct config_key *key, const char *where,
                      const char *found);
static int fail(struct loader *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static char *read_file(const char *path, size_t max_bytes, size_t *length);
static int read_all(int fd, char *bytes, size_t size, size_t *length);
static void wipe_and_free(char *bytes, size_t size);

int config_load(const struct config_key *keys, void *config, const char *path, char *error,
                size_t error_size)
{
    struct loader l = {
        .keys = keys, .config = config, .path = path, .error = error, .error_size = error_size};
    size_t count = 0;
    int result = -1;

    while (keys[count].name != NULL) {
        assert(strlen(keys[count].name) < CONFIG_NAME_BYTES);
        count++;
    }
    l.given = calloc(count + 1, sizeof(*l.given));
    if (l.given == NULL)
        return fail(&l, "out of memory");
    if (load_file(&l) == 0 && load_environment(&l) == 0 && load_defaults(&l) == 0)
        result = 0;
    else
        config_free(keys, config);
    free(l.given);
    return result;
}

void config_free(const struct config_key *keys, void *config)
{
    for (const struct config_key *key = keys; key->name != NULL; key++)
        config_value_clear(key, config);
}

static int load_file(struct loader *l)
{
    struct config_problem problem;
    size_t length;
    char *text;
    int result;

    if (l->path == NULL)
        return 0;
    text = read_file(l->path, CONFIG_FILE_MAX_BYTES, &length);
    if (text == NULL && errno == EFBIG)
        return fail(l, "%s: expected at most %d bytes", LOG_QUOTED(l->path), CONFIG_FILE_MAX_BYTES);
    if (text == NULL)
        return fail(l, "%s: cannot be read: %s", LOG_QUOTED(l->path), strerror(errno));
    result = config_yaml_read(text, length, take_pair, l, &problem);
    if (result != 0 && problem.line != 0)
        fail(l, "%s:%zu: %s", LOG_QUOTED(l->path), problem.line, problem.text);
    else if (result != 0 && problem.text[0] != '\0')
        fail(l, "%s: %s", LOG_QUOTED(l->path), problem.text);
    wipe_and_free(text, length);
    return result;
}

static int take_pair(void *context, const struct config_pair *pair)
{
    struct loader *l = context;
    bool file;
    const struct config_key *key = find_key(l->keys, pair->key, &file);
    struct given *given;
    char where[WHERE_BYTES];

    if (key == NULL)
        return fail(l, "%s:%zu: unknown key %s: expected one of those that --help lists",
                    LOG_QUOTED(l->path), pair->line, log_quote(pair->key, (char[80]){0}, 80));
    given = &l->given[key - l->keys];
    if (given->line != 0)
        return fail_second(l, pair, key);
    given->line = pair->line;
    given->file = file;
    given->set = true;
    snprintf(where, sizeof(where), "%s:%zu: %s", LOG_QUOTED(l->path), pair->value_line, pair->key);
    if (file && (pair->value_is_null || !config_text_is_right(pair->value, pair->value_length)))
        return fail(l, "%s: expected the path of a file", where);
    if (pair->value_is_null)
        return fail_value(l, key, where, pair->value_length == 0 ? "nothing" : "a null");
    if (!file)
        return set(l, key, where, pair->value, pair->value_length);
    if (variable_value(key, false) != NULL || variable_value(key, true) != NULL)
        return 0;
    return set_from_file(l, key, where, pair->value);
}

/* Returns the key with this name, or NULL. Sets `file` if the name is that of a secret's _file. */
static const struct config_key *find_key(const struct config_key *keys, const char *name,
                                         bool *file)
{
    for (const struct config_key *key = keys; key->name != NULL; key++) {
        size_t length = strlen(key->name);

        *file = key->type == CONFIG_SECRET && strncmp(name, key->name, length) == 0 &&
                strcmp(name + length, CONFIG_FILE_SUFFIX) == 0;
        if (*file || strcmp(name, key->name) == 0)
            return key;
    }
    return NULL;
}

static int fail_second(struct loader *l, const struct config_pair *pair,
                       const struct config_key *key)
{
    const struct given *given = &l->given[key - l->keys];

    return fail(l, "%s:%zu: %s: expected once, but line %zu has %s%s already", LOG_QUOTED(l->path),
                pair->line, pair->key, given->line, key->name,
                given->file ? CONFIG_FILE_SUFFIX : "");
}

static int load_environment(struct loader *l)
{
    for (const struct config_key *key = l->keys; key->name != NULL; key++) {
        const char *value = variable_value(key, false), *path = variable_value(key, true);
        char name[CONFIG_VARIABLE_BYTES], file_name[CONFIG_VARIABLE_BYTES];
        int result = 0;

        config_variable(key, false, name);
        config_variable(key, true, file_name);
        if (value != NULL && path != NULL)
            return fail(l, "%s: expected only one of %s and %s in the environment", file_name, name,
                        file_name);
        if (value != NULL)
            result = set(l, key, name, value, strlen(value));
        else if (path != NULL)
            result = set_from_file(l, key, file_name, path);
        if (result != 0)
            return -1;
        if (value != NULL || path != NULL)
            l->given[key - l->keys].set = true;
    }
    return 0;
}

static const char *variable_value(const struct config_key *key, bool file)
{
    char name[CONFIG_VARIABLE_BYTES];
    const char *value;

    if (file && key->type != CONFIG_SECRET)
        return NULL;
    value = getenv(config_variable(key, file, name));
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *config_variable(const struct config_key *key, bool file, char *buffer)
{
    snprintf(buffer, CONFIG_VARIABLE_BYTES, "%s%s", key->name, file ? CONFIG_FILE_SUFFIX : "");
    for (char *c = buffer; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return buffer;
}

static int load_defaults(struct loader *l)
{
    for (const struct config_key *key = l->keys; key->name != NULL; key++) {
        char where[WHERE_BYTES];

        if (l->given[key - l->keys].set)
            continue;
        if (key->fallback == NULL && key->required)
            return fail_missing(l, key);
        if (key->fallback == NULL)
            continue;
        snprintf(where, sizeof(where), "the default of %s", key->name);
        if (set(l, key, where, key->fallback, strlen(key->fallback)) != 0)
            return -1;
    }
    return 0;
}

static int fail_missing(struct loader *l, const struct config_key *key)
{
    char name[CONFIG_VARIABLE_BYTES], file_name[CONFIG_VARIABLE_BYTES], expected[256];
    bool secret = key->type == CONFIG_SECRET;

    config_variable(key, false, name);
    config_variable(key, true, file_name);
    config_value_expected(key, expected, sizeof(expected));
    return fail(
        l,
        "%s%s%s is missing: expected %s, in the environment as %s%s%s or in the file as %s%s%s%s",
        l->path != NULL ? LOG_QUOTED(l->path) : "", l->path != NULL ? ": " : "", key->name,
        expected, name, secret ? " or " : "", secret ? file_name : "", key->name,
        secret ? " or " : "", secret ? key->name : "", secret ? CONFIG_FILE_SUFFIX : "");
}

static int set(struct loader *l, const struct config_key *key, const char *where, const char *text,
               size_t length)
{
    char found[80];

    if (config_value_set(key, l->config, text, length) == 0)
        return 0;
    if (errno == ENOMEM)
        return fail(l, "%s: out of memory", where);
    return fail_value(l, key, where, config_value_found(key, text, length, found, sizeof(found)));
}

/* Reads a secret from its file. No message contains the path, which may be the secret itself. */
static int set_from_file(struct loader *l, const struct config_key *key, const char *where,
                         const char *path)
{
    size_t size, length;
    char *text = read_file(path, CONFIG_TEXT_MAX_BYTES + 1, &size);
    int result;

    if (text == NULL && errno == EFBIG)
        return fail(l, "%s: expected a file of at most %d bytes", where, CONFIG_TEXT_MAX_BYTES);
    if (text == NULL)
        return fail(l, "%s: the file it names cannot be read: %s", where, strerror(errno));
    length = size;
    if (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    result = set(l, key, where, text, length);
    wipe_and_free(text, size);
    return result;
}

static int fail_value(struct loader *l, const struct config_key *key, const char *where,
                      const char *found)
{
    char expected[256];

    return fail(l, "%s: expected %s, found %s", where,
                config_value_expected(key, expected, sizeof(expected)), found);
}

static int fail(struct loader *l, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(l->error, l->error_size, format, arguments);
    va_end(arguments);
    return -1;
}

/* Returns the whole file and a NUL. The caller wipes and frees it. Returns NULL with errno on
 * errors, EFBIG if the file has more than `max_bytes`. Does not use the file's size, because it may
 * be a pipe. */
static char *read_file(const char *path, size_t max_bytes, size_t *length)
{
    char *bytes = malloc(max_bytes + 1);
    int fd, failure = 0;

    if (bytes == NULL)
        return NULL;
    *length = 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read_all(fd, bytes, max_bytes + 1, length) != 0)
        failure = errno;
    else if (*length > max_bytes)
        failure = EFBIG;
    if (fd >= 0)
        close(fd);
    if (failure != 0) {
        wipe_and_free(bytes, *length);
        errno = failure;
        return NULL;
    }
    bytes[*length] = '\0';
    return bytes;
}

static int read_all(int fd, char *bytes, size_t size, size_t *length)
{
    while (*length < size) {
        ssize_t got = read(fd, bytes + *length, size - *length);

        if (got == 0)
            return 0;
        if (got > 0)
            *length += (size_t)got;
        else if (errno != EINTR)
            return -1;
    }
    return 0;
}

static void wipe_and_free(char *bytes, size_t size)
{
    explicit_bzero(bytes, size);
    free(bytes);
}
