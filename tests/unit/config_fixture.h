/* A table with a key of every type, a scratch directory for files, and functions that load a
 * configuration.
 *
 * Every test runs inside the directory, so that messages have the file names of the test. No
 * variable of the table is set when a test begins. */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/ops/config.h"
#include "tests/unit/capture.h"

#define FILE_NAME   "conf.yml"
#define SECRET_NAME "secret-file"

struct settings {
    struct config_address listen;
    int64_t drain_ms;
    int64_t wide;
    bool log_requests;
    int64_t log_level;
    char *db_user;
    char *token;
};

static const char *const levels[] = {"error", "warning", "info", "debug", NULL};

static const struct config_key keys[] = {
    {.name = "listen",
     .type = CONFIG_ADDRESS,
     .offset = offsetof(struct settings, listen),
     .fallback = "127.0.0.1:8080",
     .help = "Where to listen."},
    {.name = "drain_ms",
     .type = CONFIG_INTEGER,
     .offset = offsetof(struct settings, drain_ms),
     .fallback = "5",
     .min = 0,
     .max = 60000,
     .unit = "ms",
     .help = "How long to drain."},
    {.name = "wide",
     .type = CONFIG_INTEGER,
     .offset = offsetof(struct settings, wide),
     .min = INT64_MIN,
     .max = INT64_MAX,
     .help = "Any number."},
    {.name = "log_requests",
     .type = CONFIG_BOOLEAN,
     .offset = offsetof(struct settings, log_requests),
     .fallback = "false",
     .help = "Whether to log each request."},
    {.name = "log_level",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct settings, log_level),
     .fallback = "info",
     .choices = levels,
     .help = "How much is logged."},
    {.name = "db_user",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings, db_user),
     .help = "Who asks the database."},
    {.name = "token",
     .type = CONFIG_SECRET,
     .offset = offsetof(struct settings, token),
     .help = "What callers must know."},
    {0},
};

static const char *const variables[] = {"LISTEN",       "DRAIN_MS",   "WIDE",
                                        "LOG_REQUESTS", "LOG_LEVEL",  "DB_USER",
                                        "TOKEN",        "TOKEN_FILE", "DRAIN_MS_FILE"};

static char scratch[] = "/tmp/pathcount-test-XXXXXX";
static struct settings settings;
static char error[1024];

static inline int enter_scratch(void **state)
{
    (void)state;
    must(mkdtemp(scratch) != NULL, "mkdtemp");
    return chdir(scratch);
}

static inline int leave_scratch(void **state)
{
    (void)state;
    unlink(FILE_NAME);
    unlink(SECRET_NAME);
    must(chdir("/") == 0, "chdir");
    return rmdir(scratch);
}

static inline int begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    config_free(keys, &settings);
    return 0;
}

static inline void write_bytes(const char *name, const void *bytes, size_t length)
{
    FILE *file = fopen(name, "we");

    must(file != NULL && fwrite(bytes, 1, length, file) == length && fclose(file) == 0, name);
}

/* Loads `length` bytes of YAML, or no file if `yaml` is NULL. Replaces the loaded settings. */
static inline int load_bytes(const char *yaml, size_t length)
{
    config_free(keys, &settings);
    error[0] = '\0';
    if (yaml != NULL)
        write_bytes(FILE_NAME, yaml, length);
    return config_load(keys, &settings, yaml != NULL ? FILE_NAME : NULL, error, sizeof(error));
}

static inline int load(const char *yaml)
{
    return load_bytes(yaml, yaml != NULL ? strlen(yaml) : 0);
}

#define assert_loads(yaml)                                                                         \
    do {                                                                                           \
        if (load(yaml) != 0)                                                                       \
            fail_msg("%s", error);                                                                 \
    } while (0)

#define assert_refused(yaml, message)                                                              \
    do {                                                                                           \
        assert_int_equal(load(yaml), -1);                                                          \
        assert_string_equal(error, message);                                                       \
    } while (0)

#endif
