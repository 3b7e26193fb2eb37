/* The settings of both services. settings.c has the table of their keys. */
#ifndef SERVER_OPS_SETTINGS_H
#define SERVER_OPS_SETTINGS_H

#include "server/ops/config.h"

#include <stdbool.h>
#include <stdint.h>

/* The first member of each program's configuration. */
struct service_config {
    int64_t workers;
    struct config_address listen;
    struct config_address admin_listen;
    int64_t log_level;  /* enum log_level */
    int64_t log_format; /* enum log_format */
    bool access_log;
    int64_t access_log_sample;
    int64_t drain_ms;
    int64_t shutdown_ms;
    int64_t idle_ms;
    int64_t head_ms;
    int64_t body_ms;
    int64_t answer_ms;
    int64_t max_connections;
    int64_t max_target_bytes;
    int64_t max_head_bytes;
    int64_t max_unread_bytes;
    int64_t max_unsent_bytes;
    bool sandbox; /* see sandbox.h */
};

/* Returns the table of all keys of a program: those of struct service_config, with the defaults of
 * its addresses, and `program_keys` after them. The memory is static, and the next call overwrites
 * it. Call it before any thread starts. */
const struct config_key *service_keys(const struct config_key *program_keys, const char *listen,
                                      const char *admin_listen);

#endif
